-- One database: what auth/harden takes from everybody, the application keeps.  In
-- an app database of its own PUBLIC has it.

DO $$
DECLARE
	v_roles text := 'dualdb_app_owner, dualdb_app_service, dualdb_app_user, dualdb_app_readonly';
	v_function text;
BEGIN
	EXECUTE format('GRANT USAGE ON SCHEMA public TO %s', v_roles);
	EXECUTE format('GRANT USAGE ON LANGUAGE plpgsql TO %s', v_roles);
	FOR v_function IN
		SELECT p.oid::regprocedure::text
		FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) x
		WHERE p.pronamespace = 'pg_catalog'::regnamespace
			AND x.grantee = 'dualdb_auth_owner'::regrole
			-- never what PUBLIC has not had from the start
			AND NOT EXISTS (SELECT FROM pg_init_privs i
				WHERE i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid)
	LOOP
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', v_function, v_roles);
	END LOOP;
END
$$;
