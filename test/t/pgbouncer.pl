# Through PgBouncer in transaction mode, where clients take turns on one server
# connection: no identity goes from one client to the next.  Beside it what does go
# over, so that it is known that there was a way.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Clients;
use DualDB::PgBouncer;
use DualDB::Session;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

if (my $missing = missing_package('pgbouncer'))
{
	plan skip_all => "$missing is not installed";
}
my ($node, $tls) = clients_cluster(conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\n");
note('PgBouncer ' . join '.', DualDB::PgBouncer->version);

my @names = map { "user$_" } 1 .. 8;
my %user = map { $_ => register($node, "$_\@example.com", $_) } @names;
my %token = map { $_ => (login_tokens($node, "$_\@example.com"))[0] } @names;
$node->safe_psql('aisales_app', "INSERT INTO app.projects (user_id, name) VALUES ('$user{$_}', 'project of $_')") foreach @names;
my ($ann, $token) = ($user{user1}, $token{user1});

# what is refused by the server is allowed at first, to see what a pooler does
my ($session_identity_off) = example_text('roles.sql') =~ /^(ALTER ROLE .* SET dualdb\.session_identity = off;)$/m;
$node->safe_psql('postgres', 'ALTER ROLE backend_user RESET dualdb.session_identity');
my $pooler = DualDB::PgBouncer->new($node, $tls, 'app', default_pool_size => 1, verbose => 3);

sub client
{
	my ($pooler, $options) = @_;

	return DualDB::Session->to("host=127.0.0.1 port=" . $pooler->port . ' dbname=aisales_app user=backend_user'
		  . ' sslmode=verify-full sslrootcert=' . $tls->authority . ($options // ''));
}

# Who a client is, what it sees, and on which server connection.
my $who = q{SELECT coalesce(dualdb.user_id(), 'nobody') || ' sees ' || count(*) || ' on ' || pg_backend_pid() FROM app.projects};

sub now
{
	my ($client, $expected, $name) = @_;
	my ($seen, $backend) = $client->ask($who) =~ /^(.*) on (\d+)$/;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($seen, $expected, $name);
	return $backend;
}

# One client does something; the next one, on the same server connection, is who?
sub next_is
{
	my ($title, $sql, $expected, $pool) = @_;
	my ($first, $second) = map { client($pool // $pooler) } 1, 2;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $backend = $first->ask('SELECT pg_backend_pid()');
	foreach my $statement (ref $sql ? @$sql : $sql)
	{
		my ($text, $answer) = ref $statement ? @$statement : ($statement);
		my $got = $first->ask($text);
		like($got, $answer, "$title: control: done") if $answer;
	}
	is(now($second, $expected, "$title: the next client"), $backend, "$title: on the same connection");
	return;
}

my $nobody = 'nobody sees 0';
my $is_ann = qr/^\Q$ann\E$/m;
my $authenticate = "SELECT dualdb.authenticate('$token')";
my $authenticate_session = "SELECT dualdb.authenticate_session('$token')";

# what a transaction's identity does
next_is('outside of a transaction', [ [ $authenticate, $is_ann ] ], $nobody);
next_is('in a transaction', [ 'BEGIN', [ $authenticate, $is_ann ], [ $who, qr/^\Q$ann\E sees 1/ ], 'COMMIT' ], $nobody);
next_is('in one that is rolled back', [ 'BEGIN', [ $authenticate, $is_ann ], 'ROLLBACK' ], $nobody);
next_is('in one that fails', [ 'BEGIN', [ $authenticate, $is_ann ], [ 'SELECT 1 / 0', qr/22012/ ], 'COMMIT' ], $nobody);
next_is('under a savepoint', [ 'BEGIN; SAVEPOINT s', [ $authenticate, $is_ann ], 'RELEASE s', [ $who, qr/^\Q$ann\E sees 1/ ], 'COMMIT' ], $nobody);
next_is('under a savepoint that is rolled back', [ 'BEGIN; SAVEPOINT s', [ $authenticate, $is_ann ], 'ROLLBACK TO s; COMMIT' ], $nobody);
next_is('in a transaction that is chained to another', [ 'BEGIN', [ $authenticate, $is_ann ], 'COMMIT AND CHAIN', [ $who, qr/^nobody sees 0/ ], 'COMMIT' ], $nobody);
next_is('by several statements in one message', [ [ "$authenticate \\; $who", qr/^\Q$ann\E sees 1/m ] ], $nobody);
next_is('with a token that is refused', [ [ "SELECT dualdb.authenticate('${token}x')", qr/28000/ ] ], $nobody);
next_is('in a function', [ [ "DO \$\$ BEGIN PERFORM dualdb.authenticate('$token'); PERFORM set_config('test.id', dualdb.user_id(), false); END \$\$", qr/^$/ ],
		[ 'SHOW test.id', $is_ann ] ], $nobody);

# a query that is cancelled, through the pooler; psql ends then, in its transaction
{
	my ($first, $second) = map { client($pooler) } 1, 2;

	$first->ask('BEGIN');
	like($first->ask($authenticate), $is_ann, 'control: authenticated, before a cancel');
	my $backend = $first->ask('SELECT pg_backend_pid()');
	$first->start('SELECT pg_sleep(180)');
	$node->poll_query_until('postgres', "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $backend")
	  or die 'the query does not run';
	$first->{psql}->signal('INT');
	like($first->result, qr/57014/, 'a cancelled query');
	$first->end;
	now($second, $nobody, 'after a cancel: the next client');
}

# a client that is killed in its transaction; the next one waits for the connection
{
	my ($first, $second) = map { client($pooler) } 1, 2;

	$first->ask('BEGIN');
	like($first->ask($authenticate), $is_ann, 'control: authenticated, before a kill');
	$second->start($who);
	ok($pooler->wait_for('POOLS', sub { $_[0]{database} eq 'aisales_app' && $_[0]{cl_waiting} == 1 }),
		'control: another client waits for the connection');
	my $psql = delete $first->{psql};
	$psql->signal('KILL');
	eval { $psql->finish };
	like($second->result, qr/^nobody sees 0 on/, 'after a kill: the next client');
}

# control: this is what goes over, with the same clients on the same connection
foreach my $leak (
	[ 'a setting', "SET app.user_id = '$ann'", 'SHOW app.user_id' ],
	[ 'a cursor WITH HOLD', "BEGIN; $authenticate \\g /dev/null\nDECLARE mine CURSOR WITH HOLD FOR SELECT p.user_id FROM app.projects p; COMMIT", 'FETCH ALL FROM mine' ])
{
	my ($title, $sql, $look) = @$leak;
	my ($first, $second) = map { client($pooler) } 1, 2;

	$first->ask($sql);
	is($second->ask($look), $ann, "control: $title goes to the next client");
	$second->ask('DISCARD ALL');
}

# an identity of the session goes over: it is the server connection's
next_is('authenticate_session()', [ [ $authenticate_session, $is_ann ] ], "$ann sees 1");
next_is('an identity of a transaction does not end it', [ [ $authenticate, $is_ann ] ], "$ann sees 1");
next_is('authenticate_session() and DISCARD ALL', [ [ $authenticate_session, $is_ann ], 'DISCARD ALL' ], $nobody);
next_is('authenticate_session() in a transaction that fails',
	[ 'BEGIN', [ $authenticate_session, $is_ann ], 'SELECT 1 / 0', 'ROLLBACK' ], $nobody);

# so the server can be told to refuse it, by what the example of the roles ends with
$node->safe_psql('postgres', $session_identity_off);
$pooler->command('RECONNECT');
next_is('dualdb.session_identity is off', [ [ $authenticate_session, qr/^55000: an identity for the session is not allowed here/ ] ], $nobody);
next_is('an identity of a transaction is allowed', [ 'BEGIN', [ $authenticate, $is_ann ], [ $who, qr/^\Q$ann\E sees 1/ ], 'COMMIT' ], $nobody);
next_is('the client cannot turn it on', [ [ 'SET dualdb.session_identity = on', qr/^42501/ ], 'RESET ALL',
		[ $authenticate_session, qr/^55000/ ] ], $nobody);
$node->safe_psql('postgres', 'ALTER ROLE backend_user RESET dualdb.session_identity');

# the pooler's own log, at its most verbose
my $log = $pooler->log;
like($log, qr/backend_user/, 'control: the log is of these clients');
unlike($log, qr/eyJ[\w-]*\.eyJ/, 'no token in it');
$pooler->stop;

# what makes the session's identity safe: a reset before the next client
my $session_mode = DualDB::PgBouncer->new($node, $tls, 'app', default_pool_size => 1, pool_mode => 'session');
{
	my $first = client($session_mode);

	like($first->ask($authenticate_session), $is_ann, 'session mode: authenticated');
	$first->ask("SET app.user_id = '$ann'");
	my $backend = now($first, "$ann sees 1", 'session mode: until the client goes');
	$first->end;
	my $second = client($session_mode);
	is(now($second, $nobody, 'session mode: the next client'), $backend, 'session mode: on the same connection');
	unlike($second->ask("SELECT current_setting('app.user_id', true)"), $is_ann, 'session mode: settings end as well');
}
$session_mode->stop;

my $always = DualDB::PgBouncer->new($node, $tls, 'app', default_pool_size => 1, server_reset_query_always => 1);
next_is('server_reset_query_always', [ [ $authenticate_session, $is_ann ], "SET app.user_id = '$ann'" ], $nobody, $always);
$always->stop;

# many clients, few connections, all users at the same time
my $few = DualDB::PgBouncer->new($node, $tls, 'app', default_pool_size => 2);

# Scripts of pgbench, one for each user; a wrong result is a division by zero.
sub scripts
{
	my ($name, $text_of) = @_;

	return map {
		my $path = $tls->file("$name-$_.sql");
		open my $file, '>', $path or die "cannot write $path: $!";
		print $file $text_of->($_);
		close $file;
		('-f', $path)
	} @names;
}

sub many_clients
{
	my ($mode, @scripts) = @_;
	my ($out, $err) = ('', '');

	local $ENV{PGSSLMODE} = 'verify-full';
	local $ENV{PGSSLROOTCERT} = $tls->authority;
	my $ok = IPC::Run::run([
			# threads of their own: one that prepares would wait for a client of the same thread
			'pgbench', '-n', '-c', 20, '-j', 20, '-t', 30, '-M', $mode, @scripts,
			'-h', '127.0.0.1', '-p', $few->port, '-U', 'backend_user', 'aisales_app' ],
		'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(180));
	return ($ok && $err !~ /aborted/, $out . $err);
}

my @identities = scripts('identities', sub {
	my ($name) = @_;
	my $alone = "SELECT 1 / (dualdb.user_id() IS NULL AND NOT EXISTS (SELECT FROM app.projects))::int;\n";

	return "$alone BEGIN;\n$alone SELECT dualdb.authenticate('$token{$name}');\n"
	  . "SELECT 1 / (dualdb.user_id() = '$user{$name}' AND string_agg(p.name, ',') = 'project of $name')::int FROM app.projects p;\nCOMMIT;\n$alone";
});
my @settings = scripts('settings', sub {
	my ($name) = @_;

	return "SELECT 1 / (coalesce(current_setting('app.user_id', true), '') IN ('', '$user{$name}'))::int;\nSET app.user_id = '$user{$name}';\n";
});
foreach my $mode ('simple', 'extended', DualDB::PgBouncer->has_prepared_statements ? 'prepared' : ())
{
	my ($ok, $said) = many_clients($mode, @identities);

	ok($ok, "20 clients of 8 users on 2 connections, $mode: everybody is who they are") or diag $said;
}
my ($backends) = grep { $_->{database} eq 'aisales_app' && $_->{user} eq 'backend_user' } $few->show('POOLS');
is($backends->{sv_idle} + $backends->{sv_used} + $backends->{sv_active} + $backends->{sv_tested}, 2, 'control: on two connections');
my ($kept, $said) = many_clients('simple', @settings);
ok(!$kept && $said =~ /division by zero/, 'control: settings go from client to client, and that is seen') or diag $said;

# the examples of the clients, through the pooler
my $auth = DualDB::PgBouncer->new($node, $tls, 'auth');
DualDB::Clients::set_environment($tls, $few->port, auth_port => $auth->port,
	jdbc => DualDB::PgBouncer->has_prepared_statements ? undef : 'prepareThreshold=0');
$ENV{STATEMENT_CACHE_SIZE} = DualDB::PgBouncer->has_prepared_statements ? 100 : 0;
foreach my $example ('psql.sql', 'psycopg_example.py', 'asyncpg_example.py', 'node_postgres.js', 'Jdbc.java')
{
	my $client = $example =~ s/(?:_example)?\.\w+\z//r;

	SKIP:
	{
		my $missing = $client eq 'psql' ? undef : missing_package($client);
		skip "$example: $missing is not installed", 1 if $missing;
		skip "$example: this PgBouncer has no prepared statements", 1
		  if $client eq 'asyncpg' && !DualDB::PgBouncer->has_prepared_statements;

		my ($status, $out, $err) = run_example($example, "$DualDB::Test::PASSWORD\n", "$client\@example.com");
		my $told = rows_of($out);

		is($status, 0, "$example ends well") or diag $out, $err;
		is_deeply([ @$told{ 'project', 'afterwards', 'wrong token' } ],
			[ ['First project'], ['nobody, 0'], ['28000'] ], "$example: the user's project, nobody, a wrong token");
	}
}

my $requests = join "\n", (values %token) x 10;
my $expected = join '', map { "$user{$_} project of $_\n" x 10 } sort { $user{$a} cmp $user{$b} } @names;
SKIP:
{
	my $missing = missing_package('asyncpg');
	skip "asyncpg_pool.py: $missing is not installed", 1 if $missing;

	my ($status, $out, $err) = run_example('asyncpg_pool.py', $requests);
	is(join('', sort { $a cmp $b } $out =~ /^.*\n/mg), $expected, 'asyncpg_pool.py: each user sees the own project') or diag $err;
	last SKIP if DualDB::PgBouncer->has_prepared_statements;

	local $ENV{STATEMENT_CACHE_SIZE} = 100;
	(undef, undef, $err) = run_example('asyncpg_pool.py', $requests);
	like($err, qr/prepared statement .* (?:already exists|does not exist)/, 'control: not with prepared statements');
}
SKIP:
{
	my $missing = missing_package('psycopg');
	skip "psycopg_prepared.py: $missing is not installed", 1 if $missing;
	skip 'psycopg_prepared.py: this PgBouncer has no prepared statements', 1 unless DualDB::PgBouncer->has_prepared_statements;

	my ($status, $out, $err) = run_example('psycopg_prepared.py', $requests);
	is(join('', sort { $a cmp $b } $out =~ /^.*\n/mg), $expected, 'psycopg_prepared.py: each user sees the own project') or diag $err;
}

done_testing();
