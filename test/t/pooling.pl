# PgBouncer by the files of contrib/pgbouncer: 200 clients share ten connections to the
# auth database and thirty to the app database, and each of them is who it is.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Clients;
use DualDB::PgBouncer;
use DualDB::Pgbench;
use DualDB::Session;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

if (my $missing = missing_package('pgbouncer'))
{
	plan skip_all => "$missing is not installed";
}
my ($node, $tls) = clients_cluster(conf => q{
max_connections = 120
dualdb.argon2_memory = '19MB'
dualdb.argon2_iterations = 2
dualdb.max_hash_wait = '60s'
});
my %pooler = map { $_ => DualDB::PgBouncer->new($node, $tls, $_) } 'auth', 'app';
my %limit = (auth => 10, app => 30);
my %role = (auth => 'backend_auth', app => 'backend_user');
note('PgBouncer ' . join '.', DualDB::PgBouncer->version);

# what a client is told; the password is the one of the environment
sub told
{
	my ($port, $database, $user, $options) = @_;

	return DualDB::Session->to("host=127.0.0.1 port=$port dbname=$database user=$user " . ($options // ''))->ask('SELECT current_user');
}

# who may log in, and how
my $tls_options = 'sslmode=verify-full sslrootcert=' . $tls->authority;
foreach my $name ('auth', 'app')
{
	my @to = ($pooler{$name}->port, "aisales_$name", $role{$name});

	is(told(@to, $tls_options), $role{$name}, "$name: logs in");
	like(told(@to, 'sslmode=disable'), qr/SSL required/, "$name: not without TLS");
	like(told(@to, "$tls_options password=wrong"), qr/SASL authentication failed/, "$name: not with a wrong password");
	like(told(@to[ 0, 1 ], $_, $tls_options), qr/FATAL/, "$name: not as $_")
	  foreach 'dualdb_bridge', 'pgbouncer', scalar getpwuid($<), $role{ $name eq 'auth' ? 'app' : 'auth' };
	like(told($to[0], 'pgbouncer', $role{$name}, $tls_options), qr/FATAL/, "$name: no console for its clients");
	like(told($to[0], 'postgres', $role{$name}, $tls_options), qr/FATAL/, "$name: no other database");
}
is(told($pooler{auth}->port, 'aisales_auth_login', $role{auth}, $tls_options), $role{auth}, 'auth: logs in by the other name');
is_deeply([ $pooler{auth}->show('VERSION') ], [ $pooler{app}->show('VERSION') ], 'the console is for who runs the pooler');

# the file that verifies them
my $users = slurp_file($pooler{auth}->users_file);
like($users, qr/\A"backend_auth" "SCRAM-SHA-256\$\d+:[^"]+"\n\z/, 'one role, and a secret that is not its password');
is((stat $pooler{auth}->users_file)[2] & 07777, 0640, 'read by the group, written by the owner');
$node->safe_psql('postgres', q{
	CREATE ROLE without_password LOGIN;
	CREATE ROLE no_login PASSWORD 'x';
	CREATE ROLE too_much SUPERUSER LOGIN PASSWORD 'x';
	CREATE ROLE replicates REPLICATION LOGIN PASSWORD 'x';
	SET password_encryption = 'md5';
	CREATE ROLE old_fashioned LOGIN PASSWORD 'x'});
ok(!$pooler{auth}->write_users($_), "none is written for $_")
  foreach 'without_password', 'no_login', 'too_much', 'replicates', 'old_fashioned', 'nobody', 'dualdb_bridge', q{a' OR true --};
is(slurp_file($pooler{auth}->users_file), $users, 'and the one that is there stays');
is_deeply([ glob $pooler{auth}->users_file . '.*' ], [], 'and nothing else');
ok($pooler{auth}->write_users, 'control: it is written');

# the unit and the configuration agree
my $unit = slurp_file("$DualDB::PgBouncer::FOLDER/dualdb-pgbouncer\@.service");
my ($start, $socket) = map { $unit =~ /^$_=(.*)$/m } 'ExecStart', 'RuntimeDirectory';
foreach my $name ('auth', 'app')
{
	my ($file) = $start =~ m{/etc/pgbouncer/(\S+)$};
	my ($folder) = slurp_file("$DualDB::PgBouncer::FOLDER/" . $file =~ s/%i/$name/r) =~ /^unix_socket_dir = (.*)$/m;

	is($folder, '/run/' . $socket =~ s/%i/$name/r, "the unit starts $name, with the folder of its socket");
}

# Users, what they have, and what 200 clients do.
my @names = map { "user$_" } 0 .. 7;
my %user = map { $_ => register($node, "$_\@example.com", $_) } @names;
my %token = map { $_ => (login_tokens($node, "$_\@example.com"))[0] } @names;
my $api_key = $node->safe_psql('aisales_auth', "SELECT api_key FROM auth.create_api_key('$user{user0}', 'of the tests', '{}')");
$node->safe_psql('aisales_app', 'SELECT dualdb.sync()');

# A wrong result is a division by zero.  A client goes on with its own refresh token.
my @auth_scripts = (qq{
\\if :logged_in
SELECT r.access_token, r.refresh_token, 1 / (r.status = 'ok')::int AS checked FROM auth.refresh(:refresh_token) r \\gset
\\else
SELECT l.access_token, l.refresh_token, 1 / (l.status = 'ok')::int AS checked
FROM auth.login('user' || (:client_id % 8) || '\@example.com', '$DualDB::Test::PASSWORD') l \\gset
\\set logged_in 1
\\endif
SELECT 1 / (dualdb.jwt_verify(:access_token) ->> 'sub' = (string_to_array('@user{@names}', ' '))[:client_id % 8 + 1])::int;
}, (qq{
SELECT 1 / (v.status = 'ok' AND v.user_id = '$user{user0}')::int FROM auth.verify_api_key('$api_key') v;
}) x 3);
my $nobody = "SELECT 1 / (dualdb.user_id() IS NULL AND NOT EXISTS (SELECT FROM app.projects))::int;\n";
my @app_scripts = map { qq{
$nobody
BEGIN;
SELECT dualdb.authenticate('$token{$_}');
INSERT INTO app.projects (user_id, name) VALUES (dualdb.user_id(), 'project of $_');
SELECT 1 / (dualdb.user_id() = '$user{$_}' AND bool_and(p.user_id = '$user{$_}' AND p.name = 'project of $_'))::int
FROM app.projects p;
COMMIT;
$nobody} } @names;

# a connection too many would be refused by the server, and seen in the pooler's log
$node->safe_psql('postgres', "ALTER ROLE $role{$_} CONNECTION LIMIT $limit{$_}") foreach 'auth', 'app';
foreach my $run ([ 'auth', 5, @auth_scripts ], [ 'app', 5, @app_scripts ])
{
	my ($name, $transactions, @scripts) = @$run;
	my $to = { port => $pooler{$name}->port, database => "aisales_$name", role => $role{$name} };
	my $bench = DualDB::Pgbench->start($tls, $to,
		[ '-c', 200, '-t', $transactions, '-M', 'extended', '-D', 'logged_in=0' ], @scripts)->watch($node);
	my ($waited) = grep { $_->{database} eq "aisales_$name" } $pooler{$name}->show('STATS');

	ok($bench->succeeds, "$name: 200 clients, and nothing fails") or diag $bench->said;
	cmp_ok($bench->most, '<=', $limit{$name}, "$name: on no more than $limit{$name} connections");
	note(sprintf '%s: %s, %.0f ms of waiting for a connection for each',
		$name, $bench->speed, $waited->{total_wait_time} / $waited->{total_xact_count} / 1000);
}
is($node->safe_psql('aisales_app', q{SELECT count(*), count(*) FILTER (WHERE p.name = 'project of ' || u.display_name)
		FROM app.projects p JOIN app.users u ON u.id = p.user_id}), '1000|1000', 'every row was written by whom it belongs to');

# Clients that are in a transaction all at the same time, so many of them as get there.
sub at_once
{
	my ($name, $port, $clients, $expected, $sql, $meanwhile) = @_;
	my ($lock, $looks) = map { DualDB::Session->new($node, "aisales_$name") } 1, 2;

	$lock->ask('SELECT pg_advisory_lock(1)');
	my $bench = DualDB::Pgbench->start($tls, { port => $port, database => "aisales_$name", role => $role{$name} },
		[ '-c', $clients, '-t', 1 ], "BEGIN;\n$sql SELECT pg_advisory_xact_lock_shared(1);\nCOMMIT;\n");
	my $there = 0;
	$bench->watch($node, sub {
			$there = $looks->ask(q{SELECT count(*) FROM pg_locks l WHERE l.locktype = 'advisory' AND NOT l.granted});
			return $there == $expected });
	$meanwhile->() if $meanwhile;
	$lock->ask('SELECT pg_advisory_unlock(1)');
	return ($bench, $there);
}

foreach my $name ('auth', 'app')
{
	my ($bench, $there) = at_once($name, $pooler{$name}->port, $limit{$name} + 10, $limit{$name}, $name eq 'app' ? $nobody : '',
		sub { ok($pooler{$name}->wait_for('POOLS', sub { $_[0]{database} eq "aisales_$name" && $_[0]{cl_waiting} == 10 }),
				"$name: ten more clients wait") });
	is($there, $limit{$name}, "$name: all connections that they may take");
	ok($bench->succeeds, "$name: all go on then" . ($name eq 'app' ? ', and nobody is left on any of them' : ''))
	  or diag $bench->said;
}

# control: without a pooler they take more, if they are let
$_->stop foreach values %pooler;
$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity a WHERE a.usename IN ('backend_auth', 'backend_user')})
  or die 'the connections of the poolers stay';
foreach my $name ('auth', 'app')
{
	my ($refused) = at_once($name, $node->port, 50, 50, '');
	ok(!$refused->succeeds && $refused->said =~ /too many connections for role/, "control: $name: the server refuses more");
	$node->safe_psql('postgres', "ALTER ROLE $role{$name} CONNECTION LIMIT -1");
	my ($let, $there) = at_once($name, $node->port, 50, 50, '');
	ok($let->succeeds, "control: $name: 50 clients by themselves") or diag $let->said;
	is($there, 50, "control: $name: take fifty connections");
}

# what the poolers have to say of all of this
foreach my $name ('auth', 'app')
{
	my $log = $pooler{$name}->log;

	like($log, qr/SASL authentication failed/, "control: $name: the log is of these clients");
	unlike($log, qr/too many connections/, "$name: never one connection too many");
	unlike($log, qr/eyJ[\w-]*\.eyJ|ddbr_|\Q$api_key\E|\Q$DualDB::Test::PASSWORD\E|a login role|SCRAM-SHA-256\$/,
		"$name: no token, key or password in the log");
	unlike($users, qr/a login role/, "$name: control: nor in the file");
}

done_testing();
