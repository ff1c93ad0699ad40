# Auth and app on two servers, with a password that is in a file of the app server:
# it is in no catalog, and it can be changed while sessions live.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Session;
use DualDB::Test;
use DualDB::TwoServers;
use PostgreSQL::Test::Utils;
use Test::More;

my ($auth, $app, $tls) = two_servers();
my $superuser = getpwuid($<);
my $users = 0;

# A file is put into place as a whole: a session that connects reads the old one or
# the new one.
sub password_file
{
	my ($password, $mode) = @_;
	my $file = $app->basedir . '/bridge.pass';

	open my $new, '>', "$file.new" or die "cannot write $file.new: $!";
	print $new '127.0.0.1:' . $auth->port . ":aisales_auth:dualdb_bridge:$password\n";
	close $new;
	chmod $mode // 0600, "$file.new" or die "cannot chmod $file.new: $!";
	rename "$file.new", $file or die "cannot rename $file.new: $!";
	return $file;
}

sub set_password
{
	my ($password) = @_;
	$auth->safe_psql('aisales_auth', "ALTER ROLE dualdb_bridge PASSWORD '$password'");
	return;
}

sub new_user
{
	my $name = 'user' . ++$users;
	$auth->safe_psql('aisales_auth', "INSERT INTO auth.users (id, email) VALUES ('$name', '$name\@example.com')");
	return;
}

sub directory { return $app->safe_psql('aisales_app', 'SELECT count(*) FROM app.users'); }

sub sync_works
{
	my ($name) = @_;
	new_user();
	is(psql_error($app, 'aisales_app', $superuser, 'SELECT dualdb.sync()'), '', "$name: the sync works");
	is(directory(), $users, "$name: and the users appear");
	return;
}

sub sync_fails
{
	my ($name, $reason) = @_;
	my $before = directory();
	new_user();
	my (undef, undef, $err) = psql_as($app, 'aisales_app', $superuser, "\\set VERBOSITY verbose\nSELECT dualdb.sync()");
	like($err, qr/ERROR:\s+08\w{3}: /, "$name: no connection");
	like($err, $reason, "$name: and the error says why");
	is(directory(), $before, "$name: no rows");
	is((psql_as($app, 'aisales_app', 'app_login', "INSERT INTO app.projects (user_id, name) VALUES ('u', 'x') RETURNING 1"))[1],
		'1', "$name: the application writes");
	return;
}

# instead of the certificate
drop_server_options($app, 'sslcert', 'sslkey');
bridge_hba($auth, $DualDB::TwoServers::BY_PASSWORD);
sync_fails('without a password', qr/no password supplied/);
set_password('first planted password');
server_options($app, passfile => password_file('first planted password'));
sync_works('with the right password');
is($auth->safe_psql('aisales_auth', "SELECT rolpassword ~ '^SCRAM-SHA-256' FROM pg_authid WHERE rolname = 'dualdb_bridge'"),
	't', 'auth keeps only what verifies it');
password_file('a wrong password');
sync_fails('a wrong password', qr/password authentication failed/);
password_file('first planted password', 0644);
sync_fails('a file that others can read', qr/no password supplied/);
server_options($app, passfile => '/nonexistent');
sync_fails('a file that is not there', qr/no password supplied/);
server_options($app, passfile => password_file('first planted password'));
sync_works('control: the right file again');
server_options($app, sslmode => 'disable');
sync_fails('without TLS', qr/pg_hba\.conf rejects connection .*no encryption/);
server_options($app, sslmode => 'verify-full');

# a change of the password: who is connected stays so
my $live = DualDB::Session->new($app, 'aisales_app');
unlike($live->ask('SELECT dualdb.sync()'), qr/^\w{5}: /, 'a session has synced');
set_password('second planted password');
new_user();
unlike($live->ask('SELECT dualdb.sync()'), qr/^\w{5}: /, 'and goes on when the password has changed');
is(directory(), $users, 'and its users appear');
sync_fails('a new connection before the file has changed', qr/password authentication failed/);
password_file('second planted password');
sync_works('a new connection when the file has changed');
$auth->safe_psql('aisales_auth', "SELECT pg_terminate_backend(a.pid, 10000) FROM pg_stat_activity a WHERE a.usename = 'dualdb_bridge'");
new_user();
unlike($live->ask('SELECT dualdb.sync()'), qr/^\w{5}: /, 'the live session connects again with the new password');
is(directory(), $users, 'and its users appear, too');
$live->end;

# the setups leave it alone
$auth->safe_psql('aisales_auth', 'SELECT dualdb.setup_auth()');
$app->safe_psql('aisales_app', 'SELECT dualdb.setup_app()');
sync_works('after both setups');

# both at once: a password and a certificate of the right authority
bridge_hba($auth, "$DualDB::TwoServers::BY_PASSWORD clientcert=verify-full");
sync_fails('a password without a certificate', qr/requires a valid client certificate/);
server_options($app, sslcert => $tls->file('bridge.crt'), sslkey => $tls->file('bridge.key'));
sync_works('a password and a certificate');

done_testing();
