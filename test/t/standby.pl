# On a hot standby: tokens verify, identities work, and a change of the keys
# arrives.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = auth_app_cluster('primary', allows_streaming => 1);
my $superuser = getpwuid($<);
my $user = register($primary, 'ann@example.com', 'Ann');
my ($token, $refresh_token) = login_tokens($primary, 'ann@example.com');
my $api_key = $primary->safe_psql('aisales_auth', "SELECT api_key FROM auth.create_api_key('$user', 'key', '{}')");
$primary->safe_psql('aisales_app', "SELECT dualdb.sync();
	INSERT INTO app.projects (id, user_id, name) VALUES ('p', '$user', 'Project')");

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

foreach my $database ('aisales_auth', 'aisales_app')
{
	is($standby->safe_psql($database, "SELECT dualdb.jwt_verify('$token') ->> 'sub'"), $user,
		"a token verifies in $database on a standby");
}
is((psql_as($standby, 'aisales_app', 'app_user_login',
	"BEGIN; SELECT dualdb.authenticate('$token') \\g /dev/null\n SELECT p.name, u.display_name FROM app.projects p JOIN app.users u ON u.id = p.user_id; COMMIT"))[1],
	'Project|Ann', 'a user reads their rows on a standby');
is((psql_as($standby, 'aisales_auth', 'auth_login', "SELECT status FROM auth.verify_api_key('$api_key')"))[1], 'ok',
	'an API key verifies on a standby');
is((psql_as($standby, 'aisales_auth', 'auth_login', "SELECT status FROM auth.verify_api_key('$api_key' || 'x')"))[1],
	'invalid_credentials', 'and a wrong one is refused there');

# what writes says where to go, to everybody in the same words
my $elsewhere = sprintf "this function cannot be executed on a standby server|Connect to the primary server. This standby has its changes from host \"%s\", port %d.",
  $primary->host, $primary->port;
sub refusal
{
	my ($database, $role, $sql) = @_;
	my (undef, undef, $err) = psql_as($standby, $database, $role, "\\set VERBOSITY verbose\n$sql");
	return $err =~ /ERROR:  25006: (.*)\nHINT:  (.*)/ ? "$1|$2" : $err;
}
is(refusal('aisales_auth', 'auth_login', "SELECT auth.refresh('$refresh_token')"), $elsewhere, 'a refresh does not run on a standby');
is(refusal('aisales_auth', 'auth_login', "SELECT auth.login('$_->[0]', '$_->[1]')"), $elsewhere, "nor a login of $_->[0]")
  foreach [ 'ann@example.com', $DualDB::Test::PASSWORD ], [ 'ann@example.com', 'wrong' ], [ 'nobody@example.com', 'wrong' ];
is(refusal('aisales_app', $superuser, 'SELECT dualdb.sync()'), $elsewhere, 'nor the sync');
is(refusal('aisales_auth', $superuser, 'SELECT dualdb.setup_auth()'), $elsewhere, 'nor a setup');
my $log = slurp_file($standby->logfile);
like($log, qr/ERROR:  this function cannot be executed on a standby server/, 'the log says so');
unlike($log, qr/\Q$DualDB::Test::PASSWORD\E|\Q$refresh_token\E/, 'and has neither password nor token');

# a backend of the standby that has the keys cached hears of their end
my ($in, $out, $err) = ('', '', '');
my $session = IPC::Run::start(
	[ 'psql', '-XAt', '-d', $standby->connstr('aisales_app') ],
	'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(60));
$in .= "SELECT 'before', dualdb.jwt_verify('$token') ->> 'sub';\n";
IPC::Run::pump($session) until $out =~ /before\|\Q$user\E/;
$primary->safe_psql('aisales_app', "UPDATE dualdb.trusted_keys SET not_after = now() - interval '1 minute'");
$primary->wait_for_catchup($standby);
$in .= "SELECT dualdb.jwt_verify('$token');\n";
IPC::Run::pump($session) until $err =~ /ERROR/;
like($err, qr/token is not valid/, 'a revoked key is refused in a session that had it');
$in .= "\\q\n";
IPC::Run::finish($session);
is($standby->safe_psql('aisales_auth', "SELECT dualdb.jwt_verify('$token') ->> 'sub'"), $user,
	'and is still good where it was not revoked');

# a standby that is behind by more than a token's life exchanges a key that has been
# revoked, and rights that have been taken away, for a token that nobody takes
$primary->append_conf('postgresql.conf', "dualdb.access_token_ttl = '2s'\ndualdb.leeway = 0");
$standby->append_conf('postgresql.conf', "dualdb.access_token_ttl = '2s'\ndualdb.leeway = 0");
$_->restart foreach $primary, $standby;
sub owner { return $primary->safe_psql('aisales_auth', shift); }
my $bob = register($primary, 'bob@example.com', 'Bob');
my %key = map { (split /\|/)[0, 1] } split /\n/,
  owner("SELECT n, (SELECT k.api_key FROM auth.create_api_key(CASE n WHEN 'other' THEN '$bob' ELSE '$user' END, n, '{}') k) FROM unnest('{kept,revoked,other}'::text[]) n");
$primary->wait_for_catchup($standby);
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
sub exchanged
{
	my ($name) = @_;
	return (psql_as($standby, 'aisales_auth', 'auth_login', "SELECT access_token FROM auth.exchange_api_key('$key{$name}')"))[1];
}
owner("SELECT auth.revoke_api_key(k.id) FROM auth.api_keys k WHERE k.name = 'revoked'; SELECT auth.set_user_active('$bob', false)");
$primary->poll_query_until('aisales_auth', q{SELECT clock_timestamp() > max(k.revoked_at) + interval '3 s' FROM auth.api_keys k}) or die;
is(psql_error($primary, 'aisales_auth', $superuser, "SELECT dualdb.jwt_verify('" . exchanged('kept') . "')"), '', 'control: the token of a key that is good');
error_is($primary, 'aisales_auth', $superuser, "SELECT dualdb.jwt_verify('" . exchanged($_->[0]) . "')", qr/^28000: token is not valid/, "that of $_->[1]")
  foreach [ 'revoked', 'a key that has been revoked' ], [ 'other', 'a key of a user who has been locked out' ];
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
$primary->wait_for_catchup($standby);
is(exchanged('revoked'), '', 'and later there is none');

# what has never been connected to a primary cannot name it
$standby->append_conf('postgresql.conf', "primary_conninfo = ''");
$standby->restart;
is(refusal('aisales_auth', 'auth_login', "SELECT auth.login('ann\@example.com', 'wrong')"),
	'this function cannot be executed on a standby server|Connect to the primary server.', 'a standby of nobody');

done_testing();
