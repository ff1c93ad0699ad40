# Deactivating, exporting and erasing users, purging, keys, and the audit log.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = auth_app_cluster('main',
	conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\n");
my $password = $DualDB::Test::PASSWORD;
my $superuser = getpwuid($<);

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
sub good_in { return $node->safe_psql($_[0], "SELECT dualdb.jwt_verify('$_[1]') ->> 'iss'"); }
sub refused_in
{
	my ($database, $token, $name) = @_;
	return error_is($node, $database, $superuser, "SELECT dualdb.jwt_verify('$token')",
		qr/^28000: token is not valid$/, $name);
}
sub events
{
	my ($condition) = @_;
	return owner("SELECT FROM auth.flush() \\g /dev/null
		SELECT count(*) FROM auth.audit_log WHERE $condition");
}

my $ann = register($node, 'ann@example.com', 'Ann');
my $bob = register($node, 'bob@example.com', 'Bob');

# set_user_active
my ($access, $refresh) = login_tokens($node, 'ann@example.com');
my ($bobs, $bobs_refresh) = login_tokens($node, 'bob@example.com');
my ($key_id, $key) = split /\|/, service("SELECT key_id, api_key FROM auth.create_api_key('$ann', 'key', '{}')");
my $exchanged = service("SELECT access_token FROM auth.exchange_api_key('$key')");
my $reset = service("SELECT token FROM auth.request_password_reset('ann\@example.com')");
app('SELECT dualdb.sync()');
is(good_in('aisales_app', $_), 'aisales_auth', 'a token before') foreach $access, $exchanged;
is(status_of("set_user_active('$ann', NULL)"), 'invalid_argument', 'neither active nor not is no state');
is(owner("SELECT is_active FROM auth.users WHERE id = '$ann'"), 't', 'the user is still active');
is(events("user_id = '$ann' AND event = 'user_deactivated'"), '0', 'and not logged as something else');
is(status_of("set_user_active('$ann', false)"), 'ok', 'a user is deactivated');
is(status_of("refresh('$refresh')"), 'revoked', 'the sessions end');
is(owner("SELECT end_reason FROM auth.sessions WHERE user_id = '$ann'"), 'deactivated', 'for that reason');
refused_in('aisales_auth', $_, 'access tokens are refused at once in auth') foreach $access, $exchanged;
is(status_of("verify_api_key('$key')"), 'revoked', 'API keys, too');
is(status_of("reset_password('$reset', '$password')"), 'invalid_credentials', 'and one-time tokens');
is(status_of("login('ann\@example.com', '$password')"), 'invalid_credentials', 'there is no login');
app('SELECT dualdb.sync()');
refused_in('aisales_app', $_, 'in app after a sync') foreach $access, $exchanged;
is(app("SELECT is_active FROM app.users WHERE id = '$ann'"), 'f', 'which knows the user as inactive');
is(status_of("refresh('$bobs_refresh')"), 'ok', 'others go on');
is(status_of("set_user_active('$ann', true)"), 'ok', 'activated');
is(status_of("refresh('$refresh')"), 'revoked', 'what has ended stays ended');
refused_in('aisales_auth', $access, 'and refused');
is(status_of("login('ann\@example.com', '$password', '192.0.2.77', 'agent')"), 'ok', 'a login is possible again');
is(status_of("set_user_active('nobody', $_)"), 'not_found', "nobody: $_") foreach 'true', 'false';
is(events("user_id = '$ann' AND event = 'user_activated'"), '1', 'which is logged');

# export_user
service("SELECT FROM auth.create_role('seller', '{orders:read}')");
service("SELECT FROM auth.grant_role('$ann', 'seller')");
my $secret = service("SELECT secret FROM auth.enroll_totp('$ann')");
my $token = service("SELECT token FROM auth.request_email_verification('$ann')");
is(service("SELECT status, data -> 'user' ->> 'email', data -> 'user' ->> 'display_name', data -> 'roles',
	jsonb_array_length(data -> 'sessions'), data -> 'api_keys' -> 0 ->> 'name', data -> 'second_factor',
	jsonb_array_length(data -> 'events') > 3 FROM auth.export_user('$ann')"),
	'ok|ann@example.com|Ann|["seller"]|2|key|false|t', 'what is stored about a user');
my $export = service("SELECT data FROM auth.export_user('$ann')");
unlike($export, qr/\Q$_\E/, "no secret: $_")
  foreach '$argon2', 'hash', 'secret', 'sealed', $secret, $token, $key, 'ddbr_', $bob, 'bob@';
foreach my $stored (split /\n/, owner(qq{
	SELECT encode(token_hash, 'hex') FROM auth.refresh_tokens UNION ALL
	SELECT encode(token_hash, 'hex') FROM auth.one_time_tokens UNION ALL
	SELECT encode(secret_hash, 'hex') FROM auth.api_keys UNION ALL
	SELECT encode(sealed_secret, 'hex') FROM auth.totp_factors UNION ALL
	SELECT password_hash FROM auth.users WHERE password_hash IS NOT NULL}))
{
	unlike($export, qr/\Q$stored\E/, 'nor a hash or sealed value');
}
is(service("SELECT * FROM auth.export_user('nobody')"), 'not_found|', 'of nobody');

# erase_user; the worker is kept from writing, so that a refusal is still under way
($access) = login_tokens($node, 'ann@example.com');
my $counts = owner("BEGIN; SELECT FROM pg_advisory_xact_lock(hashtext('auth.flush')) \\g /dev/null
	SELECT FROM auth.login('ann\@example.com', 'wrong', '192.0.2.78', 'agent') \\g /dev/null
	SELECT status, sessions, api_keys, events > 3 FROM auth.erase_user('$ann'); COMMIT");
is($counts, 'ok|3|1|t', 'a user is erased');
is(owner("SELECT count(*) FROM auth.$_ WHERE user_id = '$ann'"), '0', "nothing is left in $_")
  foreach qw(sessions api_keys one_time_tokens totp_factors recovery_codes user_roles);
is(owner("SELECT count(*) FROM auth.users WHERE id = '$ann'"), '0', 'nor in users');
is(status_of("login('ann\@example.com', '$password')"), 'invalid_credentials', 'there is no login');
refused_in('aisales_auth', $access, 'the token is refused');
is(good_in('aisales_app', $access), 'aisales_auth', 'in app not yet');
app('SELECT dualdb.sync()');
refused_in('aisales_app', $access, 'but after a sync');
is(app("SELECT * FROM app.users WHERE id = '$ann'"), "$ann|||f", 'which leaves an id there');
cmp_ok(events("user_id = '$ann'"), '>', 5, 'what happened stays in the log');
is(events("user_id = '$ann' AND event = 'user_deleted'"), '1', 'with the erasure');
is(events("user_id = '$ann' AND (ip IS NOT NULL OR user_agent IS NOT NULL)"), '0', 'without from where, also for what was under way');
is(service("SELECT * FROM auth.erase_user('$ann')"), 'not_found|||', 'once');
is(status_of("export_user('$bob')"), 'ok', 'others stay');
isnt(register($node, 'ann@example.com', 'Ann'), $ann, 'the address is free again');

# purge_expired
$refresh = (login_tokens($node, 'bob@example.com'))[1];
owner('DELETE FROM dualdb.revocations; DELETE FROM auth.one_time_tokens; DELETE FROM auth.sessions WHERE ended_at IS NOT NULL');
my $revoked_kid = owner("SELECT kid FROM auth.signing_keys WHERE status = 'active'");
owner("INSERT INTO auth.sessions (id, user_id, expires_at, ended_at, end_reason) VALUES
	('gone', '$bob', now() - interval '1 s', NULL, NULL), ('long ended', '$bob', now() + interval '1 day', now() - interval '25 h', 'logout'),
	('kept: just ended', '$bob', now() + interval '1 day', now() - interval '23 h', 'logout')");
owner("INSERT INTO auth.one_time_tokens (id, user_id, purpose, token_hash, email_norm, expires_at) VALUES
	('gone', '$bob', 'email', sha256('1'), 'x', now()), ('kept', '$bob', 'email', sha256('2'), 'x', now() + interval '1 h')");
owner("INSERT INTO auth.refresh_tokens (id, session_id, token_hash, expires_at) VALUES ('gone', 'kept: just ended', sha256('1'), now()),
	('kept', 'kept: just ended', sha256('2'), now() + interval '1 h')");
owner("INSERT INTO auth.api_keys (id, user_id, name, secret_hash, scopes, expires_at, revoked_at) VALUES
	('gone', '$bob', 'x', sha256('1'), '{}', now() - interval '91 d', NULL), ('gone too', '$bob', 'x', sha256('1'), '{}', NULL, now() - interval '91 d'),
	('kept', '$bob', 'x', sha256('1'), '{}', now() - interval '89 d', NULL), ('kept too', '$bob', 'x', sha256('1'), '{}', NULL, NULL)");
owner("DELETE FROM auth.login_failures; INSERT INTO auth.login_failures VALUES (sha256('gone'), 1, 99, now() - interval '91 d'),
	(sha256('kept'), 1, 1, now() - interval '89 d'), (sha256('disabled'), 1, 100, now() - interval '91 d')");
owner("INSERT INTO dualdb.revocations (kind, id, expires_at, origin) VALUES ('session', 'gone', now(), 'local'), ('session', 'kept', now() + interval '1 h', 'local')");
is(service('SELECT * FROM auth.purge_expired(2)'), "ok|$_", "of eight, two at once: $_") foreach 2, 2, 2, 2, 0;
is(owner("SELECT count(*) FROM auth.$_ WHERE id ~ 'gone|long'"), '0', "$_: what has no effect is gone")
  foreach qw(sessions one_time_tokens refresh_tokens api_keys);
is(owner("SELECT count(*) FROM auth.$_->[0] WHERE id ~ 'kept'"), $_->[1], "$_->[0]: what has one is there")
  foreach [ 'sessions', 1 ], [ 'one_time_tokens', 1 ], [ 'refresh_tokens', 1 ], [ 'api_keys', 2 ];
is(owner("SELECT string_agg(id, ',') FROM dualdb.revocations"), 'kept', 'revocations');
is(owner("SELECT count(*) FROM auth.login_failures WHERE identifier IN (sha256('kept'), sha256('disabled'))"), '2',
	'a disabled password stays disabled');
is(status_of("refresh('$refresh')"), 'ok', 'sessions go on');
is(status_of("purge_expired($_)"), 'invalid_argument', "not so many: $_") foreach 'NULL', 0, -1;
owner("INSERT INTO auth.login_failures VALUES (sha256('gone'), 1, 99, now() - interval '91 d')");
is(owner('SET dualdb.disable_after_failures = 0; SELECT rows_deleted FROM auth.purge_expired()'), '2',
	'where nothing disables, no failure is kept for ever');

# rotate_signing_key, revoke_signing_key
($access) = login_tokens($node, 'bob@example.com');
my ($status, $active) = split /\|/, service("SELECT * FROM auth.revoke_signing_key('$revoked_kid')");
is($status, 'ok', 'the active key is revoked');
is(owner("SELECT kid FROM auth.signing_keys WHERE status = 'active'"), $active, 'and another one is active');
refused_in('aisales_auth', $access, 'its tokens are refused at once in auth');
is(good_in('aisales_app', $access), 'aisales_auth', 'in app not yet');
app('SELECT dualdb.sync()');
refused_in('aisales_app', $access, 'but after a sync');
($access) = login_tokens($node, 'bob@example.com');
is(good_in('aisales_app', $access), 'aisales_auth', 'those of the other one are good');
is(status_of("revoke_signing_key('$_')"), 'not_found', "no key: $_") foreach $revoked_kid, 'nothing', '';
my (undef, $rotated) = split /\|/, service('SELECT * FROM auth.rotate_signing_key()');
is(good_in('aisales_auth', $access), 'aisales_auth', 'a retired key is still trusted');
is(service("SELECT * FROM auth.revoke_signing_key('$active')"), "ok|$rotated", 'until it is revoked');
refused_in('aisales_auth', $access, 'and then it is not');
my $next = owner("SELECT kid FROM auth.signing_keys WHERE status = 'next'");
is(service("SELECT * FROM auth.revoke_signing_key('$next')"), "ok|$rotated", 'the next key is revoked');
is(owner("SELECT count(*) FROM auth.signing_keys WHERE status = 'next' AND kid <> '$next'"), '1', 'and replaced');
is(owner("SELECT count(*) FROM auth.signing_keys WHERE status = 'revoked' AND sealed_key IS NULL"), '3', 'private keys are wiped');
is(events("event = 'signing_key_revoked'"), '3', 'revocations are logged');
cmp_ok(events("object_id = '$rotated'"), '>=', 1, 'and rotations');

# the log is not the service's
error_is($node, 'aisales_auth', 'auth_login', $_, qr/^42501: permission denied/, "not for the service: $_")
  foreach 'SELECT FROM auth.audit_log', 'DELETE FROM auth.audit_log', "UPDATE auth.audit_log SET event = 'x'",
  "INSERT INTO auth.audit_log (event) VALUES ('x')", 'TRUNCATE auth.audit_log', 'DELETE FROM auth.audit_log_default',
  "SELECT auth.record_event('x', 'y')";
like(owner('SELECT count(*) FROM auth.audit_log'), qr/^[1-9]/, 'which has something to read');

done_testing();
