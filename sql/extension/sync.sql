-- The pull through the bridge, for whoever schedules it.

CREATE FUNCTION dualdb.sync(max_users integer DEFAULT NULL,
	OUT keys integer, OUT revocations integer, OUT users integer, OUT deleted integer,
	OUT complete boolean)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- whatever else is called bridge.sync() is not to be run by the caller
	IF NOT EXISTS (SELECT FROM pg_proc p
		WHERE p.oid = to_regprocedure('bridge.sync(integer)')
			AND p.proowner = to_regrole('dualdb_bridge_owner') AND p.prosecdef)
	THEN
		RAISE EXCEPTION USING
			ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = 'this database has no bridge to an auth database',
			HINT = CASE WHEN EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
					WHERE n.nspname = 'app' AND c.relname = 'users' AND c.relkind = 'v')
				THEN 'Users and keys are in this database: there is nothing to pull.'
				ELSE 'Run SELECT dualdb.setup_app() in the app database.' END;
	END IF;
	SELECT s.keys, s.revocations, s.users, s.deleted, s.complete
	INTO keys, revocations, users, deleted, complete
	FROM bridge.sync(max_users) s;
END
$$;
COMMENT ON FUNCTION dualdb.sync(integer) IS
	'pull trusted keys, revocations and changed users (so many of them at most) from the auth database; returns how many rows changed here, and whether that was all';
REVOKE ALL ON FUNCTION dualdb.sync(integer) FROM PUBLIC;
