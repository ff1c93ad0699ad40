-- From one database to two: what setup_single() has made at the app side goes, and
-- what setup_auth() has taken from everybody comes back.
--
-- Schema auth stays with all of its rows, and nobody can use it any more: a login
-- here would be one that the auth database does not know.

-- whoever is writing finishes first
LOCK TABLE auth.users, auth.deleted_users IN SHARE MODE;
CREATE TEMPORARY TABLE pg_temp.moved_users ON COMMIT DROP AS
	SELECT u.id, u.email, u.display_name, u.is_active FROM app.users u;
-- what others than dualdb's roles may read of the directory
CREATE TEMPORARY TABLE pg_temp.moved_grants ON COMMIT DROP AS
	SELECT format('GRANT SELECT%s ON app.users TO %s', g.columns,
		CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END) AS statement
	FROM (
		SELECT '' AS columns, c.relacl AS acl FROM pg_class c
		WHERE c.oid = 'app.users'::regclass
		UNION ALL
		SELECT format(' (%I)', a.attname), a.attacl FROM pg_attribute a
		WHERE a.attrelid = 'app.users'::regclass
	) g CROSS JOIN LATERAL aclexplode(g.acl) x
	WHERE x.privilege_type = 'SELECT' AND x.grantee::regrole::text !~ '^dualdb_';

DO $$
DECLARE
	v_view regclass;
	v_detail text;
BEGIN
	DROP FUNCTION IF EXISTS app.lookup_users(text[]), app.lookup_user_by_email(text);
	DROP VIEW app.users;
	FOR v_view IN
		SELECT c.oid FROM pg_class c
		WHERE c.relnamespace = 'bridge'::regnamespace AND c.relkind = 'v'
	LOOP
		EXECUTE format('DROP VIEW %s', v_view);
	END LOOP;
EXCEPTION WHEN dependent_objects_still_exist THEN
	GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL;
	RAISE EXCEPTION USING
		ERRCODE = 'dependent_objects_still_exist',
		MESSAGE = 'view app.users cannot become a table because other objects depend on what goes',
		DETAIL = v_detail,
		HINT = 'Drop these objects, run the setup again, and make them again.';
END
$$;

-- from here on the auth database says what is trusted and what is revoked
UPDATE dualdb.trusted_keys t SET origin = 'bridge' WHERE t.origin = 'local';
UPDATE dualdb.revocations r SET origin = 'bridge' WHERE r.origin = 'local';

REVOKE USAGE ON SCHEMA auth FROM dualdb_auth_service, dualdb_auth_orm, dualdb_bridge_owner;
REVOKE USAGE ON SCHEMA bridge FROM dualdb_bridge;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA dualdb
	FROM dualdb_auth_owner, dualdb_auth_service, dualdb_auth_orm;
REVOKE ALL ON ALL TABLES IN SCHEMA dualdb FROM dualdb_auth_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE dualdb_auth_owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE dualdb_auth_owner GRANT USAGE ON TYPES TO PUBLIC;

DO $$
DECLARE
	v_database text := quote_ident(current_database());
	v_object text;
	v_roles text;
BEGIN
	EXECUTE format('REVOKE ALL ON DATABASE %s FROM dualdb_auth_service,
		dualdb_auth_orm, dualdb_bridge', v_database);
	EXECUTE format('ALTER ROLE dualdb_bridge IN DATABASE %s RESET ALL', v_database);
	-- it could write nothing any more
	PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity a
	WHERE a.datname = current_database() AND a.backend_type = 'dualdb flush worker';

	FOR v_object, v_roles IN
		SELECT o.object, string_agg(x.grantee::regrole::text, ', ')
		FROM (
			SELECT 'EXECUTE ON FUNCTION ' || p.oid::regprocedure AS object, p.proacl AS acl
			FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace
			UNION ALL
			SELECT 'USAGE ON LANGUAGE ' || l.lanname, l.lanacl FROM pg_language l
			WHERE l.lanname = 'plpgsql'
			UNION ALL
			SELECT 'USAGE ON SCHEMA ' || n.nspname, n.nspacl FROM pg_namespace n
			WHERE n.nspname = 'public'
		) o CROSS JOIN LATERAL aclexplode(o.acl) x
		WHERE x.grantee::regrole::text ~ '^dualdb_'
		GROUP BY o.object
	LOOP
		EXECUTE format('GRANT %s TO PUBLIC', v_object);
		EXECUTE format('REVOKE %s FROM %s', v_object, v_roles);
	END LOOP;
END
$$;
