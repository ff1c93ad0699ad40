# From one server with both databases to two: the auth database moves by dump and
# restore, the app database and its sessions stay where they are.

use strict;
use warnings FATAL => 'all';

use File::Copy qw(copy);
use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Session;
use DualDB::Test;
use DualDB::TLS;
use DualDB::TwoServers;
use PostgreSQL::Test::Utils;
use Test::More;

my $one = auth_app_cluster('one');
my $new = new_cluster('new', bridge_hba => $DualDB::TwoServers::BY_CERTIFICATE);
my $tls = DualDB::TLS->new($new->basedir . '/tls', 'tests');
my $user = register($one, 'ann@example.com', 'Ann');
my ($token, $refresh_token) = login_tokens($one, 'ann@example.com');

my $worker = DualDB::Session->new($one, 'aisales_app');
my $writer = DualDB::Session->new($one, 'aisales_app', 'app_login');
sub directory { return $worker->ask("SELECT string_agg(u.display_name, ',' ORDER BY u.display_name) FROM app.users u WHERE u.is_active"); }
sub application_writes
{
	my ($name) = @_;
	is($writer->ask("INSERT INTO app.projects (user_id, name) VALUES ('$user', 'x') RETURNING name"), 'x', "$name: the application writes");
	return;
}

unlike($worker->ask('SELECT dualdb.sync()'), qr/^\w{5}: /, 'the bridge leads to the same server, by its socket');
is(directory(), 'Ann', 'and has brought the user');
is($writer->ask("SELECT dualdb.jwt_verify('$token') ->> 'sub'"), $user, 'a token is good');
application_writes('before');

# the new server: key file, certificates, roles, the database
copy($one->basedir . '/master.key', $new->basedir . '/master.key') or die "cannot copy the key file: $!";
$tls->issue('server', 'localhost', hosts => 'IP:127.0.0.1');
$tls->issue('bridge', 'dualdb_bridge');
listen_on_tcp($new);
use_tls($new, $tls, 'server');
my ($globals, $dump) = map { $one->basedir . "/$_.sql" } 'globals', 'auth';
$one->command_ok([ 'pg_dumpall', '-g', '-d', $one->connstr('postgres'), '-f', $globals ], 'the roles are dumped');
$one->command_ok([ 'pg_dump', '-C', '-d', $one->connstr('aisales_auth'), '-f', $dump ], 'the database is dumped');
run_command([ 'psql', '-Xq', '-d', $new->connstr('postgres'), '-f', $globals ]);
$new->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $new->connstr('postgres'), '-f', $dump ], 'the database is restored');
$new->safe_psql('aisales_auth', 'SELECT dualdb.setup_auth()');
application_writes('in between');
register($new, 'bob@example.com', 'Bob');

$one->safe_psql('aisales_app', "ALTER SERVER dualdb_auth OPTIONS (SET host '127.0.0.1', SET port '" . $new->port
	  . "', ADD sslrootcert '" . $tls->authority . "', ADD sslcert '" . $tls->file('bridge.crt') . "', ADD sslkey '" . $tls->file('bridge.key') . "')");
unlike($worker->ask('SELECT dualdb.sync()'), qr/^\w{5}: /, 'the session that lives goes to the new server');
is(directory(), 'Ann,Bob', 'whose users are there');
$one->safe_psql('postgres', 'ALTER DATABASE aisales_auth ALLOW_CONNECTIONS false');
unlike($worker->ask('SELECT dualdb.sync()'), qr/^\w{5}: /, 'and needs the old one no more');
application_writes('after');

is($writer->ask("SELECT dualdb.jwt_verify('$token') ->> 'sub'"), $user, 'a token of before is still good');
is($new->safe_psql('aisales_auth', "SELECT status FROM auth.refresh('$refresh_token')"), 'ok', 'and is refreshed by the new server');
is($new->safe_psql('aisales_auth', "SELECT status FROM auth.login('ann\@example.com', '$DualDB::Test::PASSWORD')"), 'ok', 'where users log in');
is($writer->ask('SELECT count(*) FROM app.projects'), '3', 'no write of the application is lost');

$_->end foreach $worker, $writer;
done_testing();
