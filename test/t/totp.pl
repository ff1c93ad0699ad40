# The second factor: enrolment, logins in two steps, recovery codes.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use Test::More;

my $node = new_cluster('main',
	conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\n");
set_up_auth($node);
my $password = $DualDB::Test::PASSWORD;

sub service
{
	my ($sql) = @_;
	my ($status, $out, $err) = psql_as($node, 'aisales_auth', 'auth_login', $sql);
	is($status, 0, 'no error') or diag "$sql\n$err";
	return $out;
}
sub owner { return $node->safe_psql('aisales_auth', shift); }
sub status_of { return service("SELECT status FROM auth.$_[0]"); }

# a code that is not one of now's
sub wrong_code
{
	my ($secret) = @_;
	my %right = map { (totp_code($secret, $_) => 1) } -2 .. 2;

	return (grep { !$right{$_} } '000000' .. '000009')[0];
}
sub challenge { return service("SELECT challenge FROM auth.login('$_[0]', '$password')"); }
# as if the last code had been typed long ago
sub time_passes { return owner('UPDATE auth.totp_factors SET last_step = 0'); }
# as if the last failure had been long ago
sub forget_failures
{
	return owner("SELECT auth.clear_failures(dualdb.hash_token('totp', id)) FROM auth.users");
}
# how many failures lock, for sessions from now on
sub failures_lock
{
	my ($n) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET dualdb.max_login_failures = $n");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('dualdb.max_login_failures') = '$n'")
	  or die 'the setting does not arrive';
	return;
}
sub events
{
	my ($user, $event) = @_;
	return owner("SELECT FROM auth.flush() \\g /dev/null
		SELECT count(*) FROM auth.audit_log WHERE user_id = '$user' AND event = '$event'");
}

my $ann = register($node, 'ann+x@example.com', 'Ann');
my $bob = register($node, 'bob@example.com', 'Bob');

# enroll_totp
my ($status, $secret, $uri) = split /\|/, service("SELECT * FROM auth.enroll_totp('$ann')");
is($status, 'ok', 'a secret is made');
like($secret, qr/^[A-Z2-7]{32}$/, 'of 160 bits, in base32');
is($uri, "otpauth://totp/aisales_auth:ann%2Bx%40example.com?secret=$secret&issuer=aisales_auth",
	'with a URI for authenticators');
is(service("SELECT * FROM auth.enroll_totp('nobody')"), 'not_found||', 'none for nobody');
is(owner("SELECT octet_length(sealed_secret) > 20 AND position('$secret'::bytea IN sealed_secret) = 0
	FROM auth.totp_factors"), 't', 'it is stored sealed');
is(status_of("login('ann+x\@example.com', '$password')"), 'ok', 'not confirmed, it is asked at no login');
is(status_of("recovery_codes('$ann')"), 'not_found', 'and there are no recovery codes');
(undef, my $later) = split /\|/, service("SELECT * FROM auth.enroll_totp('$ann')");
isnt($later, $secret, 'another attempt gives another secret');

# confirm_totp
is(status_of("confirm_totp('$ann', '" . wrong_code($later) . "')"), 'invalid_credentials', 'a wrong code confirms nothing');
is(status_of("confirm_totp('$ann', '" . totp_code($secret) . "')"), 'invalid_credentials', 'nor does one of the secret before');
$secret = $later;
is(status_of("confirm_totp('$bob', '" . totp_code($secret) . "')"), 'invalid_credentials', 'nor one of somebody else');
is(status_of("confirm_totp('nobody', '000000')"), 'invalid_credentials', 'nor does nobody');
is(status_of("confirm_totp('$ann', '$_')"), 'invalid_credentials', "nor what is no code: $_") foreach '', '12345', 'abcdef';
my $used = totp_code($secret);
is(status_of("confirm_totp('$ann', '$used')"), 'ok', 'a right one does');
is(status_of("confirm_totp('$ann', '" . totp_code($secret, 1) . "')"), 'invalid_credentials', 'once');
is(events($ann, 'authn_factor_added'), '1', 'which is logged');
is(status_of("enroll_totp('$ann')"), 'not_found', 'who has a factor does not get another');

# login, login_totp
forget_failures();
my $row = service("SELECT status, user_id, session_id, access_token, refresh_token, expires_at, retry_after,
	challenge ~ '^ddbo_' FROM auth.login('ann+x\@example.com', '$password')");
is($row, "mfa_required|$ann||||||t", 'a password gives no session but a challenge');
is(status_of("login('ann+x\@example.com', 'wrong')"), 'invalid_credentials', 'a wrong one neither');
is(status_of("login('bob\@example.com', '$password')"), 'ok', 'others are not asked');
my $challenge = challenge('ann+x@example.com');
is(status_of("login_totp('$challenge', '$used')"), 'invalid_credentials', 'a code that has been used is refused');
my $next = totp_code($secret, 1);
$row = service("SELECT status, user_id, access_token, refresh_token ~ '^ddbr_', challenge
	FROM auth.login_totp('$challenge', '$next', '192.0.2.1', 'test')");
my ($outcome, $user, $access, $rest) = split /\|/, $row, 4;
is("$outcome|$user|$rest", "ok|$ann|t|", 'the next code opens a session');
is(service("SELECT dualdb.jwt_verify('$access') -> 'amr'"), '["pwd", "otp"]', 'whose token names both factors');
my (undef, $plain) = split /\|/, service("SELECT status, access_token FROM auth.login('bob\@example.com', '$password')");
is(service("SELECT dualdb.jwt_verify('$plain') -> 'amr'"), '["pwd"]', 'one of a password names that');
is(owner("SELECT ip, user_agent FROM auth.sessions WHERE amr = '{pwd,otp}'"), '192.0.2.1|test', 'from where it was opened');
time_passes();
is(status_of("login_totp('$challenge', '$next')"), 'invalid_credentials', 'a challenge is used once');
$challenge = challenge('ann+x@example.com');
is(status_of("login_totp('$challenge', '" . totp_code($secret) . "')"), 'ok', 'a new one is good');
is(status_of("login_totp($_, '000000')"), 'invalid_credentials', "no challenge: $_")
  foreach 'NULL', "''", "'ddbo_x'", "'${challenge}x'";
my $reset = service("SELECT token FROM auth.request_password_reset('ann+x\@example.com')");
is(status_of("login_totp('$reset', '" . totp_code($secret, 1) . "')"), 'invalid_credentials', 'a reset token is none');

# two logins under way
time_passes();
my ($one, $two) = map { challenge('ann+x@example.com') } 1, 2;
is(status_of("login_totp('$one', '" . totp_code($secret) . "')"), 'ok', 'the first of two challenges');
is(status_of("login_totp('$two', '" . totp_code($secret, 1) . "')"), 'ok', 'does not void the other');
$challenge = challenge('ann+x@example.com');
owner('UPDATE auth.one_time_tokens SET expires_at = clock_timestamp()');
time_passes();
is(status_of("login_totp('$challenge', '" . totp_code($secret) . "')"), 'expired', 'a challenge expires');
$challenge = challenge('ann+x@example.com');
is(owner("SELECT expires_at - now() BETWEEN interval '4 min' AND interval '5 min' FROM auth.one_time_tokens
	WHERE purpose = 'mfa' AND used_at IS NULL AND expires_at > now()"), 't', 'after five minutes');
owner("UPDATE auth.users SET is_active = false WHERE id = '$ann'");
is(status_of("login_totp('$challenge', '" . totp_code($secret) . "')"), 'invalid_credentials', 'not of an inactive user');
is(status_of("enroll_totp('$ann')"), 'not_found', 'who gets no secret either');
owner("UPDATE auth.users SET is_active = true WHERE id = '$ann'");

# somebody else's challenge and code
my (undef, $bobs) = split /\|/, service("SELECT * FROM auth.enroll_totp('$bob')");
is(status_of("confirm_totp('$bob', '" . totp_code($bobs) . "')"), 'ok', 'another user has a factor');
my $bobs_challenge = challenge('bob@example.com');
is(status_of("login_totp('$bobs_challenge', '" . totp_code($secret) . "')"), 'invalid_credentials', 'with other codes');
is(status_of("login_totp('$challenge', '" . totp_code($bobs, 1) . "')"), 'invalid_credentials', 'in both directions');
is(status_of("login_totp('$bobs_challenge', '" . totp_code($bobs, 1) . "')"), 'ok', 'that are good for their challenge');

# recovery codes
forget_failures();
sub recovery_codes { return split /,/, service("SELECT array_to_string(codes, ',') FROM auth.recovery_codes('$ann')"); }
my @codes = recovery_codes();
is(scalar(@codes), 10, 'ten recovery codes');
is(scalar(keys %{ { map { ($_ => 1) } @codes } }), 10, 'all different');
is(owner("SELECT count(*) FROM auth.recovery_codes WHERE encode(code_hash, 'escape') LIKE '%ddbc%'"), '0', 'none is stored');
is(status_of("login_totp('$challenge', '$codes[0]')"), 'ok', 'one stands in for a code');
$challenge = challenge('ann+x@example.com');
is(status_of("login_totp('$challenge', '$codes[0]')"), 'invalid_credentials', 'once');
$bobs_challenge = challenge('bob@example.com');
is(status_of("login_totp('$bobs_challenge', '$codes[1]')"), 'invalid_credentials', 'and for nobody else');
is(status_of("login_totp('$challenge', '$codes[1]')"), 'ok', 'the next one is good');
my @more = recovery_codes();
$challenge = challenge('ann+x@example.com');
is(status_of("login_totp('$challenge', '$codes[2]')"), 'invalid_credentials', 'new codes void the old ones');
is(status_of("login_totp('$challenge', '$more[9]')"), 'ok', 'and are good');
is(status_of("recovery_codes('nobody')"), 'not_found', 'nobody has none');
is(events($ann, 'authn_recovery_codes_made'), '2', 'making them is logged');

# guesses are throttled, also those that the client rolls back
$challenge = challenge('ann+x@example.com');
forget_failures();
failures_lock(2);
my $wrong = wrong_code($secret);
is(service("BEGIN; SELECT status FROM auth.login_totp('$challenge', '$wrong'); ROLLBACK"),
	'invalid_credentials', 'a wrong code') foreach 1 .. 2;
time_passes();
my $right = totp_code($secret);
like(service("SELECT status, retry_after, session_id FROM auth.login_totp('$challenge', '$right')"),
	qr/^throttled\|1[78]\d\d\|$/, 'after two even a right one must wait');
is(status_of("login_totp('$challenge', '$more[0]')"), 'throttled', 'and a recovery code, too');
is(status_of("login_totp('$bobs_challenge', '" . wrong_code($bobs) . "')"), 'invalid_credentials', 'other users do not wait');
forget_failures();
is(status_of("login_totp('$challenge', '" . totp_code($secret) . "')"), 'ok', 'then it is good');
(undef, my $pending) = split /\|/, service("SELECT * FROM auth.enroll_totp('" . register($node, 'cy@example.com') . "')");
my $cy = owner("SELECT id FROM auth.users WHERE email = 'cy\@example.com'");
status_of("confirm_totp('$cy', '" . wrong_code($pending) . "')") foreach 1 .. 6;
is(status_of("confirm_totp('$cy', '" . totp_code($pending) . "')"), 'throttled', 'confirming is throttled, too');
failures_lock(10);

# a reset of the password
$challenge = challenge('ann+x@example.com');
$reset = service("SELECT token FROM auth.request_password_reset('ann+x\@example.com')");
is(status_of("reset_password('$reset', '$password')"), 'ok', 'a new password');
time_passes();
is(status_of("login_totp('$challenge', '" . totp_code($secret) . "')"), 'invalid_credentials', 'voids challenges of the old one');
$challenge = challenge('ann+x@example.com');
is(status_of("login_totp('$challenge', '" . totp_code($secret) . "')"), 'ok', 'the factor stays');

# disable_totp
$challenge = challenge('ann+x@example.com');
is(status_of("disable_totp('$ann')"), 'ok', 'the factor is turned off');
is(status_of("disable_totp('$_')"), 'not_found', 'once') foreach $ann, 'nobody';
is(events($ann, 'authn_factor_removed'), '1', 'which is logged');
is(owner("SELECT count(*) FROM auth.recovery_codes WHERE user_id = '$ann'"), '0', 'with its recovery codes');
is(status_of("login_totp('$challenge', '" . totp_code($secret, 1) . "')"), 'invalid_credentials', 'a challenge of before is void');
is(status_of("login('ann+x\@example.com', '$password')"), 'ok', 'and a password is enough');
is(status_of("enroll_totp('$ann')"), 'ok', 'a new factor can be made');

done_testing();
