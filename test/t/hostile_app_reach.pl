# Where the certificate of the bridge leads, for whoever has taken it from the app
# server: to one database, as one role, on a few connections that hurt nobody else's.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Session;
use DualDB::Test;
use DualDB::TwoServers;
use PostgreSQL::Test::Utils;
use Test::More;

my ($auth, $app, $tls) = two_servers(allows_streaming => 1, auth_conf => 'max_connections = 60');
my $superuser = getpwuid($<);
register($auth, 'ann@example.com', 'Ann');
# of 15, and of later versions
my $NO_WALSENDER = qr/must be superuser or replication role|permission denied to start WAL sender/;
sub auth { return $auth->safe_psql('aisales_auth', shift); }
sub stolen { return bridge_connstr($auth, $tls, shift // 'aisales_auth'); }

# (output, errors) of a program with a connection string
sub tried
{
	my ($connstr, $sql) = @_;
	my ($out, $err) = run_command([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $connstr, '-c', $sql ]);
	return $out . $err;
}

is(tried(stolen(), 'SELECT count(*) FROM bridge.user_lookup'), '1', 'control: the certificate leads to the views');

# other databases, other roles, without TLS
like(tried(stolen($_), 'SELECT 1'), qr/pg_hba\.conf rejects connection .* user "dualdb_bridge", database "$_"/, "not to database $_")
  foreach 'postgres', 'template1';
is($auth->safe_psql('postgres', 'SELECT 1'), '1', 'control: the database is there');
like(tried(stolen() =~ s/verify-full/disable/r, 'SELECT 1'), qr/pg_hba\.conf rejects connection/, 'not without TLS');
like(tried(stolen() =~ s/ sslcert=\S+ sslkey=\S+//r, 'SELECT 1'), qr/requires a valid client certificate/, 'not without the certificate');
my $roles = $auth->safe_psql('postgres', "SELECT r.rolname FROM pg_roles r WHERE r.rolname <> 'dualdb_bridge'");
bridge_hba($auth, "hostssl aisales_auth all 127.0.0.1/32 cert");
like(tried(stolen() =~ s/user=dualdb_bridge/user=$_/r, 'SELECT 1'), qr/certificate authentication failed for user "$_"/, "not as $_")
  foreach split /\n/, $roles;
is(tried(stolen(), 'SELECT 1'), '1', 'control: as the bridge');
bridge_hba($auth, $DualDB::TwoServers::BY_CERTIFICATE);

# inside, nobody else
my $attacker = DualDB::Session->to(stolen());
foreach my $role (split /\n/, $roles)
{
	like($attacker->ask("SET ROLE $role"), qr/^42501: /, "not by SET ROLE to $role");
	like($attacker->ask("SET SESSION AUTHORIZATION $role"), qr/^42501: /, "not by SET SESSION AUTHORIZATION to $role");
}
my $owner = DualDB::Session->new($auth, 'aisales_auth');
is($owner->ask('SET ROLE dualdb_auth_owner; SELECT current_user; RESET ROLE'), 'dualdb_auth_owner', 'control: the superuser can');

# replication, where a copy of everything would be
sub replicates
{
	my ($connstr, @command) = @_;
	my ($out, $err) = run_command([ @command, '-d', $connstr ]);
	return $out . $err;
}
my $copy = $auth->basedir . '/copy';
like(tried(stolen() . ' replication=true', 'IDENTIFY_SYSTEM'), qr/pg_hba\.conf rejects replication connection/, 'no physical replication');
like(tried(stolen() . ' replication=database', 'IDENTIFY_SYSTEM'), $NO_WALSENDER, 'no logical replication, though pg_hba.conf lets it in');
like(replicates(stolen() =~ s/dbname=\S+ //r, 'pg_basebackup', '-D', $copy, '-X', 'none'), qr/pg_hba\.conf rejects replication connection/, 'no base backup');
ok(!-e "$copy/PG_VERSION", 'nothing of it');
bridge_hba($auth, "hostssl aisales_auth dualdb_bridge 127.0.0.1/32 cert\nhostssl replication dualdb_bridge 127.0.0.1/32 cert");
like(tried(stolen() . ' replication=true', 'IDENTIFY_SYSTEM'), $NO_WALSENDER, 'not even where pg_hba.conf lets it in');
like(replicates(stolen() =~ s/dbname=\S+ //r, 'pg_basebackup', '-D', $copy, '-X', 'none'),
	$NO_WALSENDER, 'nor a base backup');
$auth->command_ok([ 'pg_basebackup', '-D', "$copy-control", '-X', 'none', '-c', 'fast', '--no-sync', '-h', $auth->host, '-p', $auth->port ],
	'control: the superuser gets one');
like($attacker->ask("SELECT $_"), qr/^42501: /, "not: $_")
  foreach "pg_create_physical_replication_slot('s')", "pg_create_logical_replication_slot('s', 'pgoutput')", "pg_drop_replication_slot('s')",
  "pg_logical_slot_get_changes('s', NULL, NULL)", "pg_logical_slot_peek_changes('s', NULL, NULL)", "pg_replication_slot_advance('s', '0/1')",
  "pg_copy_physical_replication_slot('s', 't')", "pg_replication_origin_create('o')";
like($owner->ask("SELECT slot_name FROM pg_create_physical_replication_slot('s'); SELECT pg_drop_replication_slot('s')"), qr/^s/, 'control: the superuser can');

# its own settings are its own to change, for good; they were never what holds
is($attacker->ask('SET default_transaction_read_only = off'), '', 'writing is not forbidden by a setting alone');
is($attacker->ask($_), '', "allowed: $_")
  foreach 'ALTER ROLE dualdb_bridge SET statement_timeout = 0',
  'ALTER ROLE dualdb_bridge IN DATABASE aisales_auth SET default_transaction_read_only = off',
  q{ALTER ROLE dualdb_bridge PASSWORD 'planted'};
like($attacker->ask($_), qr/^42501: /, "refused: $_")
  foreach 'ALTER ROLE dualdb_bridge IN DATABASE aisales_auth SET temp_file_limit = -1',
  'ALTER ROLE dualdb_bridge IN DATABASE aisales_auth SET log_statement = $$all$$',
  'ALTER ROLE dualdb_bridge IN DATABASE aisales_auth SET session_preload_libraries = $$x$$',
  'ALTER ROLE dualdb_auth_service SET work_mem = 64', 'ALTER DATABASE aisales_auth SET work_mem = 64',
  map { "ALTER ROLE dualdb_bridge $_" } 'SUPERUSER', 'REPLICATION', 'BYPASSRLS', 'CREATEROLE', 'CREATEDB', 'CONNECTION LIMIT -1', 'VALID UNTIL $$infinity$$';
is(tried(stolen(), 'SHOW default_transaction_read_only'), 'off', 'control: the next session has the settings');
like(tried(stolen(), $_), qr/42501: /, "and may do no more: $_")
  foreach 'SELECT u.password_hash FROM auth.users u', 'CREATE TABLE bridge.t (x integer)', 'DELETE FROM bridge.user_lookup';
like(tried(stolen() =~ s/ sslcert=\S+ sslkey=\S+/ password=planted/r, 'SELECT 1'), qr/requires a valid client certificate/, 'nor come in by its password');
auth('SELECT dualdb.setup_auth()');
is(tried(stolen(), 'SHOW default_transaction_read_only; SHOW statement_timeout'), "on\n5s", 'setup_auth() sets the role back');
is(auth("SELECT count(*) FROM pg_db_role_setting s WHERE s.setrole = 'dualdb_bridge'::regrole AND s.setdatabase = 0"), '0', 'and leaves nothing of it');

is(tried(stolen(), 'SET default_transaction_read_only = off; NOTIFY x'), '', 'what cannot be taken away: NOTIFY, the command');
like(tried(stolen(), "SELECT pg_notify('x', 'y')"), qr/42501: /, 'but the function');

# what it can use up
is(auth('SHOW max_prepared_transactions'), '0', 'there are no prepared transactions by default');
like($attacker->ask("BEGIN; SELECT 1; PREPARE TRANSACTION 'x'"), qr/^55000: prepared transactions are disabled/, 'none that outlives its session');
$attacker->ask('ROLLBACK');
$attacker->ask('SET statement_timeout = 0');
my $sort = q{SET work_mem = '64kB'; SELECT count(DISTINCT repeat('x', 1000) || i) FROM generate_series(1, 100000) i};
like($attacker->ask($sort), qr/^53400: temporary file size exceeds/, 'no more temporary files than the limit');
is($owner->ask($sort), '100000', 'control: the superuser has no limit');
like($attacker->ask("SELECT pg_terminate_backend(" . $owner->ask('SELECT pg_backend_pid()') . ')'), qr/^42501: /, 'nobody else is ended');

# all connections that it can get; the number is the operator's, and no setup changes it
$owner->ask('ALTER ROLE dualdb_bridge CONNECTION LIMIT 30');
$owner->ask('SELECT dualdb.setup_auth()');
my @flood = ($attacker);
my $refusal = '';
while (@flood < 50 && $refusal eq '')
{
	my $session = DualDB::Session->to(stolen());
	my $answer = $session->ask('SELECT 1');

	push @flood, $session;
	$refusal = $answer if $answer ne '1';
}
like($refusal, qr/too many connections for role "dualdb_bridge"/, 'there is a limit of connections');
is(scalar(@flood), 31, 'which is 30');
is($_->ask('SELECT count(*) FROM bridge.user_lookup'), '1', 'control: they are all in use') foreach @flood[ 0 .. 29 ];
is((psql_as($auth, 'aisales_auth', 'auth_login', "SELECT status FROM auth.login('ann\@example.com', '$DualDB::Test::PASSWORD')"))[1],
	'ok', 'meanwhile users log in');
is($owner->ask('SELECT count(*) FROM pg_stat_activity a WHERE a.usename = $$dualdb_bridge$$'), '30', 'and the administrator sees them');
is($owner->ask('SELECT bool_and(pg_terminate_backend(a.pid, 10000)) FROM pg_stat_activity a WHERE a.usename = $$dualdb_bridge$$'), 't', 'and ends them');
error_is($app, 'aisales_app', $superuser, 'SELECT dualdb.sync()', qr/^$/, 'the bridge works again');

$owner->end;
done_testing();
