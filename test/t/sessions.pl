# register_user, login, refresh, logout, rotate_signing_key: every status.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

# without a grace period, which grace.pl is about
my $node = new_cluster('main', conf => 'dualdb.refresh_grace = 0');
set_up_auth($node);
my $password = $DualDB::Test::PASSWORD;

# everything as the role that an application has
sub service
{
	my ($sql) = @_;
	my ($status, $out, $err) = psql_as($node, 'aisales_auth', 'auth_login', $sql);
	is($status, 0, 'no error') or diag "$sql\n$err";
	return $out;
}
sub owner { return $node->safe_psql('aisales_auth', shift); }
sub status_of { return service("SELECT status FROM auth.$_[0]"); }

# register_user
like(service("SELECT status, user_id FROM auth.register_user('Ann\@Example.com', '$password', 'Ann')"),
	qr/^ok\|[0-9a-f-]{36}$/, 'a user is made');
is(status_of("register_user(' ann\@EXAMPLE.com ', '$password')"), 'email_taken',
	'the same address in other letters is taken');
is(status_of("register_user($_, '$password')"), 'invalid_email', "no address: " . substr($_, 0, 40))
  foreach 'NULL', "''", "'ann'", "'\@example.com'", "'ann\@'", "'a b\@example.com'", "'a\@b\@c'",
  "E'a\@b\\nc'", "repeat('x', 300) || '\@example.com'", "repeat('x', 1000000)";
is(status_of("register_user('b\@example.com', $_)"), 'weak_password', "no password: " . substr($_, 0, 40))
  foreach 'NULL', "''", "'14 characters.'", "repeat('x', 1025)", "repeat('x', 1000000)";
is(status_of("register_user('b\@example.com', 'fünfzehn Zeichen'::text)"), 'ok', 'characters are counted, not bytes');
is(owner('SELECT count(*) FROM auth.users'), '2', 'nothing else was made');
is(owner("SELECT password_hash ~ '^\\\$argon2id\\\$' FROM auth.users WHERE email_norm = 'ann\@example.com'"),
	't', 'the password is stored as an argon2id hash');

# login: all refusals alike
like(service("SELECT status, user_id IS NOT NULL, session_id IS NOT NULL, access_token ~ '^[^.]+[.][^.]+[.][^.]+\$',
	refresh_token ~ '^ddbr_', expires_at - now() BETWEEN interval '9 min' AND interval '11 min', retry_after IS NULL
	FROM auth.login('ANN\@example.com', '$password', '192.0.2.1', 'test')"),
	qr/^ok\|t\|t\|t\|t\|t\|t$/, 'a login gives everything');
owner(q{INSERT INTO auth.users (id, email, password_hash, is_active) VALUES
	('foreign', 'foreign@example.com', 'x', true), ('none', 'none@example.com', NULL, true)});
owner("INSERT INTO auth.users (email, password_hash, is_active, deleted_at) VALUES
	('inactive\@example.com', dualdb.hash_password('$password'), false, NULL),
	('deleted\@example.com', dualdb.hash_password('$password'), true, now())");
my $refusal = 'invalid_credentials|||||||';
is(service("SELECT * FROM auth.login($_)"), $refusal, 'refused: ' . substr($_, 0, 60))
  foreach "'ann\@example.com', 'wrong'", "'nobody\@example.com', '$password'",
  "'inactive\@example.com', '$password'", "'deleted\@example.com', '$password'",
  "'foreign\@example.com', 'x'", "'none\@example.com', ''", "'none\@example.com', NULL",
  "NULL, '$password'", "'', ''", "'ann\@example.com', NULL", "repeat('x', 1000000), '$password'",
  "'ann\@example.com', repeat('x', 1000000)";
is(owner("SELECT ip, user_agent FROM auth.sessions"), '192.0.2.1|test', 'one session, from where it was opened');
owner("UPDATE auth.users SET password_hash = '\$argon2id\$v=19\$m=256,t=2,p=2\$c29tZXNhbHQ\$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc' WHERE id = 'foreign'");
is(status_of("login('foreign\@example.com', 'password')"), 'ok', "another program's hash logs in");
is(owner("SELECT password_hash ~ 'm=65536,t=3,p=1' FROM auth.users WHERE id = 'foreign'"), 't', 'and is made anew');
is(status_of("login('foreign\@example.com', 'password')"), 'ok', 'after which it logs in again');

# a token says that its user was authenticated before it was issued, never after
is(owner("SELECT bool_and((c ->> 'auth_time')::bigint <= (c ->> 'iat')::bigint)
	FROM (SELECT dualdb.jwt_verify((auth.login('ann\@example.com', '$password')).access_token) AS c FROM generate_series(1, 10)) x"),
	't', 'auth_time is not after iat');

# refresh: rotation, reuse, expiry
my (undef, $first) = login_tokens($node, 'ann@example.com');
my ($status, $second) = split /\|/, service("SELECT status, refresh_token FROM auth.refresh('$first', '192.0.2.2', 'other')");
is($status, 'ok', 'a refresh token is exchanged');
isnt($second, $first, 'for another one');
(undef, my $third) = split /\|/, service("SELECT status, refresh_token FROM auth.refresh('$second')");
is(status_of("refresh('$first')"), 'reuse_detected', 'a used one is reuse');
is(status_of("refresh('$third')"), 'revoked', 'which ends the session');
is(status_of("refresh('$first')"), 'revoked', 'for every token of it');
is(service("SELECT * FROM auth.refresh($_)"), $refusal, 'refused: ' . substr($_, 0, 40))
  foreach 'NULL', "''", "'ddbr_x'", "'${second}x'", "repeat('x', 1000000)";
(undef, my $token) = login_tokens($node, 'ann@example.com');
owner("UPDATE auth.refresh_tokens SET expires_at = now() WHERE used_at IS NULL");
is(status_of("refresh('$token')"), 'expired', 'an expired token');
(undef, $token) = login_tokens($node, 'ann@example.com');
owner("UPDATE auth.sessions SET expires_at = now() WHERE ended_at IS NULL");
is(status_of("refresh('$token')"), 'expired', 'a token of an expired session');
(undef, $token) = login_tokens($node, 'ann@example.com');
owner("UPDATE auth.users SET is_active = false WHERE email_norm = 'ann\@example.com'");
is(status_of("refresh('$token')"), 'revoked', 'a token of a user who was deactivated');
owner("UPDATE auth.users SET is_active = true WHERE email_norm = 'ann\@example.com'");
is(owner("SELECT count(*) FROM auth.refresh_tokens WHERE encode(token_hash, 'escape') LIKE '%ddbr%'"), '0',
	'no token is stored');

# logout
owner('DELETE FROM auth.sessions');
my ($one, $two, $three, $four) = map { (login_tokens($node, 'ann@example.com'))[1] } 1 .. 4;
is(service("SELECT * FROM auth.logout('$one')"), 'ok|1', 'logout ends one session');
is(service("SELECT * FROM auth.logout('$one')"), 'revoked|0', 'once');
is(status_of("refresh('$one')"), 'revoked', 'its token is no longer exchanged');
is(service("SELECT * FROM auth.logout('$two', 'others')"), 'ok|2', 'logout of the others');
is(status_of("refresh('$three')"), 'revoked', 'they are gone');
(undef, $two) = split /\|/, service("SELECT status, refresh_token FROM auth.refresh('$two')");
is(service("SELECT * FROM auth.logout('$two', scope => 'global')"), 'ok|1', 'logout everywhere');
is(service("SELECT * FROM auth.logout($_)"), 'invalid_credentials|0', "no token: $_") foreach 'NULL', "''", "'x'";
is(service("SELECT * FROM auth.logout('$one', 'all')"), 'invalid_argument|0', 'an unknown scope');
(undef, my $used) = login_tokens($node, 'ann@example.com');
my (undef, $other) = login_tokens($node, 'ann@example.com');
service("SELECT FROM auth.refresh('$used')");
is(service("SELECT * FROM auth.logout('$used', 'global')"), 'reuse_detected|1',
	'a used token ends its own session, not the others');
my (undef, $newer) = split /\|/, service("SELECT status, refresh_token FROM auth.refresh('$other')");
owner("UPDATE auth.sessions SET expires_at = now() WHERE ended_at IS NULL");
is(service("SELECT * FROM auth.logout('$newer', 'global')"), 'expired|0', 'an expired one none but its own');

# signing keys
my ($access) = login_tokens($node, 'ann@example.com');
my $before = owner("SELECT kid FROM auth.signing_keys WHERE status = 'next'");
is(service('SELECT status, kid FROM auth.rotate_signing_key()'), "ok|$before", 'the next key becomes the active one');
is(owner("SELECT string_agg(status, ',' ORDER BY status), bool_and((sealed_key IS NULL) = (status = 'retired'))
	FROM auth.signing_keys"), 'active,next,retired|t', 'there is a new next one, and the old one is wiped');
is(service("SELECT dualdb.jwt_verify('$access') ->> 'aud'"), 'aisales_app', 'its tokens are still good');
is(owner(q{SELECT not_after - now() BETWEEN interval '10 min' AND interval '12 min' FROM dualdb.trusted_keys
	WHERE not_after IS NOT NULL}), 't', 'until the last of them has expired');

# two logins of one registration race, and only one wins
my $race = join ' ', map { "SELECT status FROM auth.register_user('race\@example.com', '$password');" } 1;
my @outputs = ('', '');
my @handles = map { IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('aisales_auth'), '-c', $race ], '>', \$outputs[$_]) } 0, 1;
IPC::Run::finish($_) foreach @handles;
is(join(',', sort map { s/\s//gr } @outputs), 'email_taken,ok', 'two registrations at once make one user');

# a login with the old password, while the password is being changed
my $superuser = getpwuid($<);
owner("UPDATE auth.users SET password_hash = '\$argon2id\$v=19\$m=256,t=2,p=2\$c29tZXNhbHQ\$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc' WHERE id = 'foreign'");
my ($in, $out, $old) = ('', '', '');
my $change = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('aisales_auth') ], '<', \$in, '>', \$out, IPC::Run::timeout(60));
$in .= "BEGIN; UPDATE auth.users SET password_hash = dualdb.hash_password('$password') WHERE id = 'foreign'; SELECT 'changed';\n";
IPC::Run::pump($change) until $out =~ /changed/;
my $login = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('aisales_auth'), '-c',
	"SELECT status FROM auth.login('foreign\@example.com', 'password')" ], '>', \$old, IPC::Run::timeout(60));
$node->poll_query_until('aisales_auth', "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)") or die 'the login does not wait';
$in .= "COMMIT;\n\\q\n";
IPC::Run::finish($change);
IPC::Run::finish($login);
is($old, "invalid_credentials\n", 'a login with the password of before a change is refused');
is(status_of("login('foreign\@example.com', '$password')"), 'ok', 'and the change stays');

# an existing application inserts users by itself
$node->safe_psql('aisales_auth', 'CREATE ROLE orm_login LOGIN IN ROLE dualdb_auth_orm');
($status) = psql_as($node, 'aisales_auth', 'orm_login',
	"INSERT INTO auth.users (id, email, password_hash, is_active) VALUES ('orm', 'Orm\@example.com', 'x', true)");
is($status, 0, 'an ORM inserts a user');
is(owner("SELECT email_norm FROM auth.users WHERE id = 'orm'"), 'orm@example.com', 'who is found by address');
error_is($node, 'aisales_auth', 'orm_login', 'SELECT sealed_key FROM auth.signing_keys',
	qr/^42501: permission denied/, 'but it does not read signing keys');

done_testing();
