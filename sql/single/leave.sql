-- From one database to two: the auth side ends here, and what it has taken from
-- everybody comes back.
--
-- Schema auth stays with all of its rows, and nobody can use it any more: a login
-- here would be one that the auth database does not know.

-- whoever is writing finishes first
LOCK TABLE auth.users, auth.deleted_users IN SHARE MODE;

DO $$
DECLARE
	v_view regclass;
BEGIN
	FOR v_view IN
		SELECT c.oid FROM pg_class c
		WHERE c.relnamespace = 'bridge'::regnamespace AND c.relkind = 'v'
	LOOP
		EXECUTE format('DROP VIEW %s', v_view);
	END LOOP;
END
$$;

-- from here on the auth database says what is trusted and what is revoked
UPDATE dualdb.trusted_keys t SET origin = 'bridge' WHERE t.origin = 'local';
UPDATE dualdb.revocations r SET origin = 'bridge' WHERE r.origin = 'local';

REVOKE USAGE ON SCHEMA auth FROM dualdb_auth_service, dualdb_auth_orm, dualdb_bridge_owner,
	pg_monitor;
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
				AND has_function_privilege('dualdb_auth_owner', p.oid, 'EXECUTE')
				-- never what PUBLIC has not had from the start
				AND NOT EXISTS (SELECT FROM pg_init_privs i
					WHERE i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid)
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
