# Whatever is killed: a session that was given out after COMMIT is there, its
# newest refresh token works, and no chain of tokens forks.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant { CLIENTS => 3, ROUNDS => 20, BACKEND_ROUNDS => 15 };

# the grace is for answers that a crash has lost
my $node = new_cluster('main', conf => q{
dualdb.argon2_memory = '19MB'
dualdb.argon2_iterations = 2
dualdb.max_login_failures = 4
dualdb.refresh_grace = 60
restart_after_crash = on
});
set_up_auth($node);
my $password = $DualDB::Test::PASSWORD;
my @emails = map { "user$_\@example.com" } 1 .. CLIENTS;
register($node, $_) foreach @emails, 'ann@example.com';

sub owner { return $node->safe_psql('aisales_auth', shift); }

# A client's script: what it prints has been committed.  It ends with its
# connection.
sub client_script
{
	my ($email) = @_;
	my $print = "COMMIT;\n\\echo :session_id :refresh_token\n";
	my $login = "BEGIN;\nSELECT session_id, refresh_token FROM auth.login('$email', '$password') \\gset\n$print";
	my $refresh = "BEGIN;\nSELECT session_id, refresh_token FROM auth.refresh(:'refresh_token') \\gset\n$print";

	return "\\set ON_ERROR_STOP 1\n" . ($login . $refresh x 4) x 500;
}
my @scripts = map { my $file = $node->basedir . "/$_.sql"; append_to_file($file, client_script($_)); $file } @emails;

# The newest token of each session that clients know of, and what its refresh
# says; the new tokens are what they know from then on.
my %newest;
sub refresh_all
{
	my (@sessions) = @_;
	my $tokens = join ',', map { "'$newest{$_}'" } @sessions;
	my %statuses;

	foreach (split /\n/, owner("SELECT t.token, r.status, r.session_id, r.refresh_token
		FROM unnest(ARRAY[$tokens]::text[]) t (token), LATERAL auth.refresh(t.token) r"))
	{
		my ($token, $status, $session, $refresh_token) = split /\|/;

		$statuses{$status}++;
		next unless $status eq 'ok';
		$statuses{'of another session'}++ unless ($newest{$session} // '') eq $token;
		$newest{$session} = $refresh_token;
	}
	return join ', ', map { "$_: $statuses{$_}" } sort keys %statuses;
}

sub wait_until_up
{
	$node->poll_query_until('aisales_auth', 'SELECT NOT pg_is_in_recovery()') or die 'the server is not up';
	return;
}

sub kill_backend
{
	my $log_offset = -s $node->logfile;
	my $pid = owner("SELECT pid FROM pg_stat_activity WHERE usename = 'auth_login' ORDER BY state = 'active' DESC, random() LIMIT 1");

	kill 'KILL', $pid or die "no backend $pid";
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log_offset);
	return;
}

# processes that the postmaster leaves behind keep the next one from starting
sub start_again
{
	my $started = 0;

	for (my $polls = 0; !$started && $polls < 300; $polls++)
	{
		$started = $node->start(fail_ok => 1);
		next if $started;
		select(undef, undef, undef, 0.1);
		$node->stop('fast', fail_ok => 1);
	}
	die 'the server does not start' unless $started;
	return;
}

# a lock to survive all of it
my $guess = "SELECT status FROM auth.login('ann\@example.com', 'wrong $password')";
my $identifier = "auth.login_identifier('ann\@example.com')";
ok($node->poll_query_until('aisales_auth', "SELECT CASE status WHEN 'throttled' THEN retry_after > 60 ELSE false END
	FROM auth.login('ann\@example.com', 'wrong $password')"), 'failures lock');
ok($node->poll_query_until('aisales_auth', "SELECT in_a_row = 4 FROM auth.login_failures WHERE identifier = $identifier"),
	'and are written down');

foreach my $round (1 .. ROUNDS)
{
	my $before = owner('SELECT count(*) FROM auth.refresh_tokens');
	my @outputs = ('') x CLIENTS;
	my @errors = ('') x CLIENTS;
	my @clients = map {
		IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('aisales_auth'), '-U', 'auth_login', '-f', $scripts[$_] ],
			'>', \$outputs[$_], '2>', \$errors[$_], IPC::Run::timeout(120))
	} 0 .. $#scripts;
	my $how;

	# not always at the same point of a client's work
	my $tokens = $before + 10 + int(rand(20));
	$node->poll_query_until('aisales_auth', "SELECT count(*) >= $tokens FROM auth.refresh_tokens")
	  or die 'the clients do not work';
	if ($round <= BACKEND_ROUNDS)
	{
		$how = 'a backend is killed';
		kill_backend();
	}
	elsif ($round % 2 == 0)
	{
		$how = 'the server is stopped';
		$node->stop('immediate');
	}
	else
	{
		$how = 'the postmaster is killed';
		$node->kill9;
	}
	IPC::Run::finish($_) foreach @clients;
	start_again() if $round > BACKEND_ROUNDS;
	wait_until_up();

	# a crash must be all that ended them
	unlike(join('', @errors), qr/ERROR: /, "$round: no client met an error before $how");
	my %seen;
	foreach (map { split /\n/ } @outputs)
	{
		my ($session, $refresh_token) = /^([0-9a-f-]{36}) (ddbr_\S+)$/ or die "not a session: $_";

		$newest{$session} = $refresh_token;
		$seen{$session} = 1;
	}
	my $sessions = keys %seen;
	cmp_ok($sessions, '>', 0, 'they had sessions');
	is(owner("SELECT count(*) FROM auth.sessions WHERE ended_at IS NULL AND id IN (" . join(',', map { "'$_'" } keys %seen) . ")"),
		$sessions, 'which are there');
	is(refresh_all(keys %seen), "ok: $sessions", 'and refresh');
	is(owner('SELECT count(*) FROM (SELECT FROM auth.refresh_tokens GROUP BY session_id HAVING count(*) FILTER (WHERE used_at IS NULL) <> 1) x'),
		'0', 'no session has more than one unused token, or none');
	is(owner($guess), 'throttled', 'the lock is there');
}

my $sessions = keys %newest;
is(refresh_all(keys %newest), "ok: $sessions", 'every session of all rounds refreshes');
is(owner("SELECT count(*) FROM auth.sessions s WHERE NOT EXISTS (SELECT FROM auth.refresh_tokens t WHERE t.session_id = s.id)"),
	'0', 'no session is without a token');
is(owner("SELECT in_a_row FROM auth.login_failures WHERE identifier = $identifier"), '4', 'the attempts while it was locked did not count');

# the assertions above would notice: a token of long ago is reuse
my ($any) = keys %newest;
my $used = $newest{$any};
my $next = owner("SELECT refresh_token FROM auth.refresh('$used')");
owner("SELECT FROM auth.refresh('$next')");
is(refresh_all($any), 'reuse_detected: 1', 'a token that has been used twice over does not refresh');

done_testing();
