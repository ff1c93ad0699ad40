# Roles and permissions: in the auth database, in tokens, in the app database.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use Test::More;

my $node = auth_app_cluster('main',
	conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\n");
my $invalid = qr/^28000: token is not valid$/;

sub service
{
	my ($sql) = @_;
	my ($status, $out, $err) = psql_as($node, 'aisales_auth', 'auth_login', $sql);
	is($status, 0, 'no error') or diag "$sql\n$err";
	return $out;
}
sub owner { return $node->safe_psql('aisales_auth', shift); }
sub status_of { return service("SELECT status FROM auth.$_[0]"); }
sub sync { return $node->safe_psql('aisales_app', 'SELECT FROM dualdb.sync()'); }
sub may { return service("SELECT auth.has_permission('$_[0]', '$_[1]')"); }
sub claims
{
	my ($token) = @_;
	return service("SELECT c -> 'roles', c ->> 'scope' FROM dualdb.jwt_verify('$token') c");
}
# what the token may do in the app database
sub app_may
{
	my ($token, $permission) = @_;
	my (undef, $out, $err) = psql_as($node, 'aisales_app', 'app_user_login',
		"BEGIN; SELECT FROM dualdb.authenticate('$token') \\g /dev/null
		SELECT dualdb.has_permission('$permission'); COMMIT");
	return $out . $err;
}
sub refused
{
	my ($database, $role, $token, $name) = @_;
	return error_is($node, $database, $role, "SELECT FROM dualdb." .
		($database eq 'aisales_auth' ? 'jwt_verify' : 'authenticate') . "('$token')", $invalid, $name);
}
# the access and refresh tokens that a refresh token gives
sub refreshed
{
	my ($status, @tokens) = split /\|/,
	  service("SELECT status, access_token, refresh_token FROM auth.refresh('$_[0]')");
	is($status, 'ok', 'a refresh');
	return @tokens;
}
# A change makes tokens from before it void, and refreshed ones good.
sub void_after
{
	my ($change, $title, $tokens, $expected) = @_;
	my ($access, $refresh) = @$tokens;

	unlike(claims($access), qr/^$/, "$title: the token is good before");
	is(status_of($change), 'ok', $title);
	refused('aisales_auth', 'auth_login', $access, "$title: refused at once in auth");
	like(app_may($access, 'any:thing'), qr/^[tf]$/, "$title: not yet in app");
	sync();
	refused('aisales_app', 'app_user_login', $access, "$title: refused in app after a sync");
	@$tokens = refreshed($refresh);
	is(claims($tokens->[0]), $expected, "$title: a refreshed one carries what is true now");
	like(app_may($tokens->[0], 'any:thing'), qr/^[tf]$/, "$title: and is good in app");
	return;
}

my $ann = register($node, 'ann@example.com', 'Ann');
my $bob = register($node, 'bob@example.com', 'Bob');

# create_role
like(service(q{SELECT * FROM auth.create_role('seller', '{orders:read,orders:write}')}), qr/^ok\|[0-9a-f-]{36}$/, 'a role is made');
my $role = owner("SELECT id FROM auth.roles WHERE name = 'seller'");
is(service(q{SELECT * FROM auth.create_role('auditor', '{*:read}')}) =~ /^ok/, 1, 'another one');
is(status_of("create_role('empty', '{}')"), 'ok', 'one without permissions');
is(service("SELECT * FROM auth.create_role($_)"), 'invalid_argument|', "no role: $_")
  foreach "NULL, '{}'", "'', '{}'", "'a b', '{}'", "'x', NULL", "repeat('x', 101), '{}'", "'x', '{a b}'", "'x', '{\"\"}'",
  "'x', '{NULL}'", "'x', '{a::b}'", "'x', '{a:}'", "'x', '{:a}'", "'x', '{a:b*}'", "'x', '{orders:read,\"a,b\"}'",
  "'x', ARRAY[repeat('x', 201)]", "E'x\\ny', '{}'";
is(owner('SELECT count(*) FROM auth.roles'), '3', 'nothing else was made');

# grant_role, has_permission, revoke_role
is(may($ann, 'orders:read'), 'f', 'nobody may anything at first');
is(status_of("grant_role('$ann', 'seller')"), 'ok', 'a role is granted');
is(status_of("grant_role('$ann', 'seller')"), 'ok', 'twice');
is(owner('SELECT count(*) FROM auth.user_roles'), '1', 'which is once');
is(status_of("grant_role($_)"), 'not_found', "not granted: $_") foreach "'nobody', 'seller'", "'$ann', 'none'", "NULL, 'seller'", "'$ann', NULL";
is(may($ann, 'orders:read'), 't', 'it gives its permissions');
is(may($ann, 'orders:write'), 't', 'all of them');
is(may($ann, $_), 'f', "no others: $_") foreach 'orders:delete', 'orders', 'orders:*', '*', '', 'ORDERS:READ';
is(may($bob, 'orders:read'), 'f', 'to nobody else');
is(may('nobody', 'orders:read'), 'f', 'nor to nobody');
is(service("SELECT auth.has_permission($_)"), 'f', "NULL: $_") foreach "NULL, 'orders:read'", "'$ann', NULL";
is(status_of("grant_role('$ann', 'auditor')"), 'ok', 'a second role');
is(may($ann, 'invoices:read'), 't', 'adds a wildcard');
is(may($ann, 'invoices:write'), 'f', 'which covers what it says');
is(status_of("revoke_role('$ann', 'auditor')"), 'ok', 'a role is taken away');
is(may($ann, 'invoices:read'), 'f', 'with its permissions');
is(may($ann, 'orders:read'), 't', 'the other one stays');
is(status_of("revoke_role($_)"), 'not_found', "not taken away: $_") foreach "'$ann', 'auditor'", "'$bob', 'seller'", "'$ann', 'none'", "NULL, 'seller'", "'$ann', NULL";

# tokens
sync();
my @ann = login_tokens($node, 'ann@example.com');
my @bob = login_tokens($node, 'bob@example.com');
is(claims($ann[0]), '["seller"]|orders:read orders:write', 'a token carries roles and permissions');
is(claims($bob[0]), '[]|', 'or none');
is(app_may($ann[0], 'orders:read'), 't', 'what the app database goes by');
is(app_may($ann[0], 'orders:delete'), 'f', 'and no more');
is(app_may($bob[0], 'orders:read'), 'f', 'for its user alone');
void_after("grant_role('$ann', 'auditor')", 'a grant', \@ann, '["auditor", "seller"]|*:read orders:read orders:write');
is(app_may($ann[0], 'invoices:read'), 't', 'what was granted counts in app');
void_after("revoke_role('$ann', 'auditor')", 'a revocation', \@ann, '["seller"]|orders:read orders:write');
is(app_may($ann[0], 'invoices:read'), 'f', 'what was revoked does not count in app');
void_after("create_role('seller', '{orders:read}')", 'a new list of permissions', \@ann, '["seller"]|orders:read');
is(owner("SELECT id = '$role' FROM auth.roles WHERE name = 'seller'"), 't', 'of the same role');
is(may($ann, 'orders:write'), 'f', 'the old list is gone');
is(claims($bob[0]), '[]|', 'tokens of others stay good');
is(app_may($bob[0], 'orders:read'), 'f', 'in app, too');

# a refusal changes nothing
is(status_of("grant_role('$ann', 'none')"), 'not_found', 'a grant that is refused');
is(claims($ann[0]), '["seller"]|orders:read', 'voids no token');

# a token of before a change must not be good because of one of after it
my ($first) = login_tokens($node, 'ann@example.com');
is(status_of("grant_role('$ann', 'empty')"), 'ok', 'one change');
my ($second) = login_tokens($node, 'ann@example.com');
is(status_of("revoke_role('$ann', 'empty')"), 'ok', 'and another');
refused('aisales_auth', 'auth_login', $_, 'voids tokens of before both') foreach $first, $second;

# inactive users
is(status_of("set_user_active('$ann', false)"), 'ok', 'a user is deactivated');
is(may($ann, 'orders:read'), 'f', 'and may nothing');
is(status_of("set_user_active('$ann', true)"), 'ok', 'and activated');
is(may($ann, 'orders:read'), 't', 'and may again');
owner("UPDATE auth.users SET deleted_at = now() WHERE id = '$ann'");
is(may($ann, 'orders:read'), 'f', 'a deleted one may nothing');
is(status_of("grant_role('$ann', 'auditor')"), 'not_found', 'nor is given anything');

# the log
is(owner("SELECT event, count(*), count(user_id) FROM auth.audit_log WHERE event LIKE 'authz%' GROUP BY event ORDER BY event"),
	"authz_admin|4|0\nauthz_change|8|8", 'every change is logged');
is(owner("SELECT DISTINCT object_id FROM auth.audit_log WHERE event = 'authz_change' ORDER BY object_id"),
	"auditor\nempty\nseller", 'with its role');

done_testing();
