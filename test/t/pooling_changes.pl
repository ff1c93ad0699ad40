# What changes behind PgBouncer, by the files of contrib/pgbouncer: logins that take long,
# another password, another primary.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Clients;
use DualDB::Load;
use DualDB::PgBouncer;
use DualDB::Pgbench;
use DualDB::Session;
use DualDB::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

if (my $missing = missing_package('pgbouncer'))
{
	plan skip_all => "$missing is not installed";
}
my ($node, $tls) = clients_cluster(allows_streaming => 1, conf => q{
max_connections = 60
dualdb.argon2_memory = '19MB'
dualdb.argon2_iterations = 2
dualdb.max_hash_wait = '60s'
});
my ($auth, $app) = map { DualDB::PgBouncer->new($node, $tls, $_) } 'auth', 'app';
my %role = (aisales_auth => 'backend_auth', aisales_app => 'backend_user');
my $ann = register($node, 'ann@example.com', 'Ann');
register($node, "$_\@example.com", $_) foreach 'bob', 'cat';
my ($access_token) = login_tokens($node, 'ann@example.com');

sub connstr
{
	my ($pooler, $database) = @_;

	return 'host=127.0.0.1 port=' . $pooler->port . " dbname=$database user=$role{$database} sslmode=verify-full sslrootcert="
	  . $tls->authority;
}

# Logins that hang, twenty of them, until the row of their user is let go.
sub hanging_logins
{
	my ($database, $active) = @_;
	my $lock = DualDB::Session->new($node, 'aisales_auth');

	$lock->ask("BEGIN; SELECT FROM auth.users u WHERE u.email = 'bob\@example.com' FOR UPDATE");
	my $logins = DualDB::Pgbench->start($tls, { port => $auth->port, database => $database, role => 'backend_auth' },
		[ '-c', 20, '-t', 1 ],
		"SELECT 1 / (l.status = 'ok')::int FROM auth.login('bob\@example.com', '$DualDB::Test::PASSWORD') l;\n");

	ok($auth->wait_for('POOLS', sub {
			$logins->{process}->pump_nb;
			$_[0]{database} eq $database && $_[0]{sv_active} == $active && $_[0]{cl_waiting} == 20 - $active }),
		"$database: $active logins hang, the others wait");
	return ($lock, $logins);
}

# logins by a name of their own leave connections to others
my $client = DualDB::Session->to(connstr($auth, 'aisales_auth'));
my ($token) = (login_tokens($node, 'cat@example.com'))[1];
my ($lock, $logins) = hanging_logins('aisales_auth_login', 4);
my ($status, $next) = split /\|/, $client->ask("SELECT r.status, r.refresh_token FROM auth.refresh('$token') r");
is($status, 'ok', 'a refresh has its answer meanwhile');
$lock->ask('COMMIT');
ok($logins->succeeds, 'and then the logins') or diag $logins->said;

# control: by the same name they do not; what was idle by the other name has been closed for them
($lock, $logins) = hanging_logins('aisales_auth', 10);
$client->start("SELECT r.status FROM auth.refresh('$next') r");
ok($auth->wait_for('POOLS', sub { $_[0]{database} eq 'aisales_auth' && $_[0]{cl_waiting} == 11 }), 'control: a refresh waits');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity a WHERE a.usename = 'backend_auth'}), '10',
	'ten connections in all');
$lock->ask('COMMIT');
ok($logins->succeeds, 'control: until the logins are done') or diag $logins->said;
is($client->result, 'ok', 'control: and then has its answer');

# Another password: on the server, in the file, at the clients.
my $who = 'SELECT current_user';
$client = DualDB::Session->to(connstr($app, 'aisales_app'));
is($client->ask($who), 'backend_user', 'control: a client');
$node->safe_psql('postgres', "ALTER ROLE backend_user PASSWORD 'another one'");
ok($app->write_users, 'a new auth_file');
$app->command('RELOAD');
like(DualDB::Session->to(connstr($app, 'aisales_app'))->ask($who), qr/SASL authentication failed/, 'not with the former password');
is(DualDB::Session->to(connstr($app, 'aisales_app') . " password='another one'")->ask($who), 'backend_user', 'with the new password');
$app->command('RECONNECT');
is($client->ask($who), 'backend_user', 'who was connected goes on, by a new connection');
$client->end;

# Another primary, while clients work: they wait, and nothing fails.
my $standby = PostgreSQL::Test::Cluster->new('standby');
$node->backup('of_all');
$standby->init_from_backup($node, 'of_all', has_streaming => 1);
$standby->start;
my $folder = $tls->file('clients');
mkdir $folder or die "cannot make $folder: $!";
my $write = "WITH me AS MATERIALIZED (SELECT dualdb.authenticate('$access_token') AS id)
	INSERT INTO app.projects (user_id, name) SELECT me.id, 'by a client' FROM me RETURNING 'ok', name";
my @clients = (
	DualDB::Load->start($folder, 'sessions', connstr($auth, 'aisales_auth'), session_client('cat@example.com')),
	DualDB::Load->start($folder, 'writes', connstr($app, 'aisales_app') . " password='another one'",
		asking_client('write', $write =~ s/\s+/ /gr, 'ok')));

DualDB::Load::wait_for_success(5, time, @clients);
$_->command('PAUSE') foreach $auth, $app;
$node->stop('fast');
$standby->promote;
foreach my $pooler ($auth, $app)
{
	$pooler->lead_to($standby);
	$pooler->command($_) foreach 'RELOAD', 'RESUME';
}
DualDB::Load::wait_for_success(5, time, @clients);
DualDB::Load::stop(@clients);
note($_->summary) foreach @clients;
is(scalar(map { $_->failed } @clients), 0, 'another primary: no client saw an error');
is($standby->safe_psql('aisales_app', "SELECT count(*) FROM app.projects p WHERE p.user_id = '$ann'"), scalar $clients[1]->succeeded,
	'and every row that they were told of is there');
is($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 'f', 'control: on the former standby');

done_testing();
