# Passwords, addresses and sessions of users: every status.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = auth_app_cluster('main',
	conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\n");
my $old = $DualDB::Test::PASSWORD;
my $new = 'another password entirely';

# everything as the role that an application has
sub service
{
	my ($sql) = @_;
	my ($status, $out, $err) = psql_as($node, 'aisales_auth', 'auth_login', $sql);
	is($status, 0, 'no error') or diag "$sql\n$err";
	return $out;
}
sub owner { return $node->safe_psql('aisales_auth', shift); }
sub app { return $node->safe_psql('aisales_app', shift); }
sub status_of { return service("SELECT status FROM auth.$_[0]"); }
sub token_of { return service("SELECT token FROM auth.$_[0]"); }
sub login_is
{
	my ($email, $password, $expected, $name) = @_;
	return is(status_of("login('$email', $password)"), $expected, $name);
}
# how many events of a kind a user has, refusals written down
sub events
{
	my ($user, $event) = @_;
	return owner("SELECT FROM auth.flush() \\g /dev/null
		SELECT count(*) FROM auth.audit_log WHERE user_id = '$user' AND event = '$event'");
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
sub refused_in
{
	my ($database, $role, $token, $name) = @_;
	return error_is($node, $database, $role, "SELECT dualdb.jwt_verify('$token')",
		qr/^28000: token is not valid$/, $name);
}

my $ann = register($node, 'ann@example.com', 'Ann');
my $bob = register($node, 'bob@example.com', 'Bob');
is(events($ann, 'user_created'), '1', 'a registration is logged');

# change_password
my ($access, $refresh) = login_tokens($node, 'ann@example.com');
my (undef, $second) = login_tokens($node, 'ann@example.com');
my (undef, $bobs) = login_tokens($node, 'bob@example.com');
is(service("SELECT dualdb.jwt_verify('$access') ->> 'sub'"), $ann, 'an access token before the change');
is(status_of("change_password('$ann', 'wrong', '$new')"), 'invalid_credentials', 'with a wrong old password');
is(status_of("change_password('nobody', '$old', '$new')"), 'invalid_credentials', 'of nobody');
is(status_of("change_password('$ann', '$old', 'too short')"), 'weak_password', 'to a short one');
is(status_of("change_password('$ann', '$old', NULL)"), 'weak_password', 'to none');
is(owner("SELECT count(*) FROM auth.sessions WHERE ended_at IS NOT NULL"), '0', 'a refused change ends no session');
login_is('ann@example.com', "'$old'", 'ok', 'and the password is what it was');
is(status_of("change_password('$ann', '$old', '$new')"), 'ok', 'a password is changed');
login_is('ann@example.com', "'$old'", 'invalid_credentials', 'the old one is refused');
login_is('ann@example.com', "'$new'", 'ok', 'the new one is not');
is(status_of("refresh('$_')"), 'revoked', 'every session has ended') foreach $refresh, $second;
is(status_of("refresh('$bobs')"), 'ok', 'nobody else\'s has');
refused_in('aisales_auth', 'auth_login', $access, 'and so have the access tokens');
is(events($ann, 'authn_password_change'), '1', 'the change is logged');
is(events($ann, 'authn_password_change_fail'), '1', 'and the attempt with a wrong password');
owner("UPDATE auth.users SET is_active = false WHERE id = '$ann'");
is(status_of("change_password('$ann', '$new', '$old')"), 'invalid_credentials', 'not when inactive');
owner("UPDATE auth.users SET is_active = true WHERE id = '$ann'");
is(status_of("change_password('$ann', '$new', '$old')"), 'ok', 'and when active again');

# guesses of the old password are throttled like logins, together with them
failures_lock(2);
status_of("change_password('$bob', 'wrong', '$new')") foreach 1 .. 2;
is(status_of("change_password('$bob', '$old', '$new')"), 'throttled', 'after two wrong ones a change must wait');
is(status_of("login('bob\@example.com', '$old')"), 'throttled', 'and a login, too');
failures_lock(10);
owner("DELETE FROM auth.login_failures; SELECT auth.clear_failures(auth.login_identifier('bob\@example.com'))");

# request_password_reset, reset_password
is(service('SELECT * FROM auth.request_password_reset(' . $_ . ')'), 'ok|', "nothing is sent: $_")
  foreach "'nobody\@example.com'", 'NULL', "''";
my $first = token_of("request_password_reset(' ANN\@example.com ')");
like($first, qr/^ddbo_/, 'a token for a known address');
is(owner("SELECT count(*) FROM auth.one_time_tokens WHERE encode(token_hash, 'escape') LIKE '%ddbo%'
	OR id LIKE 'ddbo%'"), '0', 'which is not stored');
is(owner("SELECT expires_at - now() BETWEEN interval '59 min' AND interval '61 min' FROM auth.one_time_tokens"),
	't', 'and is good for an hour');
my $reset = token_of("request_password_reset('ann\@example.com')");
is(status_of("reset_password('$first', '$new')"), 'invalid_credentials', 'a newer token voids it');
is(status_of("reset_password('$reset', 'too short')"), 'weak_password', 'a weak password');
(undef, $refresh) = login_tokens($node, 'ann@example.com');
is(status_of("reset_password('$reset', '$new')"), 'ok', 'does not use the token up');
is(status_of("reset_password('$reset', '$new')"), 'invalid_credentials', 'which is used once');
is(status_of("refresh('$refresh')"), 'revoked', 'a reset ends all sessions');
login_is('ann@example.com', "'$old'", 'invalid_credentials', 'the old password is refused');
login_is('ann@example.com', "'$new'", 'ok', 'the new one is not');
is(status_of("reset_password($_, '$new')"), 'invalid_credentials', "no token: $_")
  foreach 'NULL', "''", "'ddbo_x'", "'${reset}x'", "'$refresh'";
is(events($ann, 'authn_password_reset_request'), '2', 'requests are logged');
$reset = token_of("request_password_reset('ann\@example.com')");
owner('UPDATE auth.one_time_tokens SET expires_at = clock_timestamp()');
is(status_of("reset_password('$reset', '$old')"), 'expired', 'an expired token');
owner("UPDATE auth.one_time_tokens SET expires_at = clock_timestamp() + interval '1 minute'");
owner("UPDATE auth.users SET email = 'ann2\@example.com' WHERE id = '$ann'");
is(status_of("reset_password('$reset', '$old')"), 'invalid_credentials', 'void when the address is another');
owner("UPDATE auth.users SET email = 'ann\@example.com' WHERE id = '$ann'");
owner("UPDATE auth.users SET is_active = false WHERE id = '$ann'");
is(status_of("reset_password('$reset', '$old')"), 'invalid_credentials', 'void when the user is inactive');
is(service("SELECT * FROM auth.request_password_reset('ann\@example.com')"), 'ok|', 'who gets no token either');
is(service("SELECT * FROM auth.request_email_verification('$ann')"), 'not_found|', 'of no kind');
owner("UPDATE auth.users SET is_active = true WHERE id = '$ann'");
my $email = token_of("request_email_verification('$ann')");
is(status_of("reset_password('$email', '$old')"), 'invalid_credentials', 'a token for an address resets nothing');
is(service("SELECT * FROM auth.verify_email('$reset')"), 'invalid_credentials|', 'and the other way round');
is(status_of("reset_password('$reset', '$old')"), 'ok', 'while each is good for its purpose');

# a reset is the way out of a lock
failures_lock(2);
status_of("login('ann\@example.com', 'wrong')") foreach 1 .. 2;
is(status_of("login('ann\@example.com', '$old')"), 'throttled', 'after two wrong ones a login must wait');
$reset = token_of("request_password_reset('ann\@example.com')");
is(status_of("reset_password('$reset', '$new')"), 'ok', 'a reset does not');
login_is('ann@example.com', "'$new'", 'ok', 'and ends the wait');
failures_lock(10);

# request_email_verification, verify_email
is(owner("SELECT email_verified_at IS NULL FROM auth.users WHERE id = '$ann'"), 't', 'not verified so far');
is(service("SELECT * FROM auth.verify_email('$email')"), "ok|$ann", 'an address is verified');
is(owner("SELECT email_verified_at IS NOT NULL FROM auth.users WHERE id = '$ann'"), 't', 'which is noted');
is(service("SELECT * FROM auth.verify_email('$email')"), 'invalid_credentials|', 'once');
is(events($ann, 'user_email_verified'), '1', 'and logged');
is(service("SELECT * FROM auth.request_email_verification('nobody')"), 'not_found|', 'of nobody');
$email = token_of("request_email_verification('$ann')");
my $newest = token_of("request_email_verification('$ann')");
is(status_of("verify_email('$email')"), 'invalid_credentials', 'a newer token voids it');
owner("UPDATE auth.users SET email = 'ann2\@example.com' WHERE id = '$ann'");
is(status_of("verify_email('$newest')"), 'invalid_credentials', 'a token verifies the address that it was sent to');
owner("UPDATE auth.users SET email = 'ann\@example.com' WHERE id = '$ann'");
owner('UPDATE auth.one_time_tokens SET expires_at = clock_timestamp()');
is(status_of("verify_email('$newest')"), 'expired', 'and expires');

# list_sessions, revoke_session
owner('DELETE FROM auth.sessions');
my $row = service("SELECT session_id, access_token, refresh_token
	FROM auth.login('ann\@example.com', '$new', '192.0.2.1', 'one')");
my ($session, $theirs, $their_refresh) = split /\|/, $row;
service("SELECT FROM auth.login('ann\@example.com', '$new', '2001:db8::1', 'two')");
service("SELECT FROM auth.login('bob\@example.com', '$old')");
is(service("SELECT status, ip, user_agent FROM auth.list_sessions('$ann')"),
	"ok|2001:db8::1|two\nok|192.0.2.1|one", 'the sessions of a user, the last one first');
is(service("SELECT * FROM auth.list_sessions('nobody')"), '', 'of nobody there are none');
is(status_of("revoke_session('$session')"), 'ok', 'one is ended');
is(status_of("revoke_session('$session')"), 'not_found', 'once');
is(status_of("revoke_session('nothing')"), 'not_found', 'and no other');
is(service("SELECT user_agent FROM auth.list_sessions('$ann')"), 'two', 'the other one is left');
is(status_of("refresh('$their_refresh')"), 'revoked', 'its refresh token is refused');
refused_in('aisales_auth', 'auth_login', $theirs, 'its access token at once in auth');
is(app("SELECT dualdb.jwt_verify('$theirs') ->> 'sub'"), $ann, 'in app not yet');
app('SELECT dualdb.sync()');
refused_in('aisales_app', scalar getpwuid($<), $theirs, 'but after a sync');
is(events($ann, 'session_revoked'), '1', 'which is logged');
owner("UPDATE auth.sessions SET expires_at = now() WHERE user_id = '$ann'");
is(service("SELECT * FROM auth.list_sessions('$ann')"), '', 'an expired one is no live one');

# the rest of the log
my (undef, $last) = split /\|/, service("SELECT status, refresh_token FROM auth.login('ann\@example.com', '$new')");
is(status_of("logout('$last')"), 'ok', 'a logout');
is(events($ann, 'session_logout'), '1', 'is logged');
cmp_ok(events($ann, $_), '>=', 1, "as is $_")
  foreach 'authn_login_success', 'authn_login_fail', 'authn_login_lock';

done_testing();
