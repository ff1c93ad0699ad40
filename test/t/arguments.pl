# Every function of the API with NULL, nothing and a megabyte in each place: a
# status, never an error.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use Test::More;

my $node = new_cluster('main',
	# after a crash the tests of other files are still to run
	conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\nrestart_after_crash = on\n");
set_up_auth($node);
my $password = "'$DualDB::Test::PASSWORD'";

sub service
{
	my ($sql) = @_;
	my ($status, $out, $err) = psql_as($node, 'aisales_auth', 'auth_login', $sql);
	return $status == 0 ? $out : "exit $status: $err";
}

my $user = "'" . register($node, 'ann@example.com', 'Ann') . "'";
my $key = "'" . service("SELECT api_key FROM auth.create_api_key($user, 'key', '{}')") . "'";
is(service("SELECT status FROM auth.verify_api_key($key)"), 'ok', 'the key is good');
is(service("SELECT status FROM auth.login('ann\@example.com', $password)"), 'ok', 'the user logs in');

# X stands for the argument; the statuses are those for NULL, '' and a megabyte
my $no = 'invalid_credentials';
my @cases = (
	[ "register_user(X, $password)", ('invalid_email') x 3 ],
	[ "register_user('b' || random() || '\@example.com', X)", ('weak_password') x 3 ],
	[ "register_user('b' || random() || '\@example.com', $password, X)", ('ok') x 3 ],
	[ "login(X, $password)", ($no) x 3 ],
	[ "login('ann\@example.com', X)", ($no) x 3 ],
	[ "login('ann\@example.com', $password, user_agent => X)", ('ok') x 3 ],
	[ 'refresh(X)', ($no) x 3 ],
	[ "refresh('x', user_agent => X)", ($no) x 3 ],
	[ 'logout(X)', ($no) x 3 ],
	[ 'list_sessions(X)', ('') x 3 ],
	[ 'revoke_session(X)', ('not_found') x 3 ],
	[ 'change_password(X, \'x\', \'x\')', ($no) x 3 ],
	[ "change_password($user, X, 'a new password, long')", ($no) x 3 ],
	[ "change_password($user, $password, X)", ('weak_password') x 3 ],
	[ 'request_password_reset(X)', ('ok') x 3 ],
	[ "reset_password(X, $password)", ($no) x 3 ],
	[ "reset_password('x', X)", ($no) x 3 ],
	[ 'request_email_verification(X)', ('not_found') x 3 ],
	[ 'verify_email(X)', ($no) x 3 ],
	[ "create_api_key(X, 'x', '{}')", ('not_found') x 3 ],
	[ "create_api_key($user, X, '{}')", ('invalid_argument') x 3 ],
	[ "create_api_key($user, 'x', ARRAY[X])", ('invalid_argument') x 3 ],
	[ 'verify_api_key(X)', ($no) x 3 ],
	[ 'exchange_api_key(X)', ($no) x 3 ],
	[ 'rotate_api_key(X)', ('not_found') x 3 ],
	[ 'revoke_api_key(X)', ('not_found') x 3 ],
	[ "create_role(X, '{}')", ('invalid_argument') x 3 ],
	[ "create_role('x', ARRAY[X])", ('invalid_argument') x 3 ],
	[ "grant_role(X, 'x')", ('not_found') x 3 ],
	[ "grant_role($user, X)", ('not_found') x 3 ],
	[ "revoke_role(X, 'x')", ('not_found') x 3 ],
	[ "revoke_role($user, X)", ('not_found') x 3 ],
	[ 'enroll_totp(X)', ('not_found') x 3 ],
	[ 'login_totp(X, \'000000\')', ($no) x 3 ],
	[ 'login_totp(\'x\', X)', ($no) x 3 ],
	[ "login_totp('x', '000000', user_agent => X)", ($no) x 3 ],
	[ 'disable_totp(X)', ('not_found') x 3 ],
	[ 'recovery_codes(X)', ('not_found') x 3 ],
	[ 'set_user_active(X, true)', ('not_found') x 3 ],
	[ 'set_user_active(X, false)', ('not_found') x 3 ],
	[ 'export_user(X)', ('not_found') x 3 ],
	[ 'erase_user(X)', ('not_found') x 3 ],
	[ 'revoke_signing_key(X)', ('not_found') x 3 ],
	[ "confirm_totp($user, X)", ($no) x 3 ]);
my $unknown_user = [ "confirm_totp(X, '000000')", ($no) x 3 ];
my @arguments = ('NULL', "''", "repeat('x', 1000000)");

sub check
{
	my ($case, $n) = @_;
	my ($call, @expected) = @$case;

	# typed, as a driver sends it
	$call =~ s/\bX\b/$arguments[$n]::text/;
	is(service("SELECT status FROM auth.$call"), $expected[$n], $call);
	return;
}
foreach my $case (@cases)
{
	check($case, $_) foreach 0 .. 2;
}

# an audience is whatever the caller says, but what is none gives no token
is(service("SELECT status FROM auth.exchange_api_key($key, $_)"), 'ok', "audience: $_")
  foreach 'NULL', "'other'";
unlike(service("SELECT status FROM auth.exchange_api_key($key, $_)"), qr/^exit/, "audience: $_")
  foreach "''", "repeat('x', 1000000)";

# what is no text
is(service("SELECT status FROM auth.purge_expired($_)"), 'invalid_argument', "purge $_")
  foreach 'NULL', '0', '-1';
is(service('SELECT status FROM auth.purge_expired()'), 'ok', 'purge');
is(service("SELECT auth.has_permission(${_}::text, 'x')"), 'f', "may $_") foreach @arguments;
is(service("SELECT auth.has_permission($user, ${_}::text)"), 'f', "may do $_") foreach @arguments;

# every function of the API is in the list
is(service('SELECT status FROM auth.rotate_signing_key()'), 'ok', 'rotate');
my $listed = join ' ', 'rotate_signing_key', 'purge_expired', 'has_permission',
  map { $_->[0] =~ /^(\w+)/ } @cases;
foreach my $name (split /\n/, $node->safe_psql('aisales_auth', q{
	SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'auth'::regnamespace
		AND has_function_privilege('auth_login', oid, 'EXECUTE') ORDER BY proname}))
{
	like(" $listed ", qr/ $name /, "$name has been called");
}

# more permissions than a token can hold: a login still gives a status
my $many = "ARRAY(SELECT repeat('x', 190) || n FROM generate_series(1, 60) n)";
is(service("SELECT status FROM auth.create_api_key($user, 'many', $many)"), 'invalid_argument', 'no key for so many');
my $role = service("SELECT status FROM auth.create_role('many', $many)");
like($role, qr/^(ok|invalid_argument)$/, 'a role of many');
if ($role eq 'ok')
{
	is(service("SELECT status FROM auth.grant_role($user, 'many')"), 'ok', 'is granted');
	unlike(service("SELECT status FROM auth.login('ann\@example.com', $password)"), qr/^exit/, 'and its user logs in or is refused');
	is(service("SELECT status FROM auth.revoke_role($user, 'many')"), 'ok', 'is taken away');
}
is(service("SELECT status FROM auth.login('ann\@example.com', $password)"), 'ok', 'a user without it logs in');

# last, because the server must live through it
check($unknown_user, $_) foreach 1, 2, 0;
is(service('SELECT 1'), '1', 'the server is there');

done_testing();
