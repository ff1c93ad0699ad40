# auth.statistics and app.statistics: every number is exact, whatever the client rolls
# back, and monitoring alone reads them.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = auth_app_cluster('main', allows_streaming => 1, conf => q{
dualdb.argon2_memory = '19MB'
dualdb.argon2_iterations = 2
dualdb.max_login_failures = 2
});
my $password = $DualDB::Test::PASSWORD;
my $superuser = getpwuid($<);
my %before;

sub auth { return $node->safe_psql('aisales_auth', shift); }

# The numbers of a database that are not 0, as "name=value".
sub numbers
{
	my ($server, $database) = @_;
	my $schema = $database =~ s/^aisales_//r;

	return $server->safe_psql($database, qq{
		SELECT string_agg(j.key || '=' || coalesce(j.value, 'nothing'), ' ' ORDER BY j.key)
		FROM $schema.statistics s, jsonb_each_text(to_jsonb(s) - 'stats_reset') j
		WHERE coalesce(j.value, 'nothing') <> '0' AND j.key !~ '^events_'});
}

# counts_ok(title, SQL of a service, what it adds): each in a transaction that is
# rolled back and in one that is committed, so that all comes twice
sub counts_ok
{
	my ($name, $sql, $expected) = @_;

	auth('SELECT dualdb.reset_statistics()');
	my ($status, undef, $err) = psql_as($node, 'aisales_auth', 'auth_login', "BEGIN; $sql; ROLLBACK;\n$sql");
	is($status, 0, $name) or diag $err;
	return is(numbers($node, 'aisales_auth'), $expected, "$name is counted, rolled back or not");
}

my $ann = register($node, 'ann@example.com', 'Ann');
my $api_key = auth("SELECT api_key FROM auth.create_api_key('$ann', 'key', '{}')");
my ($token, $refresh_token) = login_tokens($node, 'ann@example.com');

counts_ok('a login', "SELECT auth.login('ann\@example.com', '$password')", 'logins=2');
counts_ok('a wrong password', "SELECT auth.login('bob\@example.com', '$password')", 'login_failures=2');
auth("UPDATE auth.login_failures SET in_a_row = 0");
counts_ok('a refresh', "SELECT auth.refresh('$refresh_token')", 'refreshes=2');
counts_ok('a wrong refresh token', "SELECT auth.refresh('ddbr_x')", 'refresh_failures=2');
counts_ok('a registration', "SELECT auth.register_user('new\@example.com', '$password')", 'registrations=2');
counts_ok('a registration that is refused', "SELECT auth.register_user('ann\@example.com', '$password'), auth.register_user('x\@example.com', 'short'), auth.register_user('x', '$password')",
	'registrations_refused=6');
counts_ok('an API key', "SELECT auth.verify_api_key('$api_key'), auth.exchange_api_key('$api_key')", 'api_keys_verified=4');
counts_ok('a wrong API key', "SELECT auth.verify_api_key('ddbk_x')", 'api_keys_refused=2');
counts_ok('a request of a reset', "SELECT auth.request_password_reset('ann\@example.com'), auth.request_password_reset('nobody\@example.com')", 'password_reset_requests=4');
counts_ok('a token', "SELECT dualdb.jwt_verify('$token')", 'tokens_verified=2');

# what cannot be done twice
sub adds_ok
{
	my ($name, $sql, $expected, $server) = @_;

	auth('SELECT dualdb.reset_statistics()');
	psql_as($node, 'aisales_auth', $superuser, $sql);
	return is(numbers($node, 'aisales_auth'), $expected, "$name is counted");
}
adds_ok('a change of a password', "SELECT auth.change_password('$ann', '$password', '$password x')", 'password_changes=1');
my $reset = auth("SELECT token FROM auth.request_password_reset('ann\@example.com')");
adds_ok('a reset', "SELECT auth.reset_password('$reset', '$password')", 'password_resets=1');
(undef, $refresh_token) = login_tokens($node, 'ann@example.com');
adds_ok('reuse', "SET dualdb.refresh_grace = 0; SELECT auth.refresh('$refresh_token'); BEGIN; SELECT auth.refresh('$refresh_token'); ROLLBACK",
	'refreshes=1 token_reuse=1');
(undef, $refresh_token) = login_tokens($node, 'ann@example.com');
adds_ok('reuse at a logout', "SELECT auth.refresh('$refresh_token'); SELECT auth.logout('$refresh_token', 'global')", 'refreshes=1 token_reuse=1');
adds_ok('a token that is refused', "SELECT dualdb.jwt_verify('x')", 'tokens_refused=1');
adds_ok('what is throttled', join('', map { "BEGIN; SELECT auth.login('eve\@example.com', 'wrong'); ROLLBACK;\n" } 1 .. 3),
	'login_failures=2 logins_throttled=1');
auth("ALTER SYSTEM SET $_") foreach 'dualdb.max_hash_wait = 0', 'dualdb.max_concurrent_hashes = 1';
$node->reload;

# a hash that takes its turn for long enough to be in the way
my ($in, $out) = ('', '');
my $slow = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('aisales_auth') ], '<', \$in, '>', \$out, IPC::Run::timeout(120));
$in .= "SELECT pg_backend_pid();\nSET dualdb.argon2_memory = '256MB'; SET dualdb.argon2_iterations = 16;\nSELECT dualdb.hash_password('$password') FROM generate_series(1, 20);\n\\q\n";
IPC::Run::pump($slow) until $out =~ /(\d+)\n/;
my $pid = $1;
ok($node->poll_query_until('aisales_auth', 'SELECT hashes_running = 1 FROM auth.statistics'), 'a hash that is computed shows');
adds_ok('what is turned away', "SELECT auth.login('ann\@example.com', '$password')", 'hashes_running=1 logins_busy=1');
auth("SELECT pg_terminate_backend($pid)");
IPC::Run::finish($slow);
auth("ALTER SYSTEM RESET $_") foreach 'dualdb.max_hash_wait', 'dualdb.max_concurrent_hashes';
$node->reload;

# the second factor
auth("SELECT auth.clear_failures(auth.login_identifier('ann\@example.com'))");
my $secret = auth("SELECT secret FROM auth.enroll_totp('$ann')");
auth("SELECT auth.confirm_totp('$ann', '" . totp_code($secret) . "')");
adds_ok('a second factor', "SELECT challenge FROM auth.login('ann\@example.com', '$password') \\gset
	SELECT auth.login_totp(:'challenge', 'wrong'); SELECT auth.login_totp(:'challenge', '" . totp_code($secret, 1) . "')",
	'login_failures=1 logins=1 logins_mfa_required=1');

# many at once
auth('SELECT dualdb.reset_statistics()');
my @sessions = map {
	my $email = "guess$_\@example.com";
	IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('aisales_auth'), '-U', 'auth_login',
		map { ('-c', "BEGIN; SELECT auth.login('$email', 'wrong'); ROLLBACK") } 1 .. 2 ], '>', \my $ignored)
} 1 .. 6;
is(scalar(grep { IPC::Run::finish($_) } @sessions), 6, 'sessions that guess');
is(numbers($node, 'aisales_auth'), 'login_failures=12', 'logins at the same time are all counted');

# the app database has its own
register($node, 'zoe@example.com', 'Zoe');
($token) = login_tokens($node, 'zoe@example.com');
$node->safe_psql('aisales_app', 'SELECT dualdb.sync(); SELECT dualdb.reset_statistics()');
psql_as($node, 'aisales_app', 'app_login', "BEGIN; SELECT dualdb.authenticate('$token'); ROLLBACK");
psql_as($node, 'aisales_app', 'app_login', "SELECT dualdb.authenticate('$token' || 'x')");
psql_as($node, 'aisales_app', 'app_login', "SELECT app.lookup_users(ARRAY['$ann'])");
is(numbers($node, 'aisales_app'), 'lookups=1 tokens_refused=1 tokens_verified=1', 'the app database counts for itself');

# who reads
auth('CREATE ROLE monitor LOGIN IN ROLE pg_monitor; CREATE ROLE other LOGIN; GRANT CONNECT ON DATABASE aisales_auth, aisales_app TO monitor, other');
foreach my $schema ('auth', 'app')
{
	my ($database, $view) = ("aisales_$schema", "SELECT stats_reset <= now() FROM $schema.statistics");

	is((psql_as($node, $database, 'monitor', $view))[1], 't', "monitoring reads $schema.statistics");
	error_is($node, $database, $_, $view, qr/^42501: /, "$_ does not") foreach 'other', "${schema}_login";
	error_is($node, $database, 'monitor', $_, qr/^42501: /, "nor does monitoring call $_")
	  foreach 'SELECT dualdb.reset_statistics()', "SELECT dualdb.count_event('logins')";
	is($node->safe_psql($database, "SELECT string_agg(v.detail, ' ') FROM dualdb.verify_setup() v WHERE v.detail ~ 'monitor|statistic'"), '',
		'and verify_setup() has nothing to say of it');
}
error_is($node, 'aisales_auth', 'monitor', "SELECT $_", qr/^42501: /, "monitoring does not get $_")
  foreach '* FROM auth.users', "auth.login('ann\@example.com', '$password')", '* FROM auth.audit_log';
error_is($node, 'aisales_auth', $superuser, "SELECT dualdb.statistic('nothing')", qr/^22023: there is no statistic "nothing"$/, 'another name');

# the end of a database, and of the server
$node->safe_psql('postgres', 'DROP DATABASE aisales_app WITH (FORCE)');
$node->safe_psql('postgres', 'CREATE DATABASE aisales_app');
$node->safe_psql('aisales_app', 'CREATE EXTENSION dualdb; SELECT dualdb.setup_app()');
is(numbers($node, 'aisales_app'), '', 'a new database begins at 0');
$node->restart;
is(numbers($node, 'aisales_auth'), '', 'and so does a server that has been restarted');

# a standby counts what it does itself
register($node, 'yan@example.com', 'Yan');
($token) = login_tokens($node, 'zoe@example.com');
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
psql_as($standby, 'aisales_auth', 'auth_login', "SELECT auth.verify_api_key('$api_key'), dualdb.jwt_verify('$token')");
is(numbers($standby, 'aisales_auth'), 'api_keys_verified=1 tokens_verified=1', 'a standby has its own numbers');
is(numbers($node, 'aisales_auth'), 'logins=1 registrations=1', 'which the primary does not have');

# without shared memory nothing is counted, and that is what is said
my $plain = new_cluster('plain', no_preload => 1);
set_up_auth($plain);
register($plain, 'ann@example.com', 'Ann');
is($plain->safe_psql('aisales_auth', 'SELECT registrations, stats_reset IS NULL FROM auth.statistics'),
	$plain->pg_version < 17 ? '|t' : '1|f', 'without preload nothing is counted before version 17');

done_testing();
