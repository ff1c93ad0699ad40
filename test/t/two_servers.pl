# Auth and app on two servers: the bridge comes by TCP and TLS, with a certificate of
# its own, to a server that must prove its name.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use DualDB::TLS;
use DualDB::TwoServers;
use PostgreSQL::Test::Utils;
use Test::More;

my ($auth, $app, $tls) = two_servers();
my $superuser = getpwuid($<);
my $others = DualDB::TLS->new($auth->basedir . '/others', 'another authority');
my ($users, $orders) = (0, 0);

sub directory { return $app->safe_psql('aisales_app', 'SELECT count(*) FROM app.users'); }

sub new_user
{
	my $name = 'user' . ++$users;
	$auth->safe_psql('aisales_auth', "INSERT INTO auth.users (id, email) VALUES ('$name', '$name\@example.com')");
	return;
}

# what the application does meanwhile
sub app_writes
{
	my ($name) = @_;
	is((psql_as($app, 'aisales_app', 'app_login',
		"INSERT INTO app.orders (project_id, user_id) VALUES ('p', 'u') RETURNING 1"))[1], '1', "$name: the application writes");
	$orders++;
	return;
}

sub sync_works
{
	my ($name) = @_;
	new_user();
	is(psql_error($app, 'aisales_app', $superuser, 'SELECT dualdb.sync()'), '', "$name: the sync works");
	is(directory(), $users, "$name: and the users appear");
	return;
}

# a user who is not to appear, and an error that says why
sub sync_fails
{
	my ($name, $reason) = @_;
	my $before = directory();
	new_user();
	error_is($app, 'aisales_app', $superuser, 'SELECT dualdb.sync()', qr/^08\w{3}: /, "$name: no connection");
	my (undef, undef, $err) = psql_as($app, 'aisales_app', $superuser, 'SELECT dualdb.sync()');
	like($err, $reason, "$name: and the error says why");
	is(directory(), $before, "$name: no rows");
	app_writes($name);
	return;
}

# with options of the foreign server that are right again afterwards
sub fails_with
{
	my ($options, $name, $reason) = @_;
	server_options($app, %$options);
	sync_fails($name, $reason);
	server_options($app, sslmode => 'verify-full', sslrootcert => $tls->authority,
		sslcert => $tls->file('bridge.crt'), sslkey => $tls->file('bridge.key'));
	sync_works("control after $name");
	return;
}

sub certificate
{
	my ($authority, $name) = @_;
	return { sslcert => $authority->file("$name.crt"), sslkey => $authority->file("$name.key") };
}

$app->safe_psql('aisales_app', "INSERT INTO app.projects (id, user_id, name) VALUES ('p', 'u', 'Project')");
is($app->safe_psql('aisales_app', "SELECT o.option_value FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o
	WHERE s.srvname = 'dualdb_auth' AND o.option_name = 'sslmode'"), 'verify-full', 'without being told, the bridge verifies its server');
sync_works('with its certificate');
server_options($app, host => 'localhost');
sync_works('by the other name in the certificate');
server_options($app, host => '127.0.0.1');

# whom the auth server lets in
drop_server_options($app, 'sslcert', 'sslkey');
sync_fails('without a certificate', qr/requires a valid client certificate/);
$tls->issue('other', 'somebody_else');
fails_with(certificate($tls, 'other'), 'the certificate of another name', qr/certificate authentication failed/);
$others->issue('bridge', 'dualdb_bridge');
fails_with(certificate($others, 'bridge'), 'the certificate of another authority', qr/unknown ca|certificate verify failed/i);
$tls->issue('expired', 'dualdb_bridge', expired => 1);
fails_with(certificate($tls, 'expired'), 'an expired certificate', qr/certificate expired/);
fails_with({ sslmode => 'disable' }, 'without TLS', qr/pg_hba\.conf rejects connection .*no encryption/);

# whom the app server believes
$tls->issue('misnamed', 'auth.example.com', hosts => 'DNS:auth.example.com');
use_tls($auth, $tls, 'misnamed');
sync_fails('a server of another name', qr/does not match host name/);
server_options($app, sslmode => 'verify-ca');
sync_works('control: its authority is the right one');
server_options($app, sslmode => 'verify-full');
$others->issue('server', 'localhost', hosts => 'DNS:localhost, IP:127.0.0.1');
use_tls($auth, $others, 'server', ssl_ca_file => $tls->authority);
sync_fails('a server of another authority', qr/certificate verify failed/);
server_options($app, sslrootcert => $others->authority);
sync_works('control: its name is the right one');
server_options($app, sslrootcert => $tls->authority);
use_tls($auth, $tls, 'server');
sync_works('with the right server again');

# another name than the role's, by the map, until its line is gone
append_to_file($auth->data_dir . '/pg_ident.conf', "bridges somebody_else dualdb_bridge\n");
bridge_hba($auth, "$DualDB::TwoServers::BY_CERTIFICATE map=bridges");
server_options($app, %{ certificate($tls, 'other') });
sync_works('a name that is mapped');
server_options($app, %{ certificate($tls, 'bridge') });
sync_fails('a name that is not mapped', qr/certificate authentication failed/);
my $ident = slurp_file($auth->data_dir . '/pg_ident.conf');
unlink $auth->data_dir . '/pg_ident.conf';
$auth->append_conf('pg_ident.conf', $ident =~ s/^bridges somebody_else .*$/bridges somebody_new dualdb_bridge/mr);
bridge_hba($auth, "$DualDB::TwoServers::BY_CERTIFICATE map=bridges");
server_options($app, %{ certificate($tls, 'other') });
sync_fails('a name that is mapped no more', qr/certificate authentication failed/);
bridge_hba($auth, $DualDB::TwoServers::BY_CERTIFICATE);
server_options($app, %{ certificate($tls, 'bridge') });
sync_works('control: the name of the role, without a map');

# a new certificate before the old one is revoked: no sync in between fails
$tls->issue('next', 'dualdb_bridge');
server_options($app, %{ certificate($tls, 'next') });
sync_works('with the next certificate');
server_options($app, %{ certificate($tls, 'bridge') });
sync_works('control: the old one is still good');
server_options($app, %{ certificate($tls, 'next') });
next_setting($auth, ssl_crl_file => $tls->revoke('bridge'));
sync_works('with the next one when the old one is revoked');
server_options($app, %{ certificate($tls, 'bridge') });
sync_fails('the revoked certificate', qr/certificate revoked/);
server_options($app, %{ certificate($tls, 'next') });

# another authority: first both are believed on both sides, then the certificates
# change, then the old one is forgotten
my $next = DualDB::TLS->new($auth->basedir . '/next', 'the next authority');
my $both = $auth->basedir . '/both.crt';
append_to_file($both, slurp_file($_->authority)) foreach $tls, $next;
$next->issue('server', 'localhost', hosts => 'DNS:localhost, IP:127.0.0.1');
$next->issue('bridge', 'dualdb_bridge');
next_setting($auth, ssl_ca_file => $both, ssl_crl_file => '');
sync_works('auth believes both authorities');
server_options($app, sslrootcert => $both);
sync_works('app believes both authorities');
use_tls($auth, $next, 'server', ssl_ca_file => $both);
sync_works('the server has a certificate of the next one');
server_options($app, %{ certificate($next, 'bridge') });
sync_works('and so has the bridge');
next_setting($auth, ssl_ca_file => $next->authority);
sync_works('auth has forgotten the old authority');
server_options($app, sslrootcert => $next->authority);
sync_works('and so has app');
server_options($app, %{ certificate($tls, 'next') });
sync_fails('a certificate of the old authority', qr/unknown ca|certificate verify failed/i);
server_options($app, %{ certificate($next, 'bridge') });

# a setup that is run again leaves the administrator's options as they are
my $options = q{SELECT s.srvoptions FROM pg_foreign_server s WHERE s.srvname = 'dualdb_auth'};
server_options($app, keepalives_idle => '20', sslmode => 'verify-full');
my $before = $app->safe_psql('aisales_app', $options);
like($before, qr/sslkey=.*keepalives_idle=20|keepalives_idle=20.*sslkey=/, 'control: there are options to keep');
$app->safe_psql('aisales_app', 'SELECT dualdb.setup_app()');
is($app->safe_psql('aisales_app', $options), $before, 'setup_app() again keeps every option');
$auth->safe_psql('aisales_auth', 'SELECT dualdb.setup_auth()');
sync_works('after both setups');
foreach my $option ("hostaddr '127.0.0.1'", "service 'x'")
{
	error_is($app, 'aisales_app', $superuser, "BEGIN; ALTER SERVER dualdb_auth OPTIONS (ADD $option); SELECT dualdb.setup_app()",
		qr/^42710: server "dualdb_auth" has an option that it must not have$/, "not with $option");
}

is($app->safe_psql('aisales_app', 'SELECT count(*) FROM app.orders'), $orders, 'no write of the application is lost');

done_testing();
