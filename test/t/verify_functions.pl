# verify_setup() of functions that are not the setup's, and of rights that views and
# functions of others lend.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use DualDB::Verify;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = verified_cluster('main');
my $body = q{LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN status := 'ok'; END $$};
my $definer = q{LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ SELECT 1 $$};

# the text of the setup is read as the setup runs it
foreach my $database ('aisales_auth', 'aisales_app')
{
	is($node->safe_psql($database, q{SELECT count(*) FROM dualdb.verify_made_functions(dualdb.verify_sides()) f
		WHERE f.body <> '' AND EXISTS (SELECT FROM pg_proc p WHERE p.prosrc = f.body)}),
		$node->safe_psql($database, q{SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
		WHERE n.nspname IN ('auth', 'bridge', 'app') AND p.prosrc <> ''
			AND p.proname NOT IN ('remember_users', 'lookup_users', 'lookup_user_by_email')}), "the text has every function of $database");
}

breaks_ok($node, 'aisales_auth',
	[ 'error|definitions', 'DROP FUNCTION auth.logout(text, text)' ],
	[ 'error|definitions', 'ALTER FUNCTION auth.refresh(text, inet, text) SECURITY INVOKER' ],
	[ 'error|definitions', 'DROP FUNCTION auth.email_acceptable(text)' ],
	[ 'error|definitions', 'CREATE OR REPLACE FUNCTION auth.email_acceptable(email text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$' ],
	[ 'error|definitions', "CREATE OR REPLACE FUNCTION auth.set_user_active(user_id text, active boolean, OUT status text) $body" ],
	[ 'warning|lent_rights', "CREATE FUNCTION auth.backdoor() RETURNS integer $definer; ALTER FUNCTION auth.backdoor() OWNER TO dualdb_auth_owner;
		COMMENT ON FUNCTION auth.backdoor() IS 'mine'; GRANT EXECUTE ON FUNCTION auth.backdoor() TO dualdb_auth_service; REVOKE ALL ON FUNCTION auth.backdoor() FROM PUBLIC" ],
	[ 'warning|lent_rights', "CREATE FUNCTION auth.logout(text) RETURNS integer $definer; ALTER FUNCTION auth.logout(text) OWNER TO dualdb_auth_owner;
		COMMENT ON FUNCTION auth.logout(text) IS 'an overload'; GRANT EXECUTE ON FUNCTION auth.logout(text) TO dualdb_auth_service; REVOKE ALL ON FUNCTION auth.logout(text) FROM PUBLIC" ],
	[ 'warning|lent_rights', 'CREATE SCHEMA tools; GRANT USAGE ON SCHEMA tools TO dualdb_auth_service; CREATE VIEW tools.v AS SELECT password_hash FROM auth.users;
		GRANT SELECT ON tools.v TO PUBLIC', after => 'DROP SCHEMA tools CASCADE' ]);

breaks_ok($node, 'aisales_app',
	[ 'error|definitions', 'DROP FUNCTION bridge.sync(integer)' ],
	[ 'error|definitions', 'ALTER FUNCTION bridge.remember_users(app.users[], app.users[], xid[]) SECURITY INVOKER' ],
	[ 'warning|lent_rights', "CREATE FUNCTION public.\"F\"() RETURNS integer $definer" , after => 'DROP FUNCTION public."F"()' ],
	[ 'warning|lent_rights', 'CREATE VIEW public."All" AS SELECT * FROM app.orders; GRANT SELECT ON public."All" TO dualdb_app_user', after => 'DROP VIEW public."All"' ],
	[ 'warning|lent_rights', 'CREATE VIEW public.a AS SELECT * FROM app.orders; CREATE VIEW public.b AS SELECT * FROM public.a; GRANT SELECT (id) ON public.b TO PUBLIC',
		after => 'DROP VIEW public.a CASCADE' ],
	[ 'warning|lent_rights', 'CREATE MATERIALIZED VIEW public.m AS SELECT * FROM app.orders; GRANT SELECT ON public.m TO dualdb_app_user' ],
	[ 'error|owners', 'CREATE VIEW app.mine AS SELECT * FROM app.orders; GRANT SELECT ON app.mine TO dualdb_app_user', also => ['warning|lent_rights'],
		like => qr/^ALTER VIEW app.mine SET \(security_invoker = true\);$/, after => 'DROP VIEW app.mine' ]);

# control: what lends nothing, or to nobody
$node->safe_psql('postgres', 'CREATE ROLE carol');
$node->safe_psql('aisales_app', "CREATE VIEW public.own WITH (security_invoker = on) AS SELECT * FROM app.orders;
	GRANT SELECT ON public.own TO dualdb_app_user; CREATE VIEW public.rows AS SELECT * FROM app.orders; GRANT SELECT ON public.rows TO carol;
	CREATE VIEW public.names AS SELECT display_name FROM app.users; GRANT SELECT ON public.names TO dualdb_app_user;
	CREATE FUNCTION public.f() RETURNS integer $definer; REVOKE ALL ON FUNCTION public.f() FROM PUBLIC;
	CREATE FUNCTION public.g() RETURNS integer $definer; ALTER FUNCTION public.g() OWNER TO carol");
is(findings($node, 'aisales_app'), $DualDB::Verify::EVERYWHERE, 'views and functions that are in order');

done_testing();
