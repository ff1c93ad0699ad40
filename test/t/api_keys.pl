# API keys: what they may do, from where, for how long, and their tokens.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use Test::More;

my $node = auth_app_cluster('main',
	conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\n");

sub service
{
	my ($sql) = @_;
	my ($status, $out, $err) = psql_as($node, 'aisales_auth', 'auth_login', $sql);
	is($status, 0, 'no error') or diag "$sql\n$err";
	return $out;
}
sub owner { return $node->safe_psql('aisales_auth', shift); }
sub sync { return $node->safe_psql('aisales_app', 'SELECT FROM dualdb.sync()'); }
sub status_of { return service("SELECT status FROM auth.$_[0]"); }
# (id, key) of a new key
sub new_key
{
	my ($arguments) = @_;
	my ($status, @key) = split /\|/, service("SELECT * FROM auth.create_api_key($arguments)");
	is($status, 'ok', "a key: $arguments");
	return @key;
}
sub verify { return status_of("verify_api_key('$_[0]'" . (defined $_[1] ? ", $_[1])" : ')')); }
sub scopes_of { return service("SELECT scopes FROM auth.verify_api_key('$_[0]')"); }
sub refused_in_app
{
	return error_is($node, 'aisales_app', 'app_user_login', "SELECT dualdb.authenticate('$_[0]')",
		qr/^28000: token is not valid$/, $_[1]);
}
sub events
{
	owner('SELECT auth.flush()');
	return owner("SELECT count(*) FROM auth.audit_log WHERE event = '$_[0]' AND object_id = '$_[1]'");
}

my $ann = register($node, 'ann@example.com', 'Ann');
my $bob = register($node, 'bob@example.com', 'Bob');
is(status_of("create_role($_)"), 'ok', "a role: $_")
  foreach "'seller', '{orders:read,orders:write}'", "'auditor', '{invoices:*}'";
is(status_of("grant_role('$ann', 'seller')"), 'ok', 'the owner has a role');

# create_api_key
my ($id, $key) = new_key("'$ann', 'first', '{orders:read,orders:delete}'");
like($key, qr/^ddb_${id}_[0-9A-Za-z]{49}$/, 'it names itself');
is(owner("SELECT octet_length(secret_hash), secret_hash = dualdb.hash_token('api_key', '$key'),
	expires_at - now() BETWEEN interval '89 days' AND interval '90 days', last_used_at IS NULL FROM auth.api_keys"),
	'32|t|t|t', 'a keyed hash is stored, for ninety days');
my $secret = substr $key, 21, 43;
is(owner("SELECT count(*) FROM auth.api_keys k WHERE k::text LIKE '%$secret%'"), '0', 'and not the secret');
is(owner("SELECT secret_hash IN (sha256('$key'), sha256('$secret')) FROM auth.api_keys"), 'f', 'nor a hash that anybody can compute');
is(events('authn_token_created', $id), '1', 'a new key is logged');
is(service("SELECT * FROM auth.create_api_key($_)"), 'not_found||', "no owner: $_") foreach "'nobody', 'x', '{}'", "NULL, 'x', '{}'";
is(service("SELECT * FROM auth.create_api_key('$ann', $_)"), 'invalid_argument||', "no key: $_")
  foreach "NULL, '{}'", "'', '{}'", "repeat('x', 201), '{}'", "'x', NULL", "'x', '{a b}'", "'x', '{NULL}'",
  "'x', ARRAY(SELECT 'a' || n FROM generate_series(1, 101) n)", "'x', '{a}', now()", "'x', '{a}', '-infinity'", "'x', '{a}', 'infinity'";
is(owner('SELECT count(*) FROM auth.api_keys'), '1', 'nothing else was made');

# verify_api_key
is(service("SELECT * FROM auth.verify_api_key('$key')"), "ok|$ann|$id|{orders:read}", 'whose it is and what it may do');
my (undef, $other) = new_key("'$bob', 'his', '{orders:read}'");
my $swapped = do { (my $c = $key) =~ s/(.)$/$1 eq 'x' ? 'y' : 'x'/e; $c };
is(service("SELECT * FROM auth.verify_api_key($_)"), 'invalid_credentials|||', 'no key: ' . substr($_, 0, 50))
  foreach 'NULL', "''", "'x'", "'$swapped'", "'${key}x'", "' $key'", "upper('$key')", "repeat('x', 70)";
my $unknown = owner('SELECT api_key FROM dualdb.new_api_key()');
is(verify($unknown), 'invalid_credentials', 'a well-formed key of nobody');
# with a right check, so that the secret is what refuses it
my $forged = owner("SELECT api_key FROM dualdb.new_api_key()");
my ($forged_id) = $forged =~ /^ddb_(\w{16})_/;
owner("INSERT INTO auth.api_keys (id, user_id, name, secret_hash, scopes)
	VALUES ('$forged_id', '$ann', 'forged', sha256('another secret'), '{orders:read}')");
is(verify($forged), 'invalid_credentials', 'the right id with another secret');
owner("UPDATE auth.api_keys SET secret_hash = dualdb.hash_token('api_key', '$forged') WHERE id = '$forged_id'");
is(verify($forged), 'ok', 'and with the right one');
owner("UPDATE auth.api_keys SET secret_hash = dualdb.hash_token('refresh', '$forged') WHERE id = '$forged_id'");
is(verify($forged), 'invalid_credentials', 'a hash for another purpose is none');

# scopes are those of the owner, too, when the key is used
is(scopes_of($other), '{}', 'who may nothing has a key for nothing');
is(status_of("grant_role('$bob', 'seller')"), 'ok', 'a role for the owner');
is(scopes_of($other), '{orders:read}', 'changes the key at once');
is(status_of("revoke_role('$bob', 'seller')"), 'ok', 'taken away');
is(scopes_of($other), '{}', 'changes it back');
my (undef, $wide) = new_key("'$ann', 'wide', '{orders:*}'");
my (undef, $widest) = new_key("'$ann', 'widest', '{*}'");
my (undef, $none) = new_key("'$ann', 'none', '{}'");
is(scopes_of($wide), '{orders:read,orders:write}', "a wildcard of the key gives what the owner has");
is(scopes_of($widest), '{orders:read,orders:write}', 'however wide');
is(scopes_of($none), '{}', 'no scope gives nothing');
service("SELECT FROM auth.grant_role('$ann', 'auditor')");
is(scopes_of($wide), '{orders:read,orders:write}', 'and nothing else');
is(scopes_of($widest), '{invoices:*,orders:read,orders:write}', 'unless it is covered');
my (undef, $narrow) = new_key("'$ann', 'narrow', '{invoices:read,bills:read}'");
is(scopes_of($narrow), '{invoices:read}', "a wildcard of the owner covers what the key names");
service("SELECT FROM auth.revoke_role('$ann', 'auditor')");

# expiry, networks, inactive owners
my ($short_id, $short) = new_key("'$ann', 'short', '{orders:read}', now() + interval '1 minute'");
is(verify($short), 'ok', 'good before it expires');
owner("UPDATE auth.api_keys SET expires_at = clock_timestamp() WHERE id = '$short_id'");
is(verify($short), 'expired', 'and then expired');
is(status_of("exchange_api_key('$short')"), 'expired', 'for an exchange, too');
my (undef, $ever) = new_key("'$ann', 'ever', '{orders:read}', NULL");
is(verify($ever), 'ok', 'one that never expires');
my (undef, $local) = new_key("'$ann', 'local', '{orders:read}', allowed_networks => '{192.0.2.0/24,2001:db8::/32}'");
is(verify($local, "'$_'"), 'ok', "from $_") foreach '192.0.2.1', '192.0.2.255', '2001:db8::1', '2001:db8:ffff::';
is(verify($local, $_), 'invalid_credentials', "not from $_")
  foreach 'NULL', "'192.0.3.1'", "'198.51.100.1'", "'2001:db9::1'", "'::ffff:192.0.2.1'", "'192.0.0.0/16'";
is(verify($local), 'invalid_credentials', 'nor from an unknown address');
is(status_of("exchange_api_key('$local', ip => '$_->[0]')"), $_->[1], "exchanged from $_->[0]: $_->[1]")
  foreach [ '192.0.2.1', 'ok' ], [ '192.0.3.1', 'invalid_credentials' ];
my (undef, $nowhere) = new_key("'$ann', 'nowhere', '{orders:read}', allowed_networks => '{}'");
is(verify($nowhere, "'192.0.2.1'"), 'invalid_credentials', 'no network is none');
service("SELECT FROM auth.set_user_active('$ann', false)");
is(verify($key), 'revoked', "an inactive owner's key");
is(service("SELECT status FROM auth.rotate_api_key('$id')"), 'not_found', 'is not rotated');
is(status_of("create_api_key('$ann', 'x', '{}')"), 'not_found', 'nor made');
service("SELECT FROM auth.set_user_active('$ann', true)");
is(verify($key), 'ok', 'and an active one\'s');

# exchange_api_key
sync();
my ($status, $token, $in_time) = split /\|/, service("SELECT status, access_token,
	expires_at - now() BETWEEN interval '9 min' AND interval '11 min' FROM auth.exchange_api_key('$key')");
is("$status|$in_time", 'ok|t', 'a key is exchanged for a token');
is($node->safe_psql('aisales_app', "SELECT c ->> 'sub', c ->> 'sid', c ->> 'aud', c ->> 'scope' FROM dualdb.jwt_verify('$token') c"),
	"$ann|$id|aisales_app|orders:read", 'good in the app database, for what the key may do');
my (undef, $may) = psql_as($node, 'aisales_app', 'app_user_login', "BEGIN; SELECT dualdb.authenticate('$token');
	SELECT dualdb.has_permission('orders:read'), dualdb.has_permission('orders:write'); COMMIT");
is($may, "$ann\nt|f", 'and no more');
my $foreign = service("SELECT access_token FROM auth.exchange_api_key('$key', 'other_app')");
refused_in_app($foreign, 'a token for another audience is refused');
is($node->safe_psql('aisales_app', "SELECT dualdb.jwt_verify('$foreign', 'other_app') ->> 'sub'"), $ann, 'but there');
is(service("SELECT * FROM auth.exchange_api_key($_)"), 'invalid_credentials||', "not exchanged: $_") foreach 'NULL', "''", "'$unknown'";

# rotate_api_key
my (undef, $new_id, $new) = split /\|/, service("SELECT * FROM auth.rotate_api_key('$id', '1 hour')");
is(service("SELECT * FROM auth.verify_api_key('$new')"), "ok|$ann|$new_id|{orders:read}", 'a new key may what the old one may');
is(verify($key), 'ok', 'while the old one goes on');
is(owner("SELECT n.rotated_from = o.id, n.name = o.name, o.expires_at - now() BETWEEN interval '59 min' AND interval '1 hour',
	n.expires_at - now() BETWEEN interval '89 days' AND interval '90 days'
	FROM auth.api_keys n, auth.api_keys o WHERE n.id = '$new_id' AND o.id = '$id'"), 't|t|t|t', 'for the overlap');
is(events('authn_token_created', $new_id), '1', 'which is logged');
is(service("SELECT * FROM auth.rotate_api_key('$new_id', $_)"), 'invalid_argument||', "no overlap: $_") foreach 'NULL', "'-1 s'", "'91 days'";
is(service("SELECT * FROM auth.rotate_api_key($_)"), 'not_found||', "not rotated: $_") foreach 'NULL', "''", "'nothing'", "'$short_id'";
my ($last_id) = (split /\|/, service("SELECT * FROM auth.rotate_api_key('$new_id', '0')"))[1];
is(verify($new), 'expired', 'without an overlap the old one ends');
my ($kept_id, $kept) = new_key("'$ann', 'kept', '{orders:read}', NULL, '{192.0.2.0/24}'");
my (undef, undef, $kept_new) = split /\|/, service("SELECT * FROM auth.rotate_api_key('$kept_id')");
is(verify($kept_new, "'192.0.2.1'"), 'ok', 'one that never expires is replaced by one');
is(verify($kept_new, "'192.0.3.1'"), 'invalid_credentials', 'for the same networks');

# a token lives no longer than the key it was exchanged for
my (undef, $brief) = new_key("'$ann', 'brief', '{orders:read}', clock_timestamp() + interval '1 minute'");
is(owner("SELECT x.expires_at <= k.expires_at AND x.expires_at > now() + interval '30 s'
	FROM auth.exchange_api_key('$brief') x, auth.api_keys k WHERE k.name = 'brief'"), 't', "a key's end is its tokens' end");

# revoke_api_key
is(status_of("revoke_api_key('$id')"), 'ok', 'a key is revoked');
is(status_of("revoke_api_key($_)"), 'not_found', "not revoked: $_") foreach "'$id'", "'nothing'", "''", 'NULL';
is(verify($key), 'revoked', 'it is refused');
is(status_of("exchange_api_key('$key')"), 'revoked', 'and not exchanged');
is(status_of("rotate_api_key('$id')"), 'not_found', 'nor rotated');
is(events('authn_token_revoked', $id), '1', 'which is logged');
cmp_ok(events('authn_api_key_fail', $id), '>=', 2, 'as are its refusals');
error_is($node, 'aisales_auth', 'auth_login', "SELECT dualdb.jwt_verify('$token')", qr/^28000/, 'its token is refused at once in auth');
is($node->safe_psql('aisales_app', "SELECT dualdb.jwt_verify('$token') ->> 'sub'"), $ann, 'in app not yet');
sync();
refused_in_app($token, 'but after a sync');
is(verify($ever), 'ok', 'other keys go on');

# last_used_at is the worker's, and works where nothing can be written
owner('SELECT auth.flush(); UPDATE auth.api_keys SET last_used_at = NULL, last_used_ip = NULL');
is(service("BEGIN READ ONLY; SELECT status FROM auth.verify_api_key('$ever', '192.0.2.9'); COMMIT"), 'ok', 'in a read-only transaction');
is(service("BEGIN READ ONLY; SELECT status FROM auth.verify_api_key('$unknown'); COMMIT"), 'invalid_credentials', 'refused in one');
ok($node->poll_query_until('aisales_auth', "SELECT last_used_ip = '192.0.2.9' FROM auth.api_keys WHERE name = 'ever'"), 'its use is noted');
my $at = owner("SELECT last_used_at FROM auth.api_keys WHERE name = 'ever'");
is(verify($ever, "'192.0.2.10'"), 'ok', 'used again within the minute');
owner('SELECT auth.flush()');
is(owner("SELECT last_used_at, last_used_ip FROM auth.api_keys WHERE name = 'ever'"), "$at|192.0.2.9", 'it is not noted again');
owner("UPDATE auth.api_keys SET last_used_at = now() - interval '61 seconds' WHERE name = 'ever'");
is(verify($ever, "'192.0.2.11'"), 'ok', 'used after it');
ok($node->poll_query_until('aisales_auth', "SELECT last_used_ip = '192.0.2.11' FROM auth.api_keys WHERE name = 'ever'"), 'it is');

done_testing();
