# verify_setup() of privileges that somebody has taken away: the setup gives them back.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use DualDB::Verify;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = verified_cluster('main');

sub missing
{
	return map { [ 'error|missing_privileges', "REVOKE $_" ] } @_;
}

breaks_ok($node, 'aisales_auth', missing('CONNECT ON DATABASE aisales_auth FROM dualdb_bridge', 'USAGE ON SCHEMA bridge FROM dualdb_bridge',
	(map { "SELECT ON bridge.$_ FROM dualdb_bridge" } 'user_lookup', 'deleted_users', 'trusted_keys', 'revocations', 'feed'),
	'USAGE ON SCHEMA auth FROM dualdb_auth_service', 'EXECUTE ON FUNCTION auth.login(text, text, inet, text) FROM dualdb_auth_service',
	'EXECUTE ON FUNCTION dualdb.hash_password(text) FROM dualdb_auth_owner'));
breaks_ok($node, 'aisales_app', missing('USAGE ON SCHEMA app FROM dualdb_app_readonly', 'USAGE ON SCHEMA app FROM dualdb_app_user',
	'SELECT ON app.orders FROM dualdb_app_service', 'ALL ON app.projects FROM dualdb_app_user', 'SELECT ON app.api_logs FROM dualdb_app_readonly',
	'EXECUTE ON FUNCTION dualdb.sync(integer) FROM dualdb_sync', 'EXECUTE ON FUNCTION app.lookup_users(text[]) FROM dualdb_app_service',
	'EXECUTE ON FUNCTION dualdb.authenticate(text) FROM dualdb_app_user'));

# every function that a client may call is among them
is($node->safe_psql('aisales_auth', q{SELECT p.oid::regprocedure FROM pg_proc p
	WHERE p.pronamespace = 'auth'::regnamespace AND has_function_privilege('dualdb_auth_service', p.oid, 'EXECUTE')
		AND p.oid NOT IN (SELECT to_regprocedure(g.function) FROM dualdb.verify_made_grants('{auth}') g
			WHERE g.grantee = 'dualdb_auth_service')}), '', 'grants to the auth service');

done_testing();
