# verify_setup() of privileges: each grant too many is found, and taken back by the hint.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use DualDB::Verify;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = verified_cluster('main');

$node->safe_psql('postgres', 'CREATE ROLE carol LOGIN; CREATE ROLE "Dave ""D""" LOGIN; CREATE DATABASE other');
$node->safe_psql('postgres', $_) foreach 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC', 'REVOKE CONNECT ON DATABASE template1, other FROM PUBLIC';

sub too_many
{
	my ($item, @grants) = @_;
	return map { [ "error|$item", "GRANT $_" ] } @grants;
}

breaks_ok($node, 'aisales_auth',
	[ 'warning|bridge_connect|other', 'GRANT CONNECT ON DATABASE other TO PUBLIC' ],
	[ 'error|bridge_connect|other', 'GRANT CONNECT ON DATABASE other TO dualdb_bridge' ],
	[ 'error|bridge_connect|aisales_app', 'GRANT CONNECT ON DATABASE aisales_app TO dualdb_bridge' ],
	[ 'warning|database_owner', 'ALTER DATABASE aisales_auth OWNER TO carol' ],
	too_many('database_privileges', 'CONNECT ON DATABASE aisales_auth TO PUBLIC', 'TEMP ON DATABASE aisales_auth TO PUBLIC',
		'CREATE ON DATABASE aisales_auth TO carol', 'TEMP ON DATABASE aisales_auth TO dualdb_bridge',
		'CONNECT ON DATABASE aisales_auth TO carol WITH GRANT OPTION'),
	too_many('schema_privileges', 'USAGE ON SCHEMA auth TO PUBLIC', 'USAGE ON SCHEMA auth TO "Dave ""D"""',
		'CREATE ON SCHEMA auth TO dualdb_auth_service', 'USAGE ON SCHEMA bridge TO dualdb_auth_service',
		'CREATE ON SCHEMA dualdb TO PUBLIC', 'USAGE ON SCHEMA public TO PUBLIC', 'CREATE ON SCHEMA public TO dualdb_bridge'),
	too_many('relation_privileges', 'SELECT ON auth.users TO PUBLIC', 'SELECT ON auth.users TO dualdb_bridge_owner',
		'SELECT ON auth.users TO dualdb_auth_service', 'DELETE ON auth.users TO dualdb_auth_orm',
		'SELECT ON auth.signing_keys TO dualdb_auth_orm', 'SELECT ON bridge.user_lookup TO carol',
		'INSERT ON bridge.user_lookup TO dualdb_bridge', 'INSERT ON dualdb.trusted_keys TO dualdb_auth_service',
		'SELECT ON dualdb.trusted_keys TO PUBLIC', 'TRUNCATE ON auth.audit_log TO carol'),
	too_many('column_privileges', 'SELECT (password_hash) ON auth.users TO dualdb_bridge_owner',
		'SELECT (id) ON auth.sessions TO dualdb_bridge_owner', 'UPDATE (email) ON auth.users TO dualdb_bridge_owner',
		'SELECT (id) ON auth.users TO "Dave ""D"""', 'SELECT (email) ON auth.users TO dualdb_bridge_owner WITH GRANT OPTION'),
	too_many('function_privileges', 'EXECUTE ON FUNCTION auth.login(text, text, inet, text) TO PUBLIC',
		'EXECUTE ON FUNCTION auth.set_password(text, text) TO dualdb_auth_service',
		'EXECUTE ON FUNCTION auth.login(text, text, inet, text) TO dualdb_auth_orm',
		'EXECUTE ON FUNCTION dualdb.jwt_verify(text, text) TO PUBLIC', 'EXECUTE ON FUNCTION dualdb.jwt_sign(jsonb) TO dualdb_auth_service',
		'EXECUTE ON FUNCTION dualdb.setup_auth() TO dualdb_auth_owner', 'EXECUTE ON FUNCTION dualdb.hash_password(text) TO carol WITH GRANT OPTION'),
	too_many('language_privileges', 'USAGE ON LANGUAGE plpgsql TO PUBLIC', 'USAGE ON LANGUAGE plpgsql TO dualdb_bridge'),
	too_many('catalog_functions', 'EXECUTE ON FUNCTION pg_sleep(float8) TO PUBLIC', 'EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC',
		'EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO PUBLIC'),
	too_many('catalog_privileges', 'SELECT ON pg_authid TO PUBLIC', 'SELECT (rolpassword) ON pg_authid TO dualdb_bridge',
		'EXECUTE ON FUNCTION pg_read_file(text) TO PUBLIC', 'EXECUTE ON FUNCTION pg_read_file(text) TO dualdb_auth_service',
		'SELECT ON pg_hba_file_rules TO dualdb_bridge'),
	[ 'error|large_objects', 'SELECT lo_create(4242); GRANT SELECT ON LARGE OBJECT 4242 TO PUBLIC', after => 'SELECT lo_unlink(4242)' ],
	[ 'error|large_objects', 'ALTER DATABASE aisales_auth SET lo_compat_privileges = on' , after => 'ALTER DATABASE aisales_auth RESET lo_compat_privileges' ],
	[ 'error|bridge_reach', 'CREATE SCHEMA "My Tools"; GRANT USAGE ON SCHEMA "My Tools" TO PUBLIC', after => 'DROP SCHEMA "My Tools"' ],
	[ 'error|bridge_reach', 'CREATE FOREIGN DATA WRAPPER w; GRANT USAGE ON FOREIGN DATA WRAPPER w TO dualdb_bridge' ],
	[ 'error|bridge_reach', 'CREATE SERVER s FOREIGN DATA WRAPPER w; GRANT USAGE ON FOREIGN SERVER s TO PUBLIC', after => 'DROP FOREIGN DATA WRAPPER w CASCADE' ],
	[ 'error|default_privileges', 'ALTER DEFAULT PRIVILEGES FOR ROLE dualdb_auth_owner GRANT SELECT ON TABLES TO "Dave ""D"""' ],
	[ 'error|default_privileges', 'ALTER DEFAULT PRIVILEGES FOR ROLE dualdb_auth_owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC' ],
	[ 'error|default_privileges', 'ALTER DEFAULT PRIVILEGES FOR ROLE dualdb_bridge_owner IN SCHEMA bridge GRANT SELECT ON TABLES TO carol' ],
	[ 'error|default_privileges', 'ALTER DEFAULT PRIVILEGES IN SCHEMA auth GRANT SELECT ON TABLES TO PUBLIC' ]);

breaks_ok($node, 'aisales_app',
	too_many('database_privileges', 'CONNECT ON DATABASE aisales_app TO PUBLIC', 'CONNECT ON DATABASE aisales_app TO dualdb_bridge'),
	too_many('schema_privileges', 'CREATE ON SCHEMA public TO PUBLIC', 'USAGE ON SCHEMA app TO PUBLIC', 'CREATE ON SCHEMA app TO dualdb_app_service',
		'USAGE ON SCHEMA bridge TO dualdb_app_service', 'USAGE ON SCHEMA bridge TO dualdb_bridge'),
	too_many('relation_privileges', 'SELECT ON app.orders TO PUBLIC', 'INSERT ON app.orders TO dualdb_app_readonly',
		'TRUNCATE ON app.orders TO dualdb_app_service', 'TRIGGER ON app.orders TO carol', 'UPDATE ON app.users TO dualdb_app_service',
		'SELECT ON app.users TO dualdb_app_user', 'SELECT ON app.api_logs_default TO dualdb_app_user',
		'SELECT ON bridge.user_lookup TO dualdb_app_service', 'UPDATE ON bridge.sync_state TO carol',
		'SELECT ON app.orders TO carol WITH GRANT OPTION', 'SELECT ON app.projects TO dualdb_bridge'),
	too_many('column_privileges', 'SELECT (email) ON app.users TO dualdb_app_user', 'UPDATE (email) ON app.users TO dualdb_app_service'),
	too_many('function_privileges', 'EXECUTE ON FUNCTION bridge.sync(integer) TO PUBLIC', 'EXECUTE ON FUNCTION dualdb.sync(integer) TO dualdb_app_service',
		'EXECUTE ON FUNCTION dualdb.authenticate(text) TO PUBLIC'),
	too_many('catalog_privileges', 'SELECT ON pg_user_mapping TO dualdb_app_service'),
	[ 'error|default_privileges', 'ALTER DEFAULT PRIVILEGES FOR ROLE dualdb_app_owner GRANT ALL ON SEQUENCES TO carol' ]);

# what the dependent of a grant option has got goes with it
$node->safe_psql('aisales_app', 'GRANT USAGE ON SCHEMA app TO carol, "Dave ""D"""; GRANT SELECT ON app.orders TO carol WITH GRANT OPTION;
	SET ROLE carol; GRANT SELECT ON app.orders TO "Dave ""D"""');
$node->safe_psql('aisales_app', hints_of($node, 'aisales_app', 'relation_privileges'));
is($node->safe_psql('aisales_app', q{SELECT has_table_privilege('Dave "D"', 'app.orders', 'SELECT')}), 'f', 'a grant option and what came of it');

# control: roles of the operator's may read and write the application's rows
$node->safe_psql('aisales_app', 'GRANT SELECT, INSERT ON app.orders TO carol; GRANT SELECT (id) ON app.users TO carol;
	GRANT EXECUTE ON FUNCTION dualdb.jwks() TO carol; GRANT CONNECT ON DATABASE aisales_app TO carol');
is(findings($node, 'aisales_app'), '', 'grants to other roles that are in order');

done_testing();
