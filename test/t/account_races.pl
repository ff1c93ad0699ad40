# What happens while something else does: logins, tokens and factors that race with
# a change which should have been the end of them.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = auth_app_cluster('main', conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\ndualdb.max_login_failures = 4");
my $password = $DualDB::Test::PASSWORD;

sub owner { return $node->safe_psql('aisales_auth', shift); }

# Run one statement in an open transaction, another that waits for it, and commit;
# returns what the second one answered.
sub race
{
	my ($first, $second) = @_;
	my ($in, $out, $answer) = ('', '', '');
	my $holder = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('aisales_auth') ], '<', \$in, '>', \$out, IPC::Run::timeout(60));
	$in .= "BEGIN; $first; SELECT 'held';\n";
	IPC::Run::pump($holder) until $out =~ /held/;
	my $waiter = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('aisales_auth'), '-c', $second ], '>', \$answer, IPC::Run::timeout(60));
	$node->poll_query_until('aisales_auth', 'SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)') or die "$second does not wait";
	$in .= "COMMIT;\n\\q\n";
	IPC::Run::finish($holder);
	IPC::Run::finish($waiter);
	chomp $answer;
	return $answer;
}

# a login against a password reset and against a deactivation
my $user = register($node, 'ann@example.com');
my $login = "SELECT status FROM auth.login('ann\@example.com', '$password')";
is(owner($login), 'ok', 'control: the login');
is(race("SELECT auth.reset_password(token, 'another good long password') FROM auth.request_password_reset('ann\@example.com')", $login),
	'invalid_credentials', 'a login with the password of before a reset');
is(owner('SELECT count(*) FROM auth.sessions WHERE ended_at IS NULL'), '0', 'leaves no session');
owner("UPDATE auth.users SET password_hash = dualdb.hash_password('$password')");
is(race("SELECT auth.set_user_active('$user', false)", $login), 'invalid_credentials', 'a login of before a deactivation');
owner("SELECT auth.set_user_active('$user', true)");
is(owner('SELECT count(*) FROM auth.sessions WHERE ended_at IS NULL'), '0', 'leaves no session, even when that is undone');

# a change of the password by who knows the old one, against a reset
my $change = "SELECT status FROM auth.change_password('$user', '$password', 'one more good long password')";
is(race("SELECT auth.reset_password(token, 'another good long password') FROM auth.request_password_reset('ann\@example.com')", $change),
	'invalid_credentials', 'a change with the password of before a reset');
is(owner("SELECT dualdb.verify_password('another good long password', password_hash) FROM auth.users WHERE id = '$user'"), 't', 'leaves the one of the reset');
owner("UPDATE auth.users SET password_hash = dualdb.hash_password('$password')");
is(race("SELECT auth.set_user_active('$user', false)", $change), 'invalid_credentials', 'a change of before a deactivation');
owner("SELECT auth.set_user_active('$user', true)");
is(owner($change), 'ok', 'control: the change');

# two logins that both compute the hash anew
my $legacy = q{UPDATE auth.users SET password_hash = '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'};
my $first = q{SELECT auth.login('ann@example.com', 'U*U')};
owner($legacy);
is(race($first, q{SELECT status FROM auth.login('ann@example.com', 'U*U')}), 'ok', 'both log in');
owner($legacy);
is(race($first, "SELECT status FROM auth.change_password('$user', 'U*U', '$password')"), 'ok', 'one logs in and the other changes the password');
is(owner($login), 'ok', 'to the new one');

# an address that is verified must be the one that the token was sent to
my $token = owner("SELECT token FROM auth.request_email_verification('$user')");
is(race("UPDATE auth.users SET email = 'boss\@example.com' WHERE id = '$user'", "SELECT status FROM auth.verify_email('$token')"),
	'invalid_credentials', 'a token for another address than the one of now');
is(owner("SELECT email_verified_at IS NULL FROM auth.users WHERE id = '$user'"), 't', 'verifies nothing');
$token = owner("SELECT token FROM auth.request_email_verification('$user')");
is(owner("SELECT status FROM auth.verify_email('$token')"), 'ok', 'control: a token for the address of now');
owner("UPDATE auth.users SET email = 'Boss\@example.com' WHERE id = '$user'");
is(owner("SELECT email_verified_at IS NULL FROM auth.users WHERE id = '$user'"), 'f', 'the same address in other letters stays verified');
owner("UPDATE auth.users SET email = 'ann\@example.com' WHERE id = '$user'");
is(owner("SELECT email_verified_at IS NULL FROM auth.users WHERE id = '$user'"), 't', 'another one does not');

# two reset tokens asked for at once: the newer voids the older
my $reset = "SELECT token FROM auth.request_password_reset('ann\@example.com')";
my $newer = race($reset, $reset);
is(owner("SELECT count(*) FROM auth.one_time_tokens WHERE purpose = 'password_reset' AND used_at IS NULL"), '1', 'there is one token');
is(owner("SELECT status FROM auth.reset_password('$newer', '$password')"), 'ok', 'the newer one');

# a factor that is being confirmed is not replaced
owner("SELECT auth.enroll_totp('$user')");
is(race("UPDATE auth.totp_factors SET confirmed_at = now()", "SELECT status FROM auth.enroll_totp('$user')"),
	'not_found', 'an enrolment while another one is confirmed');
owner("SELECT auth.disable_totp('$user')");

# codes that are throttled for good are not when the factor is gone
owner("SELECT auth.enroll_totp('$user'); UPDATE auth.totp_factors SET confirmed_at = now()");
my $code = "SELECT status FROM auth.login_totp((SELECT challenge FROM auth.login('ann\@example.com', '$password')), '000000')";
my $status = '';
foreach (1 .. 10)
{
	$status = owner($code);
	last if $status eq 'throttled';
}
is($status, 'throttled', 'control: codes are throttled');
owner("SELECT auth.disable_totp('$user'); SELECT auth.enroll_totp('$user')");
is(owner("SELECT status FROM auth.confirm_totp('$user', 'x')"), 'invalid_credentials', 'a new factor starts without failures');
owner("SELECT auth.disable_totp('$user')");

# an address is the same however it is written
foreach my $spelling ("' ann\@example.com'", "'ANN\@EXAMPLE.COM'", "repeat(' ', 991) || 'ann\@example.com'", "repeat(' ', 995) || 'ann\@example.com'")
{
	$status = owner("SELECT status FROM auth.login($spelling, 'wrong')");
}
is(owner($login), 'throttled', 'failures under four spellings of an address are failures of one');

# a parallel plan while revocations come in
my ($in, $out, $err) = ('', '', '');
my $bob = register($node, 'bob@example.com');
my ($access) = login_tokens($node, 'bob@example.com');
$node->safe_psql('aisales_app', 'SELECT dualdb.sync()');
my $force = $node->pg_version < 16 ? 'force_parallel_mode' : 'debug_parallel_query';
my $touch = "\\! psql -Xq -d '" . $node->connstr('aisales_app')
  . "' -c \"INSERT INTO dualdb.revocations (kind, id, expires_at) VALUES ('session', 'other', now() + interval '1 hour')\"";
is((psql_as($node, 'aisales_app', 'app_login',
	"SELECT dualdb.authenticate_session('$access') \\g /dev/null\nSET $force = on;\n$touch\nSELECT dualdb.user_id(), count(*) FROM pg_class WHERE relname = 'pg_class'"))[1],
	"$bob|1", 'an identity in a parallel plan after a revocation of somebody else');

done_testing();
