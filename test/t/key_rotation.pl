# The master key is rotated while users log in, refresh, use API keys and codes:
# nobody notices, whatever is killed on the way, and all that was given out before
# is good without the old key.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::MasterKeys;
use DualDB::Session;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

use constant { FACTORS => 3000, ROUNDS => 10_000 };

my $node = new_cluster('main', conf => q{
dualdb.argon2_memory = '19MB'
dualdb.argon2_iterations = 2
dualdb.max_login_failures = 3
dualdb.refresh_grace = 60
restart_after_crash = on
});
set_up_auth($node);
my $password = $DualDB::Test::PASSWORD;
my $old = key_of($node);
my $new = new_key();

sub owner { return $node->safe_psql('aisales_auth', shift); }
sub service { return (psql_as($node, 'aisales_auth', 'auth_login', shift))[1]; }
sub log_in { return owner("SELECT $_[1] FROM auth.login('$_[0]\@example.com', '$password')"); }
sub exchange { return split /\|/, service("SELECT status, refresh_token FROM auth.refresh('$_[0]')"); }

# Users with all that hangs on the master key.
my %user = map { ($_ => register($node, "$_\@example.com")) } qw(ann bob carl);
my $secret = owner("SELECT secret FROM auth.enroll_totp('$user{bob}')");
owner("SELECT auth.confirm_totp('$user{bob}', '" . totp_code($secret) . "')");
my @recovery_codes = split /\n/, owner("SELECT unnest(codes) FROM auth.recovery_codes('$user{bob}')");
my @api_keys = map { owner("SELECT api_key FROM auth.create_api_key('$user{ann}', 'key', '{}')") } 1 .. 2;
my $resting_token = log_in('ann', 'refresh_token');
my $token = log_in('ann', 'refresh_token');
my $lost_answer = log_in('ann', 'refresh_token');
my (undef, $successor) = exchange($lost_answer);
my $reset_token = owner("SELECT token FROM auth.request_password_reset('carl\@example.com')");
owner(q{
	INSERT INTO auth.users (id, email) SELECT 'u' || n, 'u' || n || '@example.com' FROM generate_series(2, } . FACTORS . q{) n;
	INSERT INTO auth.totp_factors (id, user_id, sealed_secret)
	SELECT u.id, u.id, (SELECT s.sealed_secret FROM dualdb.new_totp_secret(u.id) s) FROM auth.users u WHERE u.id ~ '^u'});

# A code for each half minute that the test may take.
my $step = int(time / 30);
owner('CREATE TABLE public.codes (step bigint, code text); INSERT INTO public.codes VALUES '
	  . join(',', map { "($_, '" . totp_code($secret, $_ - $step) . "')" } $step .. $step + 60));
my $bob_logs_in = q{BEGIN; UPDATE auth.totp_factors SET last_step = 0 WHERE user_id = '} . $user{bob} . qq{';
	SELECT challenge FROM auth.login('bob\@example.com', '$password') \\gset\n}
  . q{SELECT l.status FROM public.codes c, auth.login_totp(:'challenge', c.code) l WHERE c.step = extract(epoch FROM now())::bigint / 30; COMMIT};

sub works_ok
{
	my ($title) = @_;
	my $status;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(log_in('ann', 'status'), 'ok', "$title: a login");
	($status, $token) = exchange($token);
	is($status, 'ok', "$title: a refresh");
	is(service("SELECT status FROM auth.verify_api_key('$api_keys[0]')"), 'ok', "$title: an API key");
	is(owner($bob_logs_in), 'ok', "$title: a code");
	return;
}

my $nobody_is_locked = q{SELECT retry_after > 60 FROM auth.login('nobody@example.com', 'x')};
sub locked_ok
{
	my ($title) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(owner($nobody_is_locked), 't', "$title: who was locked out still is");
	return;
}

# Clients that go on until they are ended, with a moment between two calls.
my @clients;
sub start_client
{
	my ($role, $first, $again) = @_;
	my $file = $node->basedir . '/client' . @clients . '.sql';
	my $client = { out => '' };

	append_to_file($file, "\\set ON_ERROR_STOP 1\n" . $first . "${again}SELECT FROM pg_sleep(0.01) \\g /dev/null\n" x ROUNDS);
	$client->{psql} = IPC::Run::start([ 'psql', '-XAtq', '-U', $role, '-d', $node->connstr('aisales_auth'), '-f', $file ],
		'>', \$client->{out}, '2>&1', IPC::Run::timeout(180));
	push @clients, $client;
	return;
}

# Every client has got answers after this was called.
sub clients_go_on
{
	foreach my $client (@clients)
	{
		my $before = length $client->{out};
		while (length($client->{out}) < $before + 30)
		{
			IPC::Run::pump($client->{psql}) or die "a client has ended: $client->{out}";
		}
	}
	return;
}

start_client('auth_login', "SELECT refresh_token FROM auth.login('ann\@example.com', '$password') \\gset\n",
	"SELECT status, refresh_token FROM auth.refresh(:'refresh_token') \\gset\n\\echo :status\n");
start_client('auth_login', '', "SELECT status FROM auth.verify_api_key('$api_keys[0]');\n");
start_client('auth_login', '', "SELECT status FROM auth.login('carl\@example.com', '$password');\n");
start_client(scalar getpwuid($<), '', "$bob_logs_in;\n");
$node->poll_query_until('aisales_auth', $nobody_is_locked) or die 'failures do not lock';
$node->poll_query_until('aisales_auth', 'SELECT in_a_row = 3 FROM auth.login_failures') or die 'failures are not written down';

# One: every session knows the new key.
my $session = DualDB::Session->new($node, 'aisales_auth', 'auth_login');
is($session->ask("SELECT status FROM auth.login('ann\@example.com', '$password')"), 'ok', 'a session that has the keys');
clients_go_on();
is(usage($node), "current|1|2|" . FACTORS, 'all is under one key');
use_keys($node, $old, $new);
clients_go_on();
is(usage($node), "current|1|2|" . FACTORS . ' other|0|0|0', 'the new key is known');
works_ok('the new key is known');

# Two: it is sealed under, while a session goes on in a statement that began before.
my $holder = DualDB::Session->new($node, 'aisales_auth');
$holder->query('BEGIN; SELECT pg_advisory_xact_lock(1)');
owner('CREATE FUNCTION public.wait() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN PERFORM pg_advisory_xact_lock_shared(1); END$$;
	GRANT USAGE ON SCHEMA public TO auth_login; GRANT EXECUTE ON FUNCTION public.wait() TO auth_login');
$session->start("SELECT l.status FROM public.wait() w, LATERAL auth.login('ann\@example.com', '$password' || coalesce(w::text, '')) l");
$node->poll_query_until('aisales_auth', "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)") or die;
use_keys($node, $new, $old);
clients_go_on();
is(usage($node), 'current|0|0|0 other|1|2|' . FACTORS, 'what was sealed before is under the old key');
is(owner('SELECT status, rows_resealed FROM auth.reseal(1000)'), 'ok|1000', 'some rows are sealed anew');
clients_go_on();
is(usage($node), 'current|1|2|997 other|0|0|' . (FACTORS - 997), 'keys first');
$holder->query('COMMIT');
is($session->result, 'ok', 'the statement that began before gets on with it');
is(owner('SELECT status FROM auth.rotate_signing_key()'), 'ok', 'signing keys are rotated meanwhile');
works_ok('half way');
clients_go_on();

$_->{psql}->signal('INT') foreach @clients;
foreach my $client (@clients)
{
	eval { IPC::Run::finish($client->{psql}) };
	my %answers;
	$answers{$_}++ foreach split /\n/, $client->{out} =~ s/(\A|\n)[^\n]*Cancel request sent.*//sr;
	is(join(' ', sort keys %answers), 'ok', 'a client has had no other answer') or diag substr $client->{out}, -1000;
	cmp_ok($answers{ok} // 0, '>', 10, 'and many of these');
}

# A batch that is killed leaves what was before it.
owner('CREATE FUNCTION public.wait_at_last() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF OLD.id = \'u' . FACTORS
	  . '\' THEN PERFORM pg_advisory_xact_lock_shared(1); END IF; RETURN NEW; END$$;
	GRANT USAGE ON SCHEMA public TO dualdb_auth_owner; GRANT EXECUTE ON FUNCTION public.wait_at_last() TO dualdb_auth_owner, PUBLIC;
	CREATE TRIGGER wait BEFORE UPDATE ON auth.totp_factors FOR EACH ROW EXECUTE FUNCTION public.wait_at_last()');
$holder->query('BEGIN; SELECT pg_advisory_xact_lock(1)');
my $batch = DualDB::Session->new($node, 'aisales_auth');
my $pid = $batch->query('SELECT pg_backend_pid()');
$batch->start('SELECT auth.reseal(100000)');
$node->poll_query_until('aisales_auth', "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $pid AND NOT granted)") or die;
my $started = owner('SELECT pg_postmaster_start_time(), pg_conf_load_time()');
kill 'KILL', $pid;
$holder->end;
like($batch->result, qr/connection to server was lost|server closed the connection/, 'the batch has been killed');
$node->poll_query_until('aisales_auth', "SELECT count(*) >= 0 FROM auth.users") or die 'the server does not come back';
owner('DROP TRIGGER wait ON auth.totp_factors');
is(usage($node), 'current|1|2|997 other|0|0|' . (FACTORS - 997), 'nothing of it is there');
works_ok('after the crash');
my @batches;
do { push @batches, owner('SELECT rows_resealed FROM auth.reseal(900)') } while $batches[-1] > 0;
is("@batches", '900 900 203 0', 'the others go on where it began');
is(usage($node), 'current|1|2|' . FACTORS . ' other|0|0|0', 'nothing is under the old key');
locked_ok('with both keys');

# Three: the old key goes, and what has lain about since before is good.
use_keys($node, $new);
is(usage($node), 'current|1|2|' . FACTORS, 'nothing is missing');
works_ok('without the old key');
locked_ok('without the old key');
is((exchange($resting_token))[0], 'ok', 'a refresh token that was not used since before');
is(join('|', exchange($lost_answer)), "ok|$successor", 'a successor, given once more');
is(service("SELECT status FROM auth.verify_api_key('$api_keys[1]')"), 'ok', 'an API key');
is(service("SELECT status FROM auth.verify_api_key('$api_keys[1]x')"), 'invalid_credentials', 'control: a wrong one');
is(service("SELECT status FROM auth.reset_password('$reset_token', '$password')"), 'ok', 'a token by mail');
is(owner("SELECT challenge FROM auth.login('bob\@example.com', '$password') \\gset\n
	SELECT status FROM auth.login_totp(:'challenge', '$recovery_codes[0]')"), 'ok', 'a recovery code');
is(owner(q{SELECT count(*) FROM dualdb.verify_setup() WHERE status <> 'ok'
	AND item IN ('key_file', 'hash_key', 'signing_key', 'other_keys', 'sealed_values')}), '0', 'verify_setup() agrees');

done_testing();
