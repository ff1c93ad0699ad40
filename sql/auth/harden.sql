-- What everybody may do in a fresh database and nobody needs here.  PUBLIC is all
-- that role dualdb_bridge has apart from its views, so what PUBLIC loses, a
-- stolen bridge connection loses.

DO $$
DECLARE
	v_object text;
	v_database text := quote_ident(current_database());
BEGIN
	EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %s FROM PUBLIC', v_database);
	EXECUTE format('GRANT CONNECT ON DATABASE %s TO dualdb_auth_service,
		dualdb_auth_orm, dualdb_bridge', v_database);

	REVOKE ALL ON SCHEMA public FROM PUBLIC;
	-- language sql has no anonymous blocks, and pg_dump would forget its REVOKE
	REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;
	GRANT USAGE ON LANGUAGE plpgsql TO dualdb_auth_owner, dualdb_bridge_owner;
	-- what the app side had in one database, and pg_dump has brought from there
	FOR v_object IN
		SELECT format('REVOKE ALL ON %s FROM %s', o.object, x.grantee::regrole)
		FROM (
			SELECT 'LANGUAGE plpgsql' AS object, l.lanacl AS acl
			FROM pg_language l WHERE l.lanname = 'plpgsql'
			UNION ALL
			SELECT 'FUNCTION ' || p.oid::regprocedure, p.proacl
			FROM pg_proc p WHERE p.pronamespace = 'dualdb'::regnamespace
		) o CROSS JOIN LATERAL aclexplode(o.acl) x
		WHERE x.grantee::regrole::text ~ '^dualdb_(app_|sync$)'
			AND dualdb.setup_mode() = 'auth'
	LOOP
		EXECUTE v_object;
	END LOOP;

	FOR v_object IN SELECT p.signature::text FROM dualdb.hardened_functions() p (signature) LOOP
		EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', v_object);
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO dualdb_auth_owner,
			dualdb_auth_service, dualdb_auth_orm', v_object);
	END LOOP;

	-- bind parameters are passwords and tokens here; where the library is not
	-- preloaded, it cannot take them out of the log
	EXECUTE format('ALTER DATABASE %s SET log_parameter_max_length = 0', v_database);
	EXECUTE format('ALTER DATABASE %s SET log_parameter_max_length_on_error = 0', v_database);

	-- the settings are defaults that the role can change, even for its next
	-- sessions, but for temp_file_limit; what cannot be talked away is what it was
	-- never granted
	ALTER ROLE dualdb_bridge RESET ALL;
	EXECUTE format('ALTER ROLE dualdb_bridge IN DATABASE %s RESET ALL', v_database);
	FOR v_object IN SELECT s.setting FROM dualdb.bridge_settings() s (setting) LOOP
		EXECUTE format('ALTER ROLE dualdb_bridge IN DATABASE %s SET %s',
			v_database, v_object);
	END LOOP;
END
$$;
