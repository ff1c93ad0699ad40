# Sessions that live while the auth database moves to another server: the next sync of
# the same session goes there.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Session;
use DualDB::Test;
use DualDB::TwoServers;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($old, $app, $tls) = two_servers(allows_streaming => 1);
my $application = 0;

sub new_user
{
	my ($node, $name) = @_;
	$node->safe_psql('aisales_auth', "INSERT INTO auth.users (id, email) VALUES ('$name', '$name\@example.com')");
	return;
}

sub directory
{
	return $app->safe_psql('aisales_app', "SELECT string_agg(u.id, ',' ORDER BY u.id) FROM app.users u
		WHERE u.is_active AND length(u.id) = 1");
}

my $worker = DualDB::Session->new($app, 'aisales_app');
my $writer = DualDB::Session->new($app, 'aisales_app', 'app_login');

sub application_writes
{
	my ($name) = @_;
	$application++;
	is($writer->ask("INSERT INTO app.projects (user_id, name) VALUES ('a', 'x') RETURNING name"), 'x', "$name: the application writes");
	return;
}

new_user($old, 'a');
unlike($worker->ask('SELECT dualdb.sync()'), qr/^\w{5}: /, 'the session syncs from the old server');
is(directory(), 'a', 'and has a user of it');
application_writes('before');

# a copy that follows until it takes over
$old->backup('copy');
my $new = PostgreSQL::Test::Cluster->new('new');
$new->init_from_backup($old, 'copy', has_streaming => 1);
$new->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
$new->start;
new_user($old, 'b');
$old->wait_for_catchup($new);
$old->stop;
like($worker->ask('SELECT dualdb.sync()'), qr/^08\w{3}: /, 'between the servers the session gets an error');
application_writes('between the servers');
is(directory(), 'a', 'and nobody is lost');
$new->promote;
new_user($new, 'c');
server_options($app, port => $new->port);
unlike($worker->ask('SELECT dualdb.sync()'), qr/^\w{5}: /, 'the same session syncs from the new server');
is(directory(), 'a,b,c', 'users of the old one and of the new one are there');
application_writes('after');

# tokens of before, and of after
my ($token) = do { register($new, 'd@example.com', 'Dee'); login_tokens($new, 'd@example.com') };
is($writer->ask("SELECT dualdb.jwt_verify('$token') ->> 'iss'"), 'aisales_auth', 'tokens of the new server are good');

# back to the old one while the new one is up: a live connection does not keep it
$old->start;
new_user($old, 'e');
server_options($app, port => $old->port);
unlike($worker->ask('SELECT dualdb.sync()'), qr/^\w{5}: /, 'options that change while both are up');
is(directory(), 'a,b,e', 'take the same session to the other one');
server_options($app, port => $new->port);
unlike($worker->ask('SELECT dualdb.sync()'), qr/^\w{5}: /, 'and back');
is(directory(), 'a,b,c', 'to the users there');

# several hosts: the first that answers, and a setup that is run again keeps them
server_options($app, host => '127.0.0.1,127.0.0.1', port => $old->port . ',' . $new->port);
$app->safe_psql('aisales_app', 'SELECT dualdb.setup_app()');
$old->stop;
new_user($new, 'f');
unlike($worker->ask('SELECT dualdb.sync()'), qr/^\w{5}: /, 'with several hosts the one that is up is found');
is(directory(), 'a,b,c,f', 'and its users are there');
is($app->safe_psql('aisales_app', "SELECT o.option_value FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o
	WHERE s.srvname = 'dualdb_auth' AND o.option_name = 'port'"), $old->port . ',' . $new->port, 'the setup keeps several ports');
server_options($app, port => $new->port);
$app->safe_psql('aisales_app', "SELECT dualdb.setup_app(auth_host => '127.0.0.1,localhost', auth_port => " . $new->port . ')');
new_user($new, 'g');
unlike($worker->ask('SELECT dualdb.sync()'), qr/^\w{5}: /, 'one port serves all hosts');
is(directory(), 'a,b,c,f,g', 'and users arrive');

$_->end foreach $worker, $writer;
is($app->safe_psql('aisales_app', 'SELECT count(*) FROM app.projects'), $application, 'no write of the application is lost');

done_testing();
