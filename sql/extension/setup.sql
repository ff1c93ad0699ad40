-- The setup functions: what they run is in the files of sql/auth, sql/bridge and
-- sql/app, which dualdb.setup_part() returns by name.

-- Roles belong to the whole server, so each is made only where it is missing; what
-- it may be is enforced every time.
CREATE FUNCTION dualdb.setup_role(role text, kind text, description text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_members text;
BEGIN
	IF to_regrole(quote_ident(role)) IS NULL THEN
		EXECUTE format('CREATE ROLE %I', role);
	END IF;
	EXECUTE format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE
		NOREPLICATION NOBYPASSRLS %s', role, kind);
	EXECUTE format('COMMENT ON ROLE %I IS %L', role, 'dualdb: ' || description);

	-- a member of an owner could do all that the owner can
	SELECT string_agg(m.member::regrole::text, ', ') INTO v_members
	FROM pg_auth_members m
	WHERE m.roleid = to_regrole(quote_ident(role)) AND role LIKE '%owner';
	IF v_members IS NOT NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_role_specification',
			MESSAGE = format('role "%s" must not have members', role),
			DETAIL = format('Members are: %s.', v_members),
			HINT = 'Revoke the memberships and run the setup again.';
	END IF;
END
$$;
COMMENT ON FUNCTION dualdb.setup_role(text, text, text) IS
	'internal: make a role of dualdb''s, or bring it back to what it must be';
REVOKE ALL ON FUNCTION dualdb.setup_role(text, text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.setup_version(name text) RETURNS integer
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_version integer;
BEGIN
	IF to_regclass(format('%I.schema_version', name)) IS NULL THEN
		IF to_regnamespace(quote_ident(name)) IS NOT NULL THEN
			RAISE EXCEPTION USING
				ERRCODE = 'duplicate_schema',
				MESSAGE = format('schema "%s" exists already and is not dualdb''s', name),
				HINT = 'Rename the existing schema, or use another database.';
		END IF;
		RETURN 0;
	END IF;
	EXECUTE format('SELECT max(v.version) FROM %I.schema_version v', name)
		INTO v_version;
	RETURN v_version;
END
$$;
COMMENT ON FUNCTION dualdb.setup_version(text) IS
	'version of the schema that setup made here; 0 when it has not run yet';
REVOKE ALL ON FUNCTION dualdb.setup_version(text) FROM PUBLIC;

CREATE FUNCTION dualdb.setup_steps(
	name text, OUT run_as text, OUT part text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_version integer;
	v_owner text := format('dualdb_%s_owner', name);
	v_replayed text[];
BEGIN
	-- after roles and tables, in this order, at every run: whom each part is run
	-- as, if not as the superuser, stands before it
	CASE name
		WHEN 'auth' THEN v_replayed := ARRAY[
			'auth/privileges',
			'dualdb_auth_owner:auth/users',
			'dualdb_auth_owner:auth/signing_keys',
			'dualdb_auth_owner:auth/sessions',
			'dualdb_auth_owner:auth/account',
			'dualdb_auth_owner:auth/login',
			'dualdb_auth_owner:auth/refresh',
			'dualdb_auth_owner:auth/orm',
			'dualdb_bridge_owner:bridge/views',
			'auth/harden'];
		WHEN 'app' THEN v_replayed := ARRAY[
			'app/privileges',
			'dualdb_app_owner:app/policies',
			'bridge/server',
			'dualdb_bridge_owner:bridge/sync',
			'app/harden'];
		ELSE RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('there is no setup script "%s"', name),
			HINT = 'The setup scripts are "auth" and "app".';
	END CASE;
	v_version := dualdb.setup_version(name);

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
	ELSE
		run_as := v_owner;
		FOR v_step IN v_version + 1 .. 999 LOOP
			part := format('%s/migrations/%s', name, to_char(v_step, 'FM000'));
			EXIT WHEN dualdb.setup_part(part) IS NULL;
			RETURN NEXT;
		END LOOP;
	END IF;
	FOREACH part IN ARRAY v_replayed LOOP
		run_as := (regexp_match(part, '^(.*):'))[1];
		part := regexp_replace(part, '^.*:', '');
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION dualdb.setup_steps(text) IS
	'the parts that a setup function would run in this database now, in order, and as whom; NULL is the superuser';
REVOKE ALL ON FUNCTION dualdb.setup_steps(text) FROM PUBLIC;

CREATE FUNCTION dualdb.setup_text(part text, arguments jsonb) RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_sql text := dualdb.setup_part(part);
	v_argument record;
BEGIN
	FOR v_argument IN SELECT a.key, a.value FROM jsonb_each_text(arguments) a LOOP
		v_sql := replace(v_sql, format(':''%s''', v_argument.key),
			quote_literal(v_argument.value));
	END LOOP;
	RETURN v_sql;
END
$$;
COMMENT ON FUNCTION dualdb.setup_text(text, jsonb) IS
	'the SQL of a part with its arguments filled in where psql would put :''name''';
REVOKE ALL ON FUNCTION dualdb.setup_text(text, jsonb) FROM PUBLIC;

CREATE FUNCTION dualdb.setup_arguments(
	auth_database text DEFAULT NULL, auth_host text DEFAULT NULL,
	auth_port integer DEFAULT NULL)
RETURNS jsonb
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_build_object(
		'auth_database', coalesce(auth_database, dualdb.setting('auth_database')),
		'auth_host', coalesce(auth_host, btrim(split_part(
			current_setting('unix_socket_directories'), ',', 1))),
		'auth_port', coalesce(auth_port::text, current_setting('port')))
$$;
COMMENT ON FUNCTION dualdb.setup_arguments(text, text, integer) IS
	'arguments of the setup scripts, defaults filled in: this server''s Unix socket';
REVOKE ALL ON FUNCTION dualdb.setup_arguments(text, text, integer) FROM PUBLIC;

CREATE FUNCTION dualdb.setup_script(name text) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(
		format(E'-- %s\n', s.part)
			|| coalesce('SET LOCAL ROLE ' || quote_ident(s.run_as) || E';\n', '')
			|| dualdb.setup_text(s.part, dualdb.setup_arguments())
			|| CASE WHEN s.run_as IS NULL THEN '' ELSE E'RESET ROLE;\n' END,
		E'\n' ORDER BY s.ordinality)
	FROM dualdb.setup_steps(name) WITH ORDINALITY s
$$;
COMMENT ON FUNCTION dualdb.setup_script(text) IS
	'the SQL that setup_auth() (''auth'') or setup_app() (''app'') would run in this database now, as one transaction';
REVOKE ALL ON FUNCTION dualdb.setup_script(text) FROM PUBLIC;

CREATE FUNCTION dualdb.run_setup(name text, arguments jsonb) RETURNS text
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
SET check_function_bodies = on
AS $$
DECLARE
	v_role text := current_setting('role');
	v_before integer;
	v_step record;
	v_sql text;
BEGIN
	IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = 'must be superuser to set up a database';
	END IF;
	IF current_setting('server_encoding') <> 'UTF8' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'feature_not_supported',
			MESSAGE = 'dualdb requires a database with encoding UTF8';
	END IF;
	PERFORM pg_advisory_xact_lock(hashtext('dualdb.run_setup'));

	v_before := dualdb.setup_version(name);
	FOR v_step IN SELECT s.run_as, s.part FROM dualdb.setup_steps(name) s LOOP
		v_sql := dualdb.setup_text(v_step.part, arguments);
		IF v_step.run_as IS NOT NULL THEN
			PERFORM set_config('role', v_step.run_as, true);
		END IF;
		EXECUTE v_sql;
		PERFORM set_config('role', v_role, true);
	END LOOP;

	RETURN CASE v_before
		WHEN 0 THEN format('schema %s created at version %s', name,
			dualdb.setup_version(name))
		WHEN dualdb.setup_version(name) THEN
			format('schema %s is at version %s', name, v_before)
		ELSE format('schema %s upgraded from version %s to %s', name,
			v_before, dualdb.setup_version(name))
	END || '; functions, views and privileges are in place';
END
$$;
COMMENT ON FUNCTION dualdb.run_setup(text, jsonb) IS
	'run the steps of a setup script in this database, each as the role that is to own what it makes';
REVOKE ALL ON FUNCTION dualdb.run_setup(text, jsonb) FROM PUBLIC;

CREATE FUNCTION dualdb.setup_auth() RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_done text := dualdb.run_setup('auth', '{}');
BEGIN
	IF dualdb.setting('key_file') = '' THEN
		RETURN v_done || '; no signing key: configure dualdb.key_file, then SELECT * FROM auth.rotate_signing_key()';
	END IF;
	IF NOT EXISTS (SELECT FROM auth.signing_keys s WHERE s.status = 'active') THEN
		PERFORM auth.rotate_signing_key();
		v_done := v_done || '; signing key made';
	END IF;
	RETURN v_done;
END
$$;
COMMENT ON FUNCTION dualdb.setup_auth() IS
	'make or upgrade schemas auth and bridge in this database; returns what was done';
REVOKE ALL ON FUNCTION dualdb.setup_auth() FROM PUBLIC;

CREATE FUNCTION dualdb.setup_app(
	auth_database text DEFAULT NULL, auth_host text DEFAULT NULL,
	auth_port integer DEFAULT NULL)
RETURNS text
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT dualdb.run_setup('app',
		dualdb.setup_arguments(auth_database, auth_host, auth_port))
$$;
COMMENT ON FUNCTION dualdb.setup_app(text, text, integer) IS
	'make or upgrade schemas app and bridge in this database, with the bridge to the auth database (default: on this server, by Unix socket); returns what was done';
REVOKE ALL ON FUNCTION dualdb.setup_app(text, text, integer) FROM PUBLIC;
