# dualdb.owns_project(): whose project, as of which moment, and that nothing else
# can be learnt from it.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Session;
use DualDB::Signer;
use DualDB::Test;
use Test::More;

my $node = new_cluster('node');
set_up_app($node);
my $signer = DualDB::Signer->new;
$node->safe_psql('aisales_app', $signer->trust_sql);
my ($alice, $bob) = map { $signer->token(sub => "\"$_\"") } qw(alice bob);
sub app { return $node->safe_psql('aisales_app', $_[0]); }
app(q{INSERT INTO app.projects (id, user_id, name) SELECT left(u, 1) || g, u, 'x' FROM unnest('{alice,bob}'::text[]) u, generate_series(1, 3) g;
	INSERT INTO app.orders (project_id, id, user_id) SELECT p.id, g, p.user_id FROM app.projects p, generate_series(1, 2) g});

sub become { return "SELECT dualdb.authenticate('$_[0]')"; }
sub owns { return "SELECT string_agg(p, ' ' ORDER BY p) FROM unnest('{a1,a2,a4,b1,b2,none}'::text[]) p WHERE dualdb.owns_project(p)"; }

my $session = DualDB::Session->new($node, 'aisales_app', 'app_user_login');
$session->query('BEGIN');
is($session->ask(owns()), '', 'nobody owns nothing');
$session->query(become($alice));
is($session->ask(owns()), 'a1 a2', 'a user owns their projects, and learns nothing of others');
is($session->ask('SELECT dualdb.owns_project(NULL) IS NULL'), 't', 'NULL is no project');
$session->query("INSERT INTO app.projects (id, user_id, name) VALUES ('a4', 'alice', 'new')");
is($session->ask(owns()), 'a1 a2 a4', 'a new one, too');
app(q{UPDATE app.projects SET user_id = 'bob' WHERE id = 'a2'});
is($session->ask(owns()), 'a1 a4', 'and not one that has got another owner');
is($session->ask('SELECT count(*) FROM app.orders'), '4', 'nor its orders');
$session->query(become($bob));
is($session->ask(owns()), 'a2 b1 b2', 'another user theirs');
$session->query('ROLLBACK');

# A plan that is kept, and what it has read.
$session->query(q{PREPARE mine AS SELECT count(*), min(project_id) FROM app.orders});
foreach my $user ([ $alice, '4|a1' ], [ $bob, '8|a2' ], [ $alice, '4|a1' ])
{
	$session->query('BEGIN; ' . become($user->[0]));
	is($session->ask('EXECUTE mine'), $user->[1], 'a prepared statement is whoever\'s who executes it');
	$session->query('COMMIT');
}
$session->query('BEGIN; ' . become($alice));
$session->query('DECLARE c CURSOR FOR SELECT o.project_id FROM app.orders o ORDER BY o.project_id');
is($session->ask('FETCH 1 FROM c'), 'a1', 'a cursor');
$session->query(become($bob));
unlike($session->ask('FETCH ALL FROM c') // '', qr/a1|a3/, 'shows the next user no rows of the one before');
$session->query('ROLLBACK');

# An expression of plpgsql lives as long as the transaction.
my $asks = q{DO $$
DECLARE
	v_answers text := '';
BEGIN
	FOR i IN 1 .. 4 LOOP
		PERFORM dualdb.authenticate(CASE WHEN i %% 2 = 1 THEN '%s' ELSE '%s' END);
		v_answers := v_answers || left(dualdb.owns_project('a1')::text, 1);
		IF i = 2 THEN
			PERFORM dualdb.authenticate('%s');
			DELETE FROM app.projects p WHERE p.id = 'a1';
		END IF;
	END LOOP;
	RAISE INFO 'answers %%', v_answers;
END $$};
my (undef, undef, $err) = psql_as($node, 'aisales_app', 'app_user_login', 'BEGIN; ' . sprintf($asks, $alice, $bob, $alice) . '; ROLLBACK');
like($err, qr/INFO:  answers tfff$/m, 'the same expression, for one user and another, before and after a project is deleted');

# A rollback to a savepoint that no transaction number tells of: a later one has ended.
app(q{GRANT CREATE ON SCHEMA public TO dualdb_app_user});
$session->query(q{CREATE FUNCTION public.asks() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN dualdb.owns_project(''a1''); END'});
$session->query('BEGIN; ' . become($alice) . q{; SAVEPOINT s; DELETE FROM app.projects WHERE id = 'a1'});
app('CREATE TABLE public.later ()');
is($session->ask('SELECT public.asks()'), 'f', 'not a project that has been deleted');
is($session->ask('ROLLBACK TO s; SELECT public.asks()'), 't', 'but once it has not been');
$session->query('ROLLBACK');

# An index within a join: whose projects these are is not read again for each row.
my $join = q{SELECT count(*) FROM generate_series(1, 100) g, LATERAL (SELECT FROM app.orders o WHERE o.id = g::text OFFSET 0) o};
my $reads = q{SELECT seq_scan + idx_scan FROM pg_stat_xact_user_tables WHERE relid = 'app.projects'::regclass};
$session->query('BEGIN; SET LOCAL enable_seqscan = off; ' . become($alice));
like($session->ask("EXPLAIN (ANALYZE) $join"), qr/ loops=100\).*Cond: .*own_project_ids/s, 'control: an index is asked a hundred times');
$session->query('ROLLBACK; BEGIN; SET LOCAL enable_seqscan = off; ' . become($alice));
is($session->ask($join), '4', 'own rows');
cmp_ok($session->ask($reads), '<', 100, 'with fewer readings of the projects');
$session->query('ROLLBACK');

# By way of other statements.
sub refused
{
	my ($sql, $error) = @_;

	return error_is($node, 'aisales_app', 'app_user_login', 'BEGIN; ' . become($alice) . "; $sql; COMMIT", $error, "refused: $sql");
}
my $policy = qr/^42501: new row violates row-level security/;
refused($_, $policy) foreach "INSERT INTO app.orders (project_id, user_id) VALUES ('b1', 'alice')",
  "INSERT INTO app.orders (project_id, user_id) VALUES ('none', 'alice')", "UPDATE app.orders SET project_id = 'b1'",
  "INSERT INTO app.orders (project_id, id, user_id) VALUES ('b1', '1', 'alice') ON CONFLICT DO NOTHING",
  "INSERT INTO app.orders (project_id, id, user_id) VALUES ('b1', '1', 'alice') ON CONFLICT (project_id, id) DO UPDATE SET user_id = 'alice'",
  "MERGE INTO app.orders o USING (SELECT 'a1' AS p) x ON o.project_id = x.p WHEN MATCHED THEN UPDATE SET project_id = 'b1'",
  "MERGE INTO app.orders o USING (SELECT 'b1' AS p) x ON o.project_id = x.p WHEN NOT MATCHED THEN INSERT (project_id, user_id) VALUES (x.p, 'alice')",
  "UPDATE app.projects SET user_id = 'bob' WHERE id = 'a1'";
refused('SET LOCAL row_security = off; SELECT FROM app.orders', qr/^42501: query would be affected by row-level security/);
refused($_, qr/^42501: permission denied/) foreach 'TRUNCATE app.orders', 'SELECT FROM app.api_logs_default';
refused('COPY app.orders FROM stdin', qr/^0A000/);
is((psql_as($node, 'aisales_app', 'app_user_login', 'BEGIN; ' . become($alice) . " \\g /dev/null\n" . q{COPY app.orders (project_id) TO stdout;
		WITH u AS (UPDATE app.orders SET status = 'x' WHERE project_id = 'b1' RETURNING 1), d AS (DELETE FROM app.orders WHERE project_id = 'b1' RETURNING 1)
		SELECT (SELECT count(*) FROM u) + (SELECT count(*) FROM d);
		UPDATE app.orders SET id = '3', project_id = 'a3' WHERE project_id = 'a1' AND id = '1' RETURNING project_id; ROLLBACK}))[1],
	join("\n", qw(a1 a3 a1 a3 0 a3)), 'control: rows of their own');

# A function of theirs sees no row before the policy has let it through.
my $sees = q{CREATE FUNCTION public.sees(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS 'BEGIN RAISE INFO ''sees %%'', $1; RETURN true; END'; %s};
(undef, undef, $err) = psql_as($node, 'aisales_app', 'app_user_login', 'BEGIN; ' . become($alice) . '; ' . sprintf($sees, 'SELECT count(*) FROM app.orders WHERE public.sees(project_id)') . '; ROLLBACK');
like($err, qr/sees a1/, 'control: a cheap function in a condition sees one\'s own rows');
unlike($err, qr/sees b/, 'and no others');

$session->end;
done_testing();
