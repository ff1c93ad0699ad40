# What can be read at the app side of two servers: neither dumps nor catalogs nor
# settings nor the log hold a password, a key, a certificate or a hash.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use DualDB::TwoServers;
use PostgreSQL::Test::Utils;
use Test::More;

my ($auth, $app, $tls) = two_servers(
	app_conf => q{
log_statement = all
log_min_duration_statement = 0
log_connections = on
log_disconnections = on
log_min_messages = debug1
log_min_error_statement = debug1
});
my $password = 'planted bridge password';
my $user = register($auth, 'ann@example.com', 'Ann');
my (undef, $refresh_token) = login_tokens($auth, 'ann@example.com');
my ($api_key) = $auth->safe_psql('aisales_auth', "SELECT api_key FROM auth.create_api_key('$user', 'key', '{}')");
$auth->safe_psql('aisales_auth', "ALTER ROLE dualdb_bridge PASSWORD '$password'");
bridge_hba($auth, "$DualDB::TwoServers::BY_PASSWORD clientcert=verify-full");

# both ways to come in, right and wrong, so that what goes wrong is in the log, too
my $passfile = $app->basedir . '/bridge.pass';
append_to_file($passfile, '127.0.0.1:' . $auth->port . ":aisales_auth:dualdb_bridge:a wrong password\n");
chmod 0600, $passfile or die "cannot chmod $passfile: $!";
server_options($app, passfile => $passfile);
sub sync_error { return psql_error($app, 'aisales_app', scalar getpwuid($<), 'SELECT dualdb.sync()'); }
like(sync_error(), qr/^08/, 'a wrong password is refused');
unlink $passfile;
append_to_file($passfile, '127.0.0.1:' . $auth->port . ":aisales_auth:dualdb_bridge:$password\n");
chmod 0600, $passfile or die "cannot chmod $passfile: $!";
is(sync_error(), '', 'the bridge works');
server_options($app, sslkey => '/nonexistent');
like(sync_error(), qr/^08/, 'a key that is not there is an error');
server_options($app, sslkey => $tls->file('bridge.key'));
is(sync_error(), '', 'the bridge works again');

# what must not be found, by what it is
my %secret = (
	'the password of the bridge' => $password,
	'the refresh token' => $refresh_token,
	'the API key' => $api_key,
	'the hash of a password' =>
	  $auth->safe_psql('aisales_auth', "SELECT password_hash FROM auth.users WHERE id = '$user'"),
	'what verifies the password of the bridge' =>
	  $auth->safe_psql('aisales_auth', "SELECT rolpassword FROM pg_authid WHERE rolname = 'dualdb_bridge'"));
foreach my $file ('bridge.key', 'bridge.crt', 'server.key', 'ca.key', 'ca.crt')
{
	(undef, my $body) = split /\n/, slurp_file($tls->file($file));
	$secret{"the body of $file"} = $body;
}
cmp_ok(length($secret{$_}), '>', 20, "control: $_ is known") foreach sort keys %secret;
my $kinds = qr/BEGIN [A-Z ]*(?:PRIVATE KEY|CERTIFICATE)|SCRAM-SHA-256\$|\$argon2|\$2[aby]\$|md5[0-9a-f]{32}/;

# every place, read as the superuser of the app server
sub places
{
	my $dump = (run_command([ 'pg_dump', '-C', '-d', $app->connstr('aisales_app') ]))[0];
	my $globals = (run_command([ 'pg_dumpall', '-g', '-d', $app->connstr('postgres') ]))[0];
	my %place = (
		'pg_dump' => $dump, 'pg_dumpall -g' => $globals,
		'the log' => slurp_file($app->logfile));

	$place{$_} = $app->safe_psql('aisales_app', "SELECT x::text FROM $_ x")
	  foreach 'pg_user_mappings', 'pg_foreign_server', 'pg_settings', 'pg_file_settings', 'pg_db_role_setting',
	  'pg_authid', 'pg_subscription', 'pg_stat_activity', 'bridge.sync_state', 'dualdb.trusted_keys', 'app.users';
	return \%place;
}

my $place = places();
foreach my $name (sort keys %$place)
{
	my @found = grep { index($place->{$name}, $secret{$_}) >= 0 } sort keys %secret;
	is("@found", '', "$name: none of the secrets");
	unlike($place->{$name}, $kinds, "$name: nothing that looks like one");
}
like($place->{'the log'}, qr/ALTER SERVER dualdb_auth/, 'control: the log has statements');
like($place->{'the log'}, qr/ERROR: .*connect/, 'control: the log has what went wrong');
like($place->{'pg_dump'}, qr/passfile '\Q$passfile\E'/, 'control: the dump has the name of the file');
like($place->{'pg_dump'}, qr/ann\@example\.com/, 'control: the dump has the directory');

# control: a canary that an administrator puts there is found
$app->safe_psql('aisales_app', "ALTER USER MAPPING FOR dualdb_bridge_owner SERVER dualdb_auth OPTIONS (ADD password '$password');
	ALTER DATABASE aisales_app SET test.canary = '$password'; ALTER SERVER dualdb_auth OPTIONS (SET application_name '$password')");
$app->safe_psql('aisales_app', "SET password_encryption = 'md5'; CREATE ROLE canary PASSWORD 'canary'");
$place = places();
ok(index($place->{$_}, $password) >= 0, "control: a canary in $_ is found")
  foreach 'pg_dump', 'pg_user_mappings', 'pg_foreign_server', 'pg_db_role_setting', 'the log';
like($place->{$_}, $kinds, "control: a hash in $_ is found") foreach 'pg_dumpall -g', 'pg_authid';

done_testing();
