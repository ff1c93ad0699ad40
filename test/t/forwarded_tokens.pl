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

my $node = new_cluster('node', conf => "log_statement = all\n");
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
foreach my $end ('RESET ALL', 'DISCARD ALL', 'RESET SESSION AUTHORIZATION', 'RESET dualdb.forwarded_token')
{
	steps_ok([ $end, "SET dualdb.forwarded_token = '$alice'; $who; $end; $who", 'alice nobody' ]);
}
$node->safe_psql('aisales_app', "DELETE FROM dualdb.trusted_keys");
steps_ok([ 'not with a key that is not trusted any more', 'BEGIN; ' . forward($alice) . "; $who; COMMIT", 'nobody' ]);
$node->safe_psql('aisales_app', $signer->trust_sql);
steps_ok([ 'control: with one that is', 'BEGIN; ' . forward($alice) . "; $who; COMMIT", 'alice' ]);

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
$node->stop;
my $log = slurp_file($node->logfile);
like($log, qr/SET LOCAL dualdb\.forwarded_token = '\*\*\*'/, 'the log has the statement');
unlike($log, qr/\Q$signature\E/, 'without the token');

done_testing();
