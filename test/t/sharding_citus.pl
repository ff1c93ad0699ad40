# Schema app on Citus: a coordinator and two workers, row-level security on all of
# them.  Skipped where the server has no Citus.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Citus;
use DualDB::Session;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my ($auth, $coordinator, @workers) = citus_servers();
my @nodes = ($coordinator, @workers);
my $ann = register($auth, 'ann@example.com', 'Ann');
my $bob = register($auth, 'bob@example.com', 'Bob');

sub app { return $coordinator->safe_psql('aisales_app', $_[0]); }
sub as_user { return (psql_as($coordinator, 'aisales_app', 'app_user_login', $_[0]))[1]; }
sub as_service { return (psql_as($coordinator, 'aisales_app', 'app_login', $_[0]))[1]; }

# an app database as it is without Citus, with rows
is(app('SELECT users, complete FROM dualdb.sync()'), '2|t', 'an app database');
app("INSERT INTO app.projects (id, user_id, name)
		SELECT 'a' || g, '$ann', 'Ann''s' FROM generate_series(1, 12) g UNION ALL SELECT 'b' || g, '$bob', 'Bob''s' FROM generate_series(1, 12) g;
	INSERT INTO app.orders (project_id, user_id, total) SELECT p.id, p.user_id, 1 FROM app.projects p, generate_series(1, 3);
	INSERT INTO app.api_logs (project_id, method, path) SELECT p.id, 'GET', '/' FROM app.projects p");

# is distributed
join_nodes($coordinator, @workers);
distribute($auth, $coordinator, @workers);
like(contrib($auth, $coordinator, 'node.sql'), qr/this is the coordinator/, 'which the coordinator does not');
is(contrib($auth, $coordinator, 'shard.sql'), '', 'again');
is(app(q{SELECT string_agg(DISTINCT table_name::text, ' ' ORDER BY table_name::text), count(DISTINCT colocation_id) FROM citus_tables
	WHERE citus_table_type = 'distributed' AND table_name::text !~ 'api_logs_' AND distribution_column = CASE table_name::text WHEN 'app.projects' THEN 'id' ELSE 'project_id' END}),
	'app.api_logs app.integrations app.messages app.model_trainings app.orders app.products app.projects app.reports|1',
	'each table by its project, beside the others');
is(app(q{SELECT citus_table_type FROM citus_tables WHERE table_name = 'app.users'::regclass}), 'reference', 'the directory is everywhere');
is(as_service('SELECT (SELECT count(*) FROM app.projects), (SELECT count(*) FROM app.orders), (SELECT count(*) FROM app.api_logs)'),
	'24|72|24', 'with all rows');
cmp_ok(app(q{SELECT count(DISTINCT nodeport) FROM citus_shards WHERE table_name = 'app.orders'::regclass}), '>', 1, 'on several nodes');

# each node has its keys and revocations; the coordinator keeps the directory
my ($token) = login_tokens($auth, 'ann@example.com');
my ($bobs) = login_tokens($auth, 'bob@example.com');
is($_->safe_psql('aisales_app', 'SELECT keys, users, complete FROM dualdb.sync()'), '2|0|t', 'a worker pulls its keys') foreach @workers;
is($_->safe_psql('aisales_app', 'SELECT complete, failures FROM app.sync_status'), 't|0', 'and shows that it does') foreach @workers;
my $directory = q{SELECT string_agg(DISTINCT result, ' / ') FROM run_command_on_placements('app.users',
	'SELECT string_agg(concat_ws('','', display_name, is_active), '' '' ORDER BY id) FROM %s')};
is(app($directory), 'Ann,t Bob,t', 'the directory is the same on all nodes');
$auth->safe_psql('aisales_auth', "UPDATE auth.users SET display_name = 'Robert' WHERE id = '$bob'");
is(app('SELECT users, complete FROM dualdb.sync()'), '1|t', 'a sync');
is(app($directory), 'Ann,t Robert,t', 'writes it on all');
my $carol = register($auth, 'carol@example.com', 'Carol');
is(as_service("SELECT display_name FROM app.lookup_users(ARRAY['$carol', '$ann']) ORDER BY 1"), "Ann\nCarol", 'a look-up');
is(as_service("SELECT display_name FROM app.lookup_user_by_email('carol\@example.com')"), 'Carol', 'by address');
is(app($directory), 'Ann,t Robert,t', 'leaves it alone');
$auth->safe_psql('aisales_auth', "SELECT auth.erase_user('$carol')");
app('SELECT dualdb.sync()');
is(app($directory), 'Ann,t Robert,t', 'who has gone before the sync has never been there');

# rows of the authenticated user
my $mine = q{SELECT (SELECT count(*) FROM app.projects), (SELECT count(*) FROM app.orders), (SELECT count(*) FROM app.orders WHERE project_id = 'a1'),
	(SELECT count(*) FROM app.orders WHERE project_id = 'b1'), (SELECT count(*) FROM app.api_logs)};
my ($all_of_ann, $all_of_bob, $nothing) = ('12|36|3|0|12', '12|36|0|3|12', '0|0|0|0|0');
is(as_user($mine), $nothing, 'nobody sees nothing');
is(as_user(with_token($token, $mine)), $all_of_ann, 'a user sees the rows of their projects, on all nodes');
is(as_user(with_token($bobs, $mine)), $all_of_bob, 'another one theirs');
is(as_user(with_token($token, 'SELECT 1') . ";\n$mine"), "1\n$nothing", 'nobody again after the transaction');
is(as_user(with_token($token, q{SELECT DISTINCT u.display_name, dualdb.user_id() = u.id FROM app.orders o JOIN app.users u ON u.id = o.user_id})),
	'Ann|t', 'joined with names');
is(as_user(with_token($token, q{INSERT INTO app.projects (id, user_id, name) VALUES ('a13', dualdb.user_id(), 'new');
	INSERT INTO app.orders (project_id, user_id) VALUES ('a13', dualdb.user_id()) RETURNING project_id;
	WITH u AS (UPDATE app.orders SET total = 2 RETURNING 1) SELECT count(*) FROM u;
	WITH d AS (DELETE FROM app.projects WHERE id = 'a13' RETURNING 1) SELECT count(*) FROM d})), "a13\n37\n1", 'they write these');
is(as_service('SELECT total::integer, count(*) FROM app.orders GROUP BY 1 ORDER BY 1'), "1|36\n2|36", 'and no others');
error_is($coordinator, 'aisales_app', 'app_user_login', with_token($token, $_), qr/^42501: new row violates row-level security/, "refused: $_")
  foreach "INSERT INTO app.orders (project_id, user_id) VALUES ('b1', '$ann')",
  "INSERT INTO app.projects (user_id, name) VALUES ('$bob', 'x')", "UPDATE app.projects SET user_id = '$bob' WHERE id = 'a1'";
is(as_user(with_token($token, 'PREPARE p AS ' . $mine . "; EXECUTE p; EXECUTE p")), "$all_of_ann\n$all_of_ann", 'prepared statements');

# no identity without a valid token
sub with_setting { return "BEGIN; SET LOCAL dualdb.forwarded_token = '$_[0]'; $mine; COMMIT"; }
my $forged = $token =~ s/\.[^.]*$/'.' . ('A' x 86)/er;
is(as_user(with_setting($token)), $all_of_ann, 'control: a valid token');
is(as_user(with_setting($_)), $nothing, 'a forged one: nobody') foreach $forged, $ann, "{\"sub\":\"$ann\"}", '';
is(as_user("SET dualdb.forward_tokens = off; $mine"), '', 'the switch is not for users');
is(as_user(with_token($token, "SET LOCAL dualdb.forwarded_token = '$forged'; $mine")), $nothing, 'one after another counts');
error_is($coordinator, 'aisales_app', 'app_user_login', "SELECT dualdb.authenticate_session('$token')", qr/^0A000/, 'there is no identity for a session');
foreach my $worker (@workers)
{
	my $shard = app(sprintf(q{SELECT min(shard_name) FROM citus_shards WHERE table_name = 'app.orders'::regclass AND nodeport = %d}, $worker->port));
	my $straight = "SELECT count(*) > 0, bool_and(user_id = '$ann') FROM $shard";

	is((psql_as($worker, 'aisales_app', 'app_login', $straight))[1], 't|f', 'control: straight to a shard, the service sees all');
	is((psql_as($worker, 'aisales_app', 'app_user_login', $straight))[1], 'f|', 'nobody sees nothing');
	is((psql_as($worker, 'aisales_app', 'app_user_login', with_token($token, $straight)))[1], 't|t', 'and a user their rows');
}

# the token is nowhere to be read
is(as_user(with_token($token, q{SHOW dualdb.forwarded_token; SELECT current_setting('dualdb.forwarded_token') = '',
	(SELECT count(*) FROM pg_settings WHERE name = 'dualdb.forwarded_token')})), "\nt|0", 'the setting shows nothing');
my $signature = $token =~ s/.*\.//r;
foreach my $node (@workers)
{
	my $log = slurp_file($node->logfile);
	like($log, qr/SET LOCAL dualdb\.forwarded_token = '\*\*\*'/, 'control: statements that pass it on are logged');
	unlike($log, qr/\Q$signature\E/, 'the log does not have it');
}
my $open = DualDB::Session->new($coordinator, 'aisales_app', 'app_user_login');
$open->query("BEGIN; SELECT dualdb.authenticate('$token') \\g /dev/null\nSELECT count(*) FROM app.orders");
my $running = app("SELECT string_agg(result, chr(10)) FROM run_command_on_all_nodes('SELECT string_agg(query, chr(10)) FROM pg_stat_activity')");
like($running, qr/FROM app\.orders_\d+/, 'control: pg_stat_activity of the nodes shows the statement');
unlike($running, qr/\Q$signature\E/, 'but not the token');
$open->end;

# what has been revoked
my (undef, $refresh) = login_tokens($auth, 'ann@example.com');
my ($ending) = (login_tokens($auth, 'bob@example.com'));
is(as_user(with_token($ending, $mine)), $all_of_bob, 'a session');
$auth->safe_psql('aisales_auth', "SELECT auth.set_user_active('$bob', false)");
$_->safe_psql('aisales_app', 'SELECT dualdb.sync()') foreach @workers;
is(as_user(with_token($ending, $mine)), $nothing, 'its end is known to the workers, whatever the coordinator knows');
$auth->safe_psql('aisales_auth', "SELECT auth.set_user_active('$bob', true)");

# plans
like(app(q{EXPLAIN (COSTS OFF) SELECT u.display_name FROM app.orders o JOIN app.users u ON u.id = o.user_id WHERE o.project_id = 'a1'}),
	qr/Task Count: 1\b.*Index Scan.*orders_pkey.*Index.*users_pkey/s, 'a project and the names: one node, by indexes');
like(app('EXPLAIN (COSTS OFF) SELECT u.display_name, count(*) FROM app.orders o JOIN app.users u ON u.id = o.user_id GROUP BY 1'),
	qr/Task Count: 4\b(?!.*Distributed Subplan)/s, 'all projects and the names: each node its own');

# partitions
my $month = 'app.api_logs_' . app("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMM')");
app("DROP TABLE $month");
as_service("INSERT INTO app.api_logs (project_id, method, path) VALUES ('a1', 'GET', '/1'), ('b2', 'GET', '/2')");
app("INSERT INTO app.api_logs (project_id, method, path, created_at) SELECT 'a' || g, 'GET', '/', now() - interval '5 months' FROM generate_series(1, 3) g");
is(app(q{SELECT * FROM dualdb.maintain_partitions('app.api_logs')}), '2|5|0|0', 'partitions are made and filled');
is(app(q{SELECT * FROM dualdb.maintain_partitions('app.api_logs')}), '0|0|0|0', 'once');
is(app("SELECT count(*) FROM $month"), '2', 'rows have moved');
is(app("SELECT partition_column IS NULL AND table_owner = 'dualdb_app_owner' FROM (SELECT 1) x LEFT JOIN (SELECT table_owner::text FROM citus_tables WHERE table_name = '$month'::regclass) t ON true,
	LATERAL (SELECT NULL AS partition_column) y"), 't', 'which are distributed and the owner\'s');
is(as_user(with_token($token, 'SELECT count(*) FROM app.api_logs')), '4', 'under the same policies');
is(app(q{SELECT * FROM dualdb.maintain_partitions('app.api_logs', keep => '3 months')}), '0|0|1|0', 'and dropped by retention');

# the coordinator's setup, again
like(app('SELECT dualdb.setup_app()'), qr/^schema app is at version/, 'setup_app() runs on a sharded database');
is(contrib($auth, $_, 'node.sql'), '', 'and node.sql after it') foreach @workers;
is(as_user(with_token($token, 'SELECT count(*) FROM app.orders')), '36', 'all is as before');
is(app(q{SELECT string_agg(DISTINCT v.item || ': ' || v.detail, chr(10)) FROM dualdb.verify_setup() v WHERE v.status = 'error'
	AND v.item !~ '^(hba_|durability)'}), '', 'verify_setup() finds no error');

# a shard that moves takes its policies along
my ($from, $to) = @workers;
my $shard_id = app(sprintf(q{SELECT shardid FROM citus_shards WHERE table_name = 'app.orders'::regclass AND nodeport = %d
	ORDER BY shardid LIMIT 1}, $from->port));
app(sprintf(q{SELECT citus_move_shard_placement(%d, '%s', %d, '%s', %d, 'block_writes')}, $shard_id, $from->host, $from->port, $to->host, $to->port));
is(app("SELECT nodeport FROM citus_shards WHERE shardid = $shard_id"), $to->port, 'shards move to another node');
is(as_user(with_token($token, 'SELECT count(*) FROM app.orders')), '36', 'and users see their rows');
is(as_user('SELECT count(*) FROM app.orders'), '0', 'and nobody nothing');

# what Citus refuses, the schema has none of
app('CREATE FUNCTION public.planted() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$');
error_is($coordinator, 'aisales_app', scalar getpwuid($<), $_->[0], $_->[1], "refused: $_->[0]")
  foreach [ 'CREATE TRIGGER planted BEFORE INSERT ON app.orders FOR EACH ROW EXECUTE FUNCTION public.planted()', qr/trigger/ ],
  [ 'ALTER TABLE app.products ADD UNIQUE (sku)', qr/^0A000: cannot create constraint/ ],
  [ 'CREATE POLICY planted ON app.orders USING (project_id IN (SELECT id FROM app.projects))', qr/policy|SubLink/ ];

# by the sync workers, while a node is down
$_->append_conf('postgresql.conf', "dualdb.app_database = 'aisales_app'\ndualdb.sync_interval = '100ms'"), $_->reload foreach @nodes;
$auth->safe_psql('aisales_auth', "UPDATE auth.users SET display_name = 'Anna' WHERE id = '$ann'");
ok($coordinator->poll_query_until('aisales_app', "SELECT ($directory) = 'Anna,t Robert,t'"), 'the worker of the coordinator keeps the directory');
is(as_user(with_token($token, $mine)) eq $nothing, '', 'control: a token is good');
$workers[1]->stop('fast');
$auth->safe_psql('aisales_auth', "UPDATE auth.users SET display_name = 'Bobby' WHERE id = '$bob'; SELECT auth.set_user_active('$ann', false)");
foreach my $node ($coordinator, $workers[0])
{
	ok($node->poll_query_until('aisales_app', "SELECT count(*) > 0 FROM dualdb.revocations WHERE id = '$ann'"),
		'without one of them revocations come to ' . $node->name);
}
ok($coordinator->poll_query_until('aisales_app', "SELECT last_error ~ 'essential|connection' AND lag < interval '1 minute' FROM app.sync_status"),
	'and it shows why the directory does not change');
is(app("SELECT string_agg(display_name, ' ' ORDER BY id) FROM app.users"), 'Anna Robert', 'control: it does not');
$workers[1]->start;
ok($coordinator->poll_query_until('aisales_app', "SELECT ($directory) = 'Anna,f Bobby,t'"), 'until it is back');

$_->stop('fast') foreach @nodes;
done_testing();
