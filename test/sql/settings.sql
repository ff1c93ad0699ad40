-- Settings: defaults, bounds, and who may set them
SELECT dualdb.new_id() IS NOT NULL AS loaded;
SELECT s.name, s.boot_val, s.unit, s.min_val, s.max_val, s.context
FROM pg_settings s WHERE s.name LIKE 'dualdb.%' ORDER BY s.name COLLATE "C";

-- names of this prefix that are no settings are refused
SET dualdb.user_id = 'somebody';  -- fails
SET dualdb.no_such_setting = 1;  -- fails

-- an audience and an issuer cannot be empty
SET dualdb.audience = '';  -- fails
SET dualdb.issuer = '';  -- fails
\set VERBOSITY sqlstate
SET dualdb.leeway = '6min';  -- fails
\set VERBOSITY default
SET dualdb.key_file = '/somewhere';  -- fails

-- none can be set by an ordinary role
CREATE ROLE regress_dualdb_user;
SET ROLE regress_dualdb_user;
DO $$
DECLARE
	v_name text;
BEGIN
	FOR v_name IN SELECT s.name FROM pg_settings s WHERE s.name LIKE 'dualdb.%' ORDER BY s.name COLLATE "C" LOOP
		BEGIN
			PERFORM set_config(v_name, current_setting(v_name), false);
			RAISE NOTICE '% was set', v_name;
		EXCEPTION WHEN insufficient_privilege OR cant_change_runtime_param THEN
			NULL;
		END;
	END LOOP;
END
$$;
-- nor can it see where the key file is
DO $$
BEGIN
	PERFORM current_setting('dualdb.key_file');
	RAISE NOTICE 'seen';
EXCEPTION WHEN insufficient_privilege THEN
	RAISE NOTICE 'refused';
END
$$;
RESET ROLE;
DROP ROLE regress_dualdb_user;
