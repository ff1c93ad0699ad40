# verify_setup() of owners, functions, views, policies and triggers.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use DualDB::Verify;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = verified_cluster('main');

$node->safe_psql('postgres', 'CREATE ROLE carol');
breaks_ok($node, 'aisales_auth',
	[ 'error|owners', 'ALTER TABLE auth.sessions OWNER TO carol' ],
	[ 'error|owners', 'ALTER FUNCTION auth.logout(text, text) OWNER TO carol' ],
	[ 'error|owners', 'ALTER VIEW bridge.user_lookup OWNER TO carol' ],
	[ 'error|owners', 'ALTER TABLE dualdb.trusted_keys OWNER TO carol' ],
	[ 'error|owners', 'ALTER FUNCTION dualdb.jwks() OWNER TO carol' ],
	[ 'error|owners', 'CREATE TABLE auth.extra ()', after => 'DROP TABLE auth.extra' ],
	[ 'error|schemas', 'ALTER SCHEMA auth OWNER TO carol', instead => 1 ],
	[ 'error|definer_search_path', 'ALTER FUNCTION auth.logout(text, text) RESET search_path' ],
	[ 'error|definer_search_path', 'ALTER FUNCTION auth.logout(text, text) SET search_path = auth, public, pg_temp' ],
	[ 'error|definer_search_path', 'ALTER FUNCTION auth.logout(text, text) SET search_path = auth' ],
	[ 'error|bridge_views', 'ALTER VIEW bridge.user_lookup RESET (security_barrier)' ],
	[ 'error|bridge_views', 'ALTER VIEW bridge.revocations SET (security_barrier = false)' ],
	(map { [ 'error|triggers', "ALTER TABLE $_" ] } 'auth.users DISABLE TRIGGER stamp_user', 'auth.users DISABLE TRIGGER bury_user',
		'auth.users ENABLE REPLICA TRIGGER rename_user', 'auth.sessions DISABLE TRIGGER revoke_ended_session',
		'auth.sessions DISABLE TRIGGER revoke_deleted_session', 'dualdb.trusted_keys DISABLE TRIGGER announce_change',
		'dualdb.revocations ENABLE TRIGGER announce_change', 'auth.sessions DISABLE TRIGGER ALL'),
	[ 'error|triggers', 'DROP TRIGGER stamp_user ON auth.users' ],
	[ 'error|triggers', 'DROP TRIGGER announce_change ON dualdb.revocations' ],
	[ 'warning|triggers', 'CREATE TRIGGER "My trigger" BEFORE INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()' ],
	[ 'error|triggers', 'CREATE RULE "My rule" AS ON INSERT TO auth.users DO INSTEAD NOTHING' ],
	[ 'warning|triggers', 'CREATE FUNCTION public.watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
		CREATE EVENT TRIGGER "My watch" ON ddl_command_end EXECUTE FUNCTION public.watch()', after => 'DROP FUNCTION public.watch()' ],
	[ 'error|bridge_reach', 'CREATE VIEW bridge."Hashes" WITH (security_barrier) AS SELECT 1 AS x; ALTER VIEW bridge."Hashes" OWNER TO dualdb_bridge_owner;
		GRANT SELECT ON bridge."Hashes" TO dualdb_bridge' ]);

breaks_ok($node, 'aisales_app',
	[ 'error|owners', 'ALTER TABLE app.orders OWNER TO carol' ],
	[ 'error|owners', 'ALTER FOREIGN TABLE bridge.user_lookup OWNER TO carol' ],
	[ 'error|definer_search_path', 'ALTER FUNCTION bridge.sync(integer) RESET ALL' ],
	(map { [ 'error|row_security', "ALTER TABLE app.$_ DISABLE ROW LEVEL SECURITY",
			like => qr/^ALTER TABLE app.$_ ENABLE ROW LEVEL SECURITY;$/ ] }
		'projects', 'orders', 'messages', 'integrations', 'products', 'reports', 'model_trainings', 'api_logs'),
	[ 'error|policies', 'DROP POLICY own_projects ON app.orders' ],
	[ 'error|policies', 'DROP POLICY all_rows ON app.orders' ],
	[ 'error|policies', 'ALTER POLICY own_projects ON app.orders USING (true)' ],
	[ 'error|policies', 'ALTER POLICY all_rows ON app.orders TO PUBLIC' ],
	[ 'error|policies', 'CREATE POLICY "My policy" ON app.orders TO dualdb_app_user USING (true)' ],
	[ 'error|triggers', 'ALTER TABLE app.orders DISABLE TRIGGER ALL' ]);

# control: what an operator may add
$node->safe_psql('aisales_app', q{CREATE TABLE app.extra (id text); ALTER TABLE app.extra OWNER TO dualdb_app_owner;
	CREATE POLICY reports ON app.orders TO carol USING (true); ALTER TABLE app.orders ADD note text;
	CREATE TABLE public.other (id serial); CREATE TRIGGER own BEFORE UPDATE ON app.orders FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()});
is(findings($node, 'aisales_app'), $DualDB::Verify::EVERYWHERE, 'tables, columns, policies and triggers of the operator');

# the setup brings back what it has made
$node->safe_psql('aisales_auth', 'ALTER VIEW bridge.user_lookup RESET (security_barrier); DROP TRIGGER bury_user ON auth.users;
	GRANT USAGE ON SCHEMA public TO PUBLIC; GRANT EXECUTE ON FUNCTION auth.login(text, text, inet, text), pg_sleep(float8) TO PUBLIC;
	ALTER ROLE dualdb_bridge INHERIT; ALTER ROLE dualdb_bridge IN DATABASE aisales_auth RESET ALL; GRANT TEMP ON DATABASE aisales_auth TO PUBLIC');
isnt(findings($node, 'aisales_auth'), $DualDB::Verify::EVERYWHERE, 'control: much is amiss');
$node->safe_psql('aisales_auth', 'SELECT dualdb.setup_auth()');
is(findings($node, 'aisales_auth'), $DualDB::Verify::EVERYWHERE, 'and setup_auth() mends it');
$node->safe_psql('aisales_app', 'ALTER TABLE app.orders DISABLE ROW LEVEL SECURITY; DROP POLICY own_projects ON app.reports;
	GRANT USAGE ON FOREIGN SERVER dualdb_auth TO PUBLIC; GRANT SELECT ON bridge.user_lookup TO PUBLIC; GRANT CREATE ON SCHEMA public TO PUBLIC');
isnt(findings($node, 'aisales_app'), $DualDB::Verify::EVERYWHERE, 'control: much is amiss');
$node->safe_psql('aisales_app', 'SELECT dualdb.setup_app()');
is(findings($node, 'aisales_app'), $DualDB::Verify::EVERYWHERE, 'and setup_app() mends it');

done_testing();
