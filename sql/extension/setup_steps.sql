-- Which parts a setup function runs in this database, and whether it may.

-- Nothing that somebody else may have put here is read: a view, an inheritance
-- child or a column of another type could run their code as the superuser.
CREATE FUNCTION dualdb.setup_version(name text) RETURNS integer
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_owner oid := to_regrole(format('dualdb_%s_owner', name));
	v_version integer;
BEGIN
	IF to_regnamespace(quote_ident(name)) IS NULL THEN
		RETURN 0;
	END IF;
	IF NOT EXISTS (
		SELECT FROM pg_namespace n
			JOIN pg_class c ON c.relnamespace = n.oid
			JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE n.nspname = name AND n.nspowner = v_owner
			AND c.relname = 'schema_version' AND c.relowner = v_owner
			AND c.relkind = 'r' AND NOT c.relrowsecurity
			AND a.attname = 'version' AND a.atttypid = 'integer'::regtype)
	THEN
		RAISE EXCEPTION USING
			ERRCODE = 'duplicate_schema',
			MESSAGE = format('schema "%s" exists already and is not dualdb''s', name),
			HINT = 'Rename the existing schema, or use another database.';
	END IF;
	EXECUTE format('SELECT max(v.version) FROM ONLY %I.schema_version v', name)
		INTO v_version;
	RETURN v_version;
END
$$;
COMMENT ON FUNCTION dualdb.setup_version(text) IS
	'version of the schema that setup made here; 0 when it has not run yet';
REVOKE ALL ON FUNCTION dualdb.setup_version(text) FROM PUBLIC;

-- Asked of the catalog alone, for the same reason.
CREATE FUNCTION dualdb.setup_mode() RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(
		(SELECT CASE c.relkind WHEN 'v' THEN 'single' WHEN 'r' THEN 'app' END
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname = 'app' AND n.nspowner = to_regrole('dualdb_app_owner')
				AND c.relname = 'users'),
		(SELECT 'auth' FROM pg_namespace n
			WHERE n.nspname = 'auth' AND n.nspowner = to_regrole('dualdb_auth_owner')))
$$;
COMMENT ON FUNCTION dualdb.setup_mode() IS
	'what this database is: auth, app, single (both in one), or NULL before the first setup';
REVOKE ALL ON FUNCTION dualdb.setup_mode() FROM PUBLIC;

CREATE FUNCTION dualdb.setup_schemas(name text) RETURNS text[]
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_mode text := dualdb.setup_mode();
BEGIN
	IF name NOT IN ('auth', 'app', 'single') THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('there is no setup script "%s"', name),
			HINT = 'The setup scripts are "auth", "app" and "single".';
	ELSIF v_mode = 'app' AND name <> 'app' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = 'this database is an app database with a bridge to an auth database',
			HINT = 'Run SELECT dualdb.setup_app() here, and SELECT dualdb.setup_auth() in the auth database.';
	ELSIF v_mode = 'auth' AND name = 'app' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = 'this database is an auth database',
			HINT = 'Run SELECT dualdb.setup_app() in another database, or SELECT dualdb.setup_single() to have both in this one.';
	END IF;
	RETURN CASE name WHEN 'single' THEN ARRAY['auth', 'app'] ELSE ARRAY[name] END;
END
$$;
COMMENT ON FUNCTION dualdb.setup_schemas(text) IS
	'internal: the schemas that a setup function makes or upgrades; an error where it must not run';
REVOKE ALL ON FUNCTION dualdb.setup_schemas(text) FROM PUBLIC;

CREATE FUNCTION dualdb.setup_replayed(name text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE name
		WHEN 'auth' THEN ARRAY[
			'auth/privileges',
			'dualdb_auth_owner:auth/users',
			'dualdb_auth_owner:auth/signing_keys',
			'dualdb_auth_owner:auth/master_key',
			'dualdb_auth_owner:auth/audit',
			'dualdb_auth_owner:auth/password_hashes',
			'dualdb_auth_owner:auth/failures',
			'dualdb_auth_owner:auth/revocations',
			'dualdb_auth_owner:auth/permissions',
			'dualdb_auth_owner:auth/sessions',
			'dualdb_auth_owner:auth/one_time_tokens',
			'dualdb_auth_owner:auth/account',
			'dualdb_auth_owner:auth/password_change',
			'dualdb_auth_owner:auth/login',
			'dualdb_auth_owner:auth/totp',
			'dualdb_auth_owner:auth/refresh',
			'dualdb_auth_owner:auth/api_keys',
			'dualdb_auth_owner:auth/administration',
			'dualdb_auth_owner:auth/orm',
			'dualdb_auth_owner:auth/statistics',
			'dualdb_bridge_owner:bridge/views',
			'auth/harden']
		WHEN 'app' THEN ARRAY[
			'single/leave',
			'app/privileges',
			'bridge/schema',
			'bridge/server',
			'dualdb_bridge_owner:single/compare',
			'single/take',
			'dualdb_app_owner:app/directory',
			'single/fill',
			'dualdb_app_owner:app/policies',
			'dualdb_app_owner:app/statistics',
			'dualdb_bridge_owner:bridge/sync_state',
			'dualdb_bridge_owner:bridge/sync_users',
			'dualdb_bridge_owner:bridge/sync',
			'dualdb_bridge_owner:bridge/sync_status',
			'dualdb_bridge_owner:bridge/lookup',
			'app/harden']
		WHEN 'single' THEN ARRAY[
			'app/privileges',
			'single/privileges',
			'dualdb_bridge_owner:single/directory',
			'dualdb_app_owner:app/policies',
			'dualdb_app_owner:app/statistics',
			'app/harden']
	END
$$;
COMMENT ON FUNCTION dualdb.setup_replayed(text) IS
	'the parts of every run, in order, each after the role that it is run as if that is not the superuser: of schema auth, of schema app with the move there from one database, and of schema app in one database';
REVOKE ALL ON FUNCTION dualdb.setup_replayed(text) FROM PUBLIC;

CREATE FUNCTION dualdb.setup_schema_steps(
	name text, replayed text[], OUT run_as text, OUT part text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_version integer := dualdb.setup_version(name);
	v_owner text := format('dualdb_%s_owner', name);
BEGIN
	run_as := NULL;
	part := name || '/roles';
	RETURN NEXT;
	IF v_version = 0 THEN
		run_as := NULL;
		part := name || '/schema';
		RETURN NEXT;
		run_as := v_owner;
		part := name || '/tables';
		RETURN NEXT;
		IF name = 'auth' THEN
			part := 'auth/common_passwords';
			RETURN NEXT;
		END IF;
	ELSE
		run_as := v_owner;
		FOR v_step IN v_version + 1 .. 999 LOOP
			part := format('%s/migrations/%s', name, to_char(v_step, 'FM000'));
			EXIT WHEN dualdb.setup_part(part) IS NULL;
			RETURN NEXT;
		END LOOP;
	END IF;
	FOREACH part IN ARRAY replayed LOOP
		run_as := (regexp_match(part, '^(.*):'))[1];
		part := regexp_replace(part, '^.*:', '');
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION dualdb.setup_schema_steps(text, text[]) IS
	'internal: the parts for one schema: roles, what is made once or the migrations, and what is replayed';
REVOKE ALL ON FUNCTION dualdb.setup_schema_steps(text, text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.setup_steps(
	name text, OUT run_as text, OUT part text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_schema text;
	v_replayed text[];
BEGIN
	FOREACH v_schema IN ARRAY dualdb.setup_schemas(name) LOOP
		v_replayed := dualdb.setup_replayed(
			CASE v_schema WHEN 'auth' THEN 'auth' ELSE name END);
		-- The move leaves the policies as they are: whoever reads a table together
		-- with the directory would otherwise be in a deadlock with it.
		IF name = 'app' THEN
			v_replayed := ARRAY(
				SELECT p.part FROM unnest(v_replayed) WITH ORDINALITY p(part, n)
				WHERE p.part !~ CASE WHEN dualdb.setup_mode() = 'single'
					THEN 'app/policies' ELSE 'single/' END
				ORDER BY p.n);
		END IF;
		RETURN QUERY SELECT s.run_as, s.part
		FROM dualdb.setup_schema_steps(v_schema, v_replayed) s;
	END LOOP;
END
$$;
COMMENT ON FUNCTION dualdb.setup_steps(text) IS
	'the parts that a setup function would run in this database now, in order, and as whom; NULL is the superuser';
REVOKE ALL ON FUNCTION dualdb.setup_steps(text) FROM PUBLIC;
