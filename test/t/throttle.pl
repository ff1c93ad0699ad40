# Failed logins count whatever the client does with its transaction, and what
# was counted survives the server.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# two failures lock, for longer than the test takes
my $node = new_cluster('main', allows_streaming => 1, conf => q{
dualdb.argon2_memory = '19MB'
dualdb.argon2_iterations = 2
dualdb.max_login_failures = 2
dualdb.refresh_grace = 0
max_connections = 50
restart_after_crash = on
});
set_up_auth($node);
my $password = $DualDB::Test::PASSWORD;
my $wrong = 'wrong horse battery staple';
my $superuser = getpwuid($<);

sub owner { return $node->safe_psql('aisales_auth', shift); }

# What a script of the application's prints, lines joined by commas.
sub service
{
	my ($sql, $server, $role) = @_;
	my (undef, $out) = psql_as($server // $node, 'aisales_auth', $role // 'auth_login', $sql,
		on_error_stop => 0);
	return join ',', split /\n/, $out;
}

sub attempt
{
	my ($email, $with) = @_;
	return "SELECT status FROM auth.login('$email', '" . ($with // $wrong) . "', '192.0.2.1', 'seen agent');\n";
}
sub rolled_back { return "BEGIN;\n$_[0]ROLLBACK;\n"; }

# A lock says when to come back.
sub locked_ok
{
	my ($email, $name, $server) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(service("SELECT status, retry_after BETWEEN 1 AND 1800, user_id, access_token
		FROM auth.login('$email', '$password')", $server), 'throttled|t||', $name);
}

sub settings
{
	my (%values) = @_;
	owner(join '', map { "ALTER DATABASE aisales_auth " .
		(defined $values{$_} ? "SET dualdb.$_ = $values{$_};" : "RESET dualdb.$_;") } keys %values);
	return;
}

# Failures as the table has them, once they are there.
sub flushed
{
	my ($email, $in_a_row) = @_;
	return $node->poll_query_until('aisales_auth', "SELECT in_a_row = $in_a_row
		FROM auth.login_failures WHERE identifier = auth.login_identifier('$email')");
}

sub background
{
	my ($sql, $out, $role) = @_;
	return IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('aisales_auth'),
		'-U', $role // 'auth_login', map { ('-c', $_) } split /;\s*/, $sql ],
		'<', '/dev/null', '>', $out, '2>&1', IPC::Run::timeout(120));
}

my $ann = register($node, 'ann@example.com');
register($node, 'bob@example.com');

# ways to take a failure back, none of which does; code of its own is not for the service
my @ways = (
	[ 'ROLLBACK', sub { rolled_back($_[0]) } ],
	[ 'ROLLBACK TO', sub { "BEGIN;\nSAVEPOINT s;\n$_[0]ROLLBACK TO s;\nCOMMIT;\n" } ],
	[ 'an error', sub { "BEGIN;\n$_[0]SELECT 1 / 0;\nCOMMIT;\n" } ],
	[ 'an exception', sub { $_[0] =~ s/SELECT status FROM (.*);\n/DO \$\$ BEGIN PERFORM $1; RAISE division_by_zero;
		EXCEPTION WHEN division_by_zero THEN NULL; END \$\$; SELECT 'invalid_credentials';\n/r }, $superuser ],
	[ 'an old snapshot', sub { "BEGIN ISOLATION LEVEL REPEATABLE READ;\n$_[0]ROLLBACK;\n" } ]);
foreach my $way (@ways)
{
	my ($name, $wrap, $role) = @$way;
	my $n = $name =~ s/ //gr;

	register($node, "$n\@example.com");
	foreach my $email ("$n\@example.com", "unknown$n\@example.com")
	{
		is(service($wrap->(attempt($email)) x 2, undef, $role), 'invalid_credentials,invalid_credentials',
			"two failures of $email are let through");
		locked_ok($email, "and lock in spite of $name, for the right password, too");
		is(service($wrap->(attempt($email))), 'throttled', 'in the same way as well') if $n ne 'anexception';
	}
}
is(service(attempt('ann@example.com', $password)), 'ok', 'another address is not locked');
is(service(join '', (rolled_back(attempt('ann@example.com')), attempt('ann@example.com', $password)) x 3),
	join(',', ('invalid_credentials', 'ok') x 3), 'a success clears the count');

# the old password of a change is a guess like any other
my $change = "SELECT status FROM auth.change_password('$ann', '$wrong', '$password!');\n";
is(service(rolled_back($change) x 3), 'invalid_credentials,invalid_credentials,throttled',
	'changes with a wrong password lock in spite of ROLLBACK');
locked_ok('ann@example.com', 'logins as well');

# what was refused is on record, without what was tried
ok($node->poll_query_until('aisales_auth', "SELECT count(*) > 2 FROM auth.audit_log
	WHERE event = 'authn_login_fail' AND user_id = '$ann' AND ip = '192.0.2.1'"), 'refusals are logged');
ok($node->poll_query_until('aisales_auth', "SELECT count(*) > 0 FROM auth.audit_log
	WHERE event = 'authn_login_lock' AND user_id = '$ann'"), 'locked ones, too');
is(owner("SELECT count(*) FILTER (WHERE a::text LIKE '%seen agent%') > 0, count(*) FILTER (WHERE a::text LIKE '%horse%')
	FROM auth.audit_log a"), 't|0', 'with where they came from, without the password');

# the lock ends, and starts anew
settings(lockout_duration => 2);
is(service(attempt('short@example.com') x 2 . attempt('bob@example.com') x 2 . attempt('bob@example.com', $password)),
	join(',', ('invalid_credentials') x 4, 'throttled'), 'a short lock');
my $polls = 0;
my $status = 'throttled';
while ($status eq 'throttled' && $polls++ < 600)
{
	$status = service(attempt('bob@example.com', $password));
	select(undef, undef, undef, 0.1);
}
is($status, 'ok', 'ends');
ok($node->poll_query_until('aisales_auth', "SELECT NOT EXISTS (SELECT FROM auth.login_failures
	WHERE identifier = auth.login_identifier('bob\@example.com'))"), 'a success clears the table');
is(service(attempt('bob@example.com') x 3), 'invalid_credentials,invalid_credentials,throttled', 'two more lock again');
settings(lockout_duration => undef);

# too many failures in all need a reset, however slowly they come
register($node, 'carl@example.com');
settings(disable_after_failures => 3, max_login_failures => 100);
is(service(rolled_back(attempt('carl@example.com')) x 3 .
	"SELECT status, retry_after FROM auth.login('carl\@example.com', '$password')"),
	join(',', ('invalid_credentials') x 3, 'throttled|'), 'three failures in all disable a password');
my (undef, $token) = split /\|/, service("SELECT status, token FROM auth.request_password_reset('carl\@example.com')");
is(service("SELECT status FROM auth.reset_password('$token', 'entirely $password');\n" .
	attempt('carl@example.com', "entirely $password")), 'ok,ok', 'until it is reset');

# guesses made at the same time do not get past the limit together
settings(disable_after_failures => undef, max_login_failures => 6);
my @outputs = ('') x 24;
my @clients = map { background(rolled_back(attempt('carl@example.com')), \$outputs[$_]) } 0 .. $#outputs;
IPC::Run::finish($_) foreach @clients;
my $guesses = grep { $_ eq "invalid_credentials\n" } @outputs;
is($guesses + (grep { $_ eq "throttled\n" } @outputs), scalar @outputs, 'parallel guesses are refused one way or the other');
cmp_ok($guesses, '>=', 4, 'the first half costs nothing, and one more');
cmp_ok($guesses, '<=', 6, 'no more than the limit are made');
settings(max_login_failures => undef);

# the governor: a stopped backend keeps the only turn
register($node, 'dora@example.com');
settings(max_concurrent_hashes => 1, max_hash_wait => 0);
my $hash = '';
my $holder = background("SET dualdb.argon2_memory = '256MB'; SET dualdb.argon2_iterations = 16;
	SET application_name = 'holder'; SET dualdb.max_hash_wait = '60s'; SELECT dualdb.hash_password('$password') LIKE '\$argon2id%';", \$hash, $superuser);
$polls = 0;
do { $status = service(attempt('dora@example.com', $password)) } while ($status eq 'ok' && $polls++ < 600);
is($status, 'busy', 'no turn within the time is busy');
my $pid = owner("SELECT pid FROM pg_stat_activity WHERE application_name = 'holder'");
kill 'STOP', $pid;
is(service(rolled_back(attempt('dora@example.com')) x 5), join(',', ('busy') x 5), 'for wrong passwords, too');
error_is($node, 'aisales_auth', $superuser, "SET dualdb.max_hash_wait = '60s'; SET statement_timeout = 100; " . attempt('dora@example.com'),
	qr/^57014: canceling statement due to statement timeout/, 'the wait heeds a timeout') for 1 .. 3;
settings(max_hash_wait => q{'60s'});
my ($cancelled, $patient) = ('', '');
my $client = background(attempt('dora@example.com'), \$cancelled);
my $waiting = q{FROM pg_stat_activity WHERE usename = 'auth_login' AND wait_event_type = 'Extension' AND datname = 'aisales_auth'};
ok($node->poll_query_until('aisales_auth', "SELECT count(*) = 1 $waiting"), 'a login waits for its turn');
owner("SELECT pg_cancel_backend(pid) $waiting");
IPC::Run::finish($client);
like($cancelled, qr/canceling statement due to user request/, 'and can be cancelled');
$client = background(attempt('dora@example.com', $password), \$patient);
ok($node->poll_query_until('aisales_auth', "SELECT count(*) = 1 $waiting"), 'another one waits');
kill 'CONT', $pid;
IPC::Run::finish($_) foreach $holder, $client;
is("$hash$patient", "t\nok\n", 'and has its turn after the other');
is(service(attempt('dora@example.com') x 3), 'invalid_credentials,invalid_credentials,throttled',
	'none of those that had no turn has counted');
settings(max_concurrent_hashes => undef, max_hash_wait => undef);

# a used refresh token ends its session in spite of ROLLBACK
register($node, 'emil@example.com');
my ($first, $other) = map { (login_tokens($node, 'emil@example.com'))[1] } 1, 2;
my (undef, $second) = split /\|/, service("SELECT status, refresh_token FROM auth.refresh('$first')");
is(service(rolled_back("SELECT status FROM auth.refresh('$first');\n") . "SELECT status FROM auth.refresh('$second')"),
	'reuse_detected,revoked', 'reuse ends the session at once');
ok($node->poll_query_until('aisales_auth', "SELECT count(*) = 1 FROM auth.sessions s JOIN auth.refresh_tokens t ON t.session_id = s.id
	WHERE t.token_hash = dualdb.hash_token('refresh', '$second') AND s.end_reason = 'reuse_detected' AND s.ended_at IS NOT NULL"),
	'the session is written down as ended');
is(service("SELECT status FROM auth.refresh('$second'); SELECT status FROM auth.refresh('$other')"), 'revoked,ok',
	'and stays so, without the other one');

# what has been written survives crashes and the change of servers
is(service(rolled_back(attempt('emil@example.com')) x 2), 'invalid_credentials,invalid_credentials', 'a lock to survive');
ok(flushed('emil@example.com', 2), 'reaches the table');
register($node, $_) foreach 'fred@example.com', 'gina@example.com';
$node->stop('immediate');
$node->start;
locked_ok('emil@example.com', 'it survives a crash of the server');
is(service(attempt('fred@example.com', $password)), 'ok', 'where others log in');
my $victim = background("SET application_name = 'victim'; SELECT pg_sleep(100);", \my $lost);
$node->poll_query_until('aisales_auth', "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'victim' AND query LIKE '%pg_sleep%'")
  or die 'no backend to kill';
my $log_offset = -s $node->logfile;
kill 'KILL', owner("SELECT pid FROM pg_stat_activity WHERE application_name = 'victim'");
IPC::Run::finish($victim);
$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log_offset);
$node->poll_query_until('aisales_auth', 'SELECT true') or die 'no server';
locked_ok('emil@example.com', 'and one of a backend');
is(service(attempt('fred@example.com', $password)), 'ok', 'where others log in');
is(service(attempt('fred@example.com') x 3), 'invalid_credentials,invalid_credentials,throttled', 'and failures count');
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
ok(flushed('fred@example.com', 2), 'another lock reaches the table');
$node->wait_for_catchup($standby);
$standby->promote;
locked_ok($_, "$_ is locked on a promoted standby", $standby) foreach 'emil@example.com', 'fred@example.com';
is(service(attempt('gina@example.com') . attempt('gina@example.com', $password), $standby), 'invalid_credentials,ok',
	'which takes logins of others');

# the worker goes when there is nothing to do, and does not keep its database
service(attempt('zoe@example.com'));
my $workers = "FROM pg_stat_activity WHERE backend_type = 'dualdb flush worker'";
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 $workers"), 'one worker writes');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 $workers"), 'and goes');
$node->safe_psql('postgres', 'DROP DATABASE aisales_auth');
$node->safe_psql('postgres', 'CREATE DATABASE aisales_auth');
owner('CREATE EXTENSION dualdb; SELECT dualdb.setup_auth()');
is(service(rolled_back(attempt('emil@example.com')) x 3), 'invalid_credentials,invalid_credentials,throttled',
	'the next database of the name counts from nothing');

done_testing();
