# Tokens that one node of a sharded database passes on to another: what a node
# accepts, without Citus, which needs the rest (sharding_citus.pl).

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Session;
use DualDB::Signer;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('node', conf => "log_statement = all\nlog_min_messages = notice\nmax_prepared_transactions = 2\n");
set_up_app($node);
my $signer = DualDB::Signer->new;
my $stranger = DualDB::Signer->new;
$node->safe_psql('aisales_app', $signer->trust_sql);
my $alice = $signer->token(sub => '"alice"');
my $bob = $signer->token(sub => '"bob"');
my $expired = $signer->token(sub => '"alice"', exp => 1);
my $forged = $stranger->token(sub => '"alice"');

sub forward { return "SET LOCAL dualdb.forwarded_token = '$_[0]'"; }
sub become { return "SELECT dualdb.authenticate('$_[0]')"; }
my $who = 'SELECT dualdb.user_id()';

sub steps_ok
{
	session_ok($node, 'aisales_app', 'app_user_login', @_);
	return;
}

steps_ok(
	[ 'not where it is not switched on', 'BEGIN; ' . forward($alice) . "; $who; COMMIT", 'nobody' ],
	[ 'control: authenticate() is', 'BEGIN; ' . become($alice) . "; $who; COMMIT", 'alice alice' ],
	[ 'nor can users switch it on', 'SET dualdb.forward_tokens = on', 'ERROR: 42501' ]);

$node->safe_psql('postgres', 'ALTER DATABASE aisales_app SET dualdb.forward_tokens = on');
steps_ok(
	[ 'a token', 'BEGIN; ' . forward($alice) . "; $who", 'alice' ],
	[ 'another one', forward($bob) . "; $who", 'bob' ],
	[ 'a forged one after it', forward($forged) . "; $who", 'nobody' ],
	[ 'and a good one', forward($bob) . "; $who", 'bob' ],
	[ 'until the transaction ends', "COMMIT; $who", 'nobody' ],
	[ 'by ROLLBACK, too', 'BEGIN; ' . forward($alice) . "; $who; ROLLBACK; $who", 'alice nobody' ],
	(map { [ 'none of these', 'BEGIN; ' . forward($_) . "; $who; COMMIT", 'nobody' ] }
		$forged, $expired, 'alice', '{"sub":"alice"}', '', 'x' x 20000),
	[ 'a savepoint', 'BEGIN; ' . forward($alice) . "; SAVEPOINT s; $who; " . forward($bob) . "; $who; ROLLBACK TO s; $who; COMMIT",
		'alice bob alice' ],
	[ 'first asked in a savepoint', 'BEGIN; ' . forward($alice) . "; SAVEPOINT s; $who; ROLLBACK TO s; $who; COMMIT", 'alice alice' ],
	[ 'after an error in a savepoint', 'BEGIN; ' . forward($alice) . "; SAVEPOINT s; $who; SELECT 1/0; ROLLBACK TO s; $who; COMMIT",
		'alice alice ERROR: 22012' ]);

# a node's own
steps_ok(
	[ 'authenticate() comes first', 'BEGIN; ' . become($bob) . '; ' . forward($alice) . "; $who; COMMIT", 'bob bob' ],
	[ 'also when it has refused', 'BEGIN; ' . forward($alice) . "; SAVEPOINT s; @{[become($forged)]}; ROLLBACK TO s; $who; COMMIT",
		'nobody ERROR: 28000' ],
	[ 'it passes its token on', 'BEGIN; ' . become($alice) . "; SELECT current_setting('dualdb.forwarded_token', true) IS NOT NULL; COMMIT", 'alice t' ],
	[ 'and that is over with the transaction', $who, 'nobody' ],
	[ 'not for a session', "SELECT dualdb.authenticate_session('$alice')", 'ERROR: 0A000' ],
	[ 'by itself, too', become($alice) . "; $who", 'alice nobody' ]);

# what a pool sends before the next client
foreach my $end ('RESET ALL', 'RESET SESSION AUTHORIZATION', 'RESET dualdb.forwarded_token')
{
	steps_ok([ $end, 'BEGIN; ' . forward($alice) . "; $who; $end; $who; COMMIT", 'alice nobody' ]);
}

# there is no way to have it for a session: the next client of a pool would be the same
sub keep { return "SET dualdb.forwarded_token = '$_[0]'"; }
steps_ok(
	[ 'set for the session', 'BEGIN; ' . keep($alice) . "; $who; COMMIT; $who", 'alice nobody' ],
	[ 'by itself', keep($alice), '' ],
	[ 'and asked afterwards', $who, 'nobody' ],
	[ 'nor by the end of another one', 'BEGIN; ' . forward($bob) . "; $who; COMMIT; $who", 'bob nobody' ],
	[ 'or its rollback', 'BEGIN; ' . forward($bob) . "; $who; ROLLBACK; $who", 'bob nobody' ],
	[ 'or that of a savepoint', 'BEGIN; SAVEPOINT s; ' . forward($bob) . "; $who; ROLLBACK TO s; $who; COMMIT; $who", 'bob nobody nobody' ],
	[ 'control: set in the transaction before the savepoint', 'BEGIN; ' . keep($alice) . '; SAVEPOINT s; ' . forward($bob) . "; $who; ROLLBACK TO s; $who; COMMIT; $who",
		'bob alice nobody' ],
	[ 'prepared', "BEGIN; @{[keep($alice)]}; $who; PREPARE TRANSACTION 'p'; ROLLBACK PREPARED 'p'; $who", 'alice nobody' ]);
my $parallel = $node->pg_version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode';
$node->safe_psql('aisales_app', q{CREATE FUNCTION public.who() RETURNS text LANGUAGE plpgsql PARALLEL SAFE AS $$
	BEGIN
		RETURN coalesce(dualdb.user_id(), 'nobody') || (SELECT CASE WHEN a.leader_pid <> a.pid THEN '_in_a_worker' ELSE '' END
			FROM pg_stat_activity a WHERE a.pid = pg_backend_pid());
	END $$});
steps_ok(
	[ 'set for the session', keep($alice), '' ],
	[ 'nor in a function that says of itself what is not so', "SET $parallel = on; SELECT public.who()", 'nobody_in_a_worker' ],
	[ 'control: the function', "SET $parallel = off; BEGIN; " . forward($alice) . '; SELECT public.who(); COMMIT', 'alice' ]);
$node->safe_psql('postgres', "ALTER ROLE app_user_login SET dualdb.forwarded_token = '$alice'");
steps_ok([ 'set for the role', "$who; BEGIN; SAVEPOINT s; @{[forward($bob)]}; $who; ROLLBACK TO s; $who; COMMIT; RESET ALL; $who; DISCARD ALL; $who", 'nobody bob nobody nobody nobody' ]);
$node->safe_psql('postgres', 'ALTER ROLE app_user_login RESET dualdb.forwarded_token');
{
	local $ENV{PGOPTIONS} = "-c dualdb.forwarded_token=$alice";
	steps_ok([ 'set for the connection', "$who; BEGIN; $who; COMMIT", 'nobody nobody' ]);
}
$node->safe_psql('aisales_app', "DELETE FROM dualdb.trusted_keys");
steps_ok([ 'not with a key that is not trusted any more', 'BEGIN; ' . forward($alice) . "; $who; COMMIT", 'nobody' ]);
$node->safe_psql('aisales_app', $signer->trust_sql);
steps_ok([ 'control: with one that is', 'BEGIN; ' . forward($alice) . "; $who; COMMIT", 'alice' ]);

# JSON text is UTF-8, and so must the database be
$node->safe_psql('postgres', q{CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0});
$node->safe_psql('latin', 'CREATE EXTENSION dualdb; ALTER DATABASE latin SET dualdb.forward_tokens = on; ' . $signer->trust_sql);
is($node->safe_psql('latin', 'BEGIN; ' . forward($alice) . "; SELECT coalesce(dualdb.user_id(), 'nobody')"), 'nobody', 'nor where texts are not UTF-8');

# nobody reads it
my $signature = $alice =~ s/.*\.//r;
steps_ok(
	[ 'SHOW', 'BEGIN; ' . forward($alice) . "; $who; SHOW dualdb.forwarded_token", 'alice' ],
	[ 'current_setting', "SELECT current_setting('dualdb.forwarded_token') = ''", 't' ],
	[ 'set_config', "SELECT set_config('dualdb.forwarded_token', '$bob', true) = ''; $who", 't bob' ],
	[ 'pg_settings', "SELECT count(*) FROM pg_settings WHERE name = 'dualdb.forwarded_token'; COMMIT", '0' ]);
my $holder = DualDB::Session->new($node, 'aisales_app');
$holder->query('SELECT pg_advisory_lock(1)');
my $session = DualDB::Session->new($node, 'aisales_app', 'app_user_login');
$session->start('BEGIN\; ' . forward($alice) . '\; SELECT pg_advisory_xact_lock(1)');
ok($node->poll_query_until('aisales_app', q{SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}),
	'a message that passes a token on waits');
is($node->safe_psql('aisales_app', q{SELECT query FROM pg_stat_activity WHERE usename = 'app_user_login'}),
	'<hidden by dualdb>', 'pg_stat_activity does not show it');
$holder->query('SELECT pg_advisory_unlock(1)');
is($session->result, '', 'and goes on');
is($session->ask($who), 'alice', 'with the identity');
$session->end;
$holder->end;

# a notice or a context can quote the statement, as those of Citus do
$node->safe_psql('aisales_app', "CREATE TABLE public.told AS SELECT '$alice' AS token, 'dualdb' AS by" . q{;
	CREATE FUNCTION public.tell() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
	DECLARE
		v_statement text := format('SET LOCAL dualdb.forwarded_token = %L', (SELECT t.token FROM public.told t));
	BEGIN
		RAISE NOTICE 'issuing % on a worker', v_statement;
		EXECUTE v_statement || '; SELECT 1/0';
	END $$});
error_is($node, 'aisales_app', 'app_user_login', 'SELECT public.tell()', qr/^22012/, 'an error while the token is passed on');
$node->stop;
my $log = slurp_file($node->logfile);
like($log, qr/SET LOCAL dualdb\.forwarded_token = '\*\*\*'/, 'the log has the statement');
like($log, qr/NOTICE.*dualdb\.forwarded_token = '\*\*\*'/, 'and a notice that quotes it');
unlike($log, qr/\Q$signature\E/, 'without the token');

done_testing();
