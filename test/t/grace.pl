# The grace period of refresh tokens: racing clients get one chain, in every
# isolation level, and a late second use ends the session.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\ndualdb.refresh_grace = 60");
set_up_auth($node);
register($node, 'ann@example.com');

sub refresh
{
	my ($token) = @_;
	return split /\|/, $node->safe_psql('aisales_auth', "SELECT status, refresh_token, access_token IS NOT NULL FROM auth.refresh('$token')");
}
sub unused { return $node->safe_psql('aisales_auth', 'SELECT count(*) FROM auth.refresh_tokens t JOIN auth.sessions s ON s.id = t.session_id
	WHERE t.used_at IS NULL AND s.ended_at IS NULL'); }

# within the grace period: the same successor
my (undef, $first) = login_tokens($node, 'ann@example.com');
my ($status, $second) = refresh($first);
is($status, 'ok', 'a refresh');
is_deeply([ refresh($first) ], [ 'ok', $second, 't' ], 'again: the same successor, and an access token') foreach 1 .. 3;
is(unused(), '1', 'one chain');
unlike($node->safe_psql('aisales_auth', "SELECT encode(successor, 'escape') FROM auth.refresh_tokens WHERE successor IS NOT NULL"),
	qr/\Q$second\E/, 'the successor is stored sealed');
my ($third_status, $third) = refresh($second);
is($third_status, 'ok', 'the successor is good');
is((refresh($first))[0], 'reuse_detected', 'a token two generations old is reuse, grace period or not');
is((refresh($third))[0], 'revoked', 'and ends the session');

# a sealed successor opens with its own predecessor only
$node->safe_psql('aisales_auth', 'DELETE FROM auth.sessions');
(undef, $first) = login_tokens($node, 'ann@example.com');
(undef, my $other) = login_tokens($node, 'ann@example.com');
refresh($first);
refresh($other);
$node->safe_psql('aisales_auth', 'CREATE TEMP TABLE s AS SELECT id, successor FROM auth.refresh_tokens WHERE successor IS NOT NULL;
	UPDATE auth.refresh_tokens t SET successor = (SELECT o.successor FROM s o WHERE o.id <> t.id) WHERE t.successor IS NOT NULL');
is((refresh($first))[1], '', "another token's successor is not given out");

# many at once, in every isolation level; 40001 is to be retried
my $script = $node->basedir . '/refresh.sql';
foreach my $level ('read committed', 'repeatable read', 'serializable')
{
	foreach my $clients (2, 50)
	{
		(undef, $first) = login_tokens($node, 'ann@example.com');
		$node->safe_psql('aisales_auth', 'CREATE TABLE IF NOT EXISTS public.answer (status text, token text); TRUNCATE public.answer');
		open my $file, '>', $script or die $!;
		print $file "INSERT INTO public.answer SELECT status, refresh_token FROM auth.refresh('$first');\n";
		close $file;
		$node->safe_psql('aisales_auth', "ALTER DATABASE aisales_auth SET default_transaction_isolation = '$level'");
		run_command([
				'pgbench', '-n', '-c', $clients, '-j', '2', '-t', '1', '--max-tries=200', '-f', $script,
				'-h', $node->host, '-p', $node->port, 'aisales_auth' ]);
		$node->safe_psql('aisales_auth', 'ALTER DATABASE aisales_auth RESET default_transaction_isolation');
		is($node->safe_psql('aisales_auth', 'SELECT status, count(*), count(DISTINCT token) FROM public.answer GROUP BY status'),
			"ok|$clients|1", "$clients refreshes at once, $level: all get the same successor");
	}
}

# a refresh against a logout and against a password change: whichever is second
# finds the session ended, or ends it
foreach my $ending ('logout', 'change_password')
{
	(undef, $first) = login_tokens($node, 'ann@example.com');
	my $user = $node->safe_psql('aisales_auth', 'SELECT id FROM auth.users');
	my $sql = $ending eq 'logout' ? "SELECT auth.logout('$first')"
	  : "SELECT auth.change_password('$user', '$DualDB::Test::PASSWORD', '$DualDB::Test::PASSWORD')";
	my ($in, $out) = ('', '');
	my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('aisales_auth') ], '<', \$in, '>', \$out, IPC::Run::timeout(60));
	$in .= "BEGIN; $sql; SELECT 'ended';\n";
	IPC::Run::pump($session) until $out =~ /ended/;
	my $answer = '';
	my $refresh = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('aisales_auth'), '-c',
		"SELECT status FROM auth.refresh('$first')" ], '>', \$answer, IPC::Run::timeout(60));
	$node->poll_query_until('aisales_auth', 'SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)') or die 'no wait';
	$in .= "COMMIT;\n\\q\n";
	IPC::Run::finish($session);
	IPC::Run::finish($refresh);
	is($answer, "revoked\n", "a refresh that waits for a $ending finds the session ended");
}

# after the grace period, and the wiping of what it needed
(undef, $first) = login_tokens($node, 'ann@example.com');
refresh($first);
$node->safe_psql('aisales_auth', "UPDATE auth.refresh_tokens SET used_at = used_at - interval '61 s' WHERE used_at IS NOT NULL");
$node->poll_query_until('aisales_auth', 'SELECT auth.flush() IS NOT NULL AND NOT EXISTS (SELECT FROM auth.refresh_tokens WHERE successor IS NOT NULL)')
  or die 'successors are not wiped';
pass('successors are wiped when the grace is over');
is((refresh($first))[0], 'reuse_detected', 'and the used token is reuse');

done_testing();
