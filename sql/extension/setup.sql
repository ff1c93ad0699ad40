-- The setup functions: what they run is in the files of sql/auth, sql/bridge and
-- sql/app, which dualdb.setup_part() returns by name.

-- Roles belong to the whole server, so each is made only where it is missing; what
-- it may be is enforced every time.  An owner role is nobody's: no password, no
-- members, no session, and none of the roles is a member of another.
CREATE FUNCTION dualdb.setup_role(role text, kind text, description text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_is_owner boolean := role LIKE '%owner';
	v_problem text;
BEGIN
	IF to_regrole(quote_ident(role)) IS NULL THEN
		EXECUTE format('CREATE ROLE %I', role);
	END IF;
	EXECUTE format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE
		NOREPLICATION NOBYPASSRLS %s', role, kind);
	EXECUTE format('COMMENT ON ROLE %I IS %L', role, 'dualdb: ' || description);

	SELECT coalesce(
		(SELECT format('must not be a member of role "%s"', m.roleid::regrole)
			FROM pg_auth_members m WHERE m.member = to_regrole(quote_ident(role)) LIMIT 1),
		(SELECT format('must not have role "%s" as a member', m.member::regrole)
			FROM pg_auth_members m WHERE m.roleid = to_regrole(quote_ident(role))
				AND (v_is_owner OR role = 'dualdb_bridge') LIMIT 1),
		(SELECT format('must not be in use, but process %s is connected as it', a.pid)
			FROM pg_stat_activity a WHERE a.usename = role AND v_is_owner LIMIT 1))
	INTO v_problem;
	IF v_problem IS NOT NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_role_specification',
			MESSAGE = format('role "%s" %s', role, v_problem),
			HINT = 'Revoke the membership or end the session, and run the setup again.';
	END IF;
	IF v_is_owner THEN
		EXECUTE format('ALTER ROLE %I PASSWORD NULL', role);
		PERFORM dualdb.clear_default_privileges(role);
	END IF;
END
$$;
COMMENT ON FUNCTION dualdb.setup_role(text, text, text) IS
	'internal: make a role of dualdb''s, or bring it back to what it must be';
REVOKE ALL ON FUNCTION dualdb.setup_role(text, text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.clear_default_privileges(role text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_statement text;
BEGIN
	FOR v_statement IN
		SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I %s REVOKE ALL ON %s FROM %s',
			role, 'IN SCHEMA ' || d.defaclnamespace::regnamespace,
			CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES'
				WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END,
			CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END)
		FROM (SELECT e.defaclobjtype, e.defaclrole, e.defaclacl,
				nullif(e.defaclnamespace, 0) AS defaclnamespace
			FROM pg_default_acl e) d
			CROSS JOIN LATERAL (SELECT DISTINCT a.grantee FROM aclexplode(d.defaclacl) a) x
		WHERE d.defaclrole = to_regrole(quote_ident(role)) AND x.grantee <> d.defaclrole
	LOOP
		EXECUTE v_statement;
	END LOOP;
END
$$;
COMMENT ON FUNCTION dualdb.clear_default_privileges(text) IS
	'internal: what the role makes belongs to the role alone';
REVOKE ALL ON FUNCTION dualdb.clear_default_privileges(text) FROM PUBLIC;

CREATE FUNCTION dualdb.setup_prepare() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
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
END
$$;
COMMENT ON FUNCTION dualdb.setup_prepare() IS
	'internal: check that a setup can run here, and let no other run meanwhile';
REVOKE ALL ON FUNCTION dualdb.setup_prepare() FROM PUBLIC;

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
			'dualdb_auth_owner:auth/audit',
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
			'dualdb_bridge_owner:bridge/views',
			'auth/harden'];
		WHEN 'app' THEN v_replayed := ARRAY[
			'app/privileges',
			'dualdb_app_owner:app/policies',
			'bridge/server',
			'dualdb_bridge_owner:bridge/sync_state',
			'dualdb_bridge_owner:bridge/sync_users',
			'dualdb_bridge_owner:bridge/sync',
			'dualdb_bridge_owner:bridge/sync_status',
			'dualdb_bridge_owner:bridge/lookup',
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
	WITH now AS (
		SELECT coalesce(jsonb_object_agg(o.option_name, o.option_value), '{}') AS option
		FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o
		WHERE s.srvname = 'dualdb_auth'
	)
	SELECT jsonb_build_object(
		'auth_database', coalesce(auth_database, now.option ->> 'dbname',
			dualdb.setting('auth_database')),
		'auth_host', coalesce(auth_host, now.option ->> 'host', btrim(split_part(
			current_setting('unix_socket_directories'), ',', 1))),
		'auth_port', coalesce(auth_port::text, now.option ->> 'port',
			current_setting('port')))
	FROM now
$$;
COMMENT ON FUNCTION dualdb.setup_arguments(text, text, integer) IS
	'internal: where the bridge leads: the arguments, else what is in place, else this server''s Unix socket';
REVOKE ALL ON FUNCTION dualdb.setup_arguments(text, text, integer) FROM PUBLIC;

CREATE FUNCTION dualdb.setup_script(name text) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT E'BEGIN;\n'
		|| E'SET LOCAL search_path = pg_catalog, pg_temp;\n'
		|| E'SET LOCAL check_function_bodies = on;\n'
		|| E'SELECT dualdb.setup_prepare();\n\n'
		|| string_agg(
		format(E'-- %s\n', s.part)
			|| coalesce('SET LOCAL ROLE ' || quote_ident(s.run_as) || E';\n', '')
			|| dualdb.setup_text(s.part, dualdb.setup_arguments())
			|| CASE WHEN s.run_as IS NULL THEN '' ELSE E'RESET ROLE;\n' END,
		E'\n' ORDER BY s.ordinality)
		|| format(E'\nSELECT dualdb.setup_finish(%L);\nCOMMIT;\n', name)
	FROM dualdb.setup_steps(name) WITH ORDINALITY s
$$;
COMMENT ON FUNCTION dualdb.setup_script(text) IS
	'the SQL that setup_auth() (''auth'') or setup_app() (''app'') would run in this database now, as one transaction';
REVOKE ALL ON FUNCTION dualdb.setup_script(text) FROM PUBLIC;

CREATE FUNCTION dualdb.setup_finish(name text) RETURNS text
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_table text;
BEGIN
	-- what DROP EXTENSION ... CASCADE has taken along
	FOR v_table IN
		SELECT a.attrelid::regclass::text
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE c.relnamespace = to_regnamespace(quote_ident(name)) AND c.relkind IN ('r', 'p')
			AND NOT c.relispartition AND a.attname = 'id' AND NOT a.atthasdef
			AND c.relname <> CASE name WHEN 'auth' THEN 'deleted_users' ELSE 'users' END
	LOOP
		EXECUTE format('ALTER TABLE %s ALTER COLUMN id SET DEFAULT dualdb.new_id()', v_table);
	END LOOP;

	IF name <> 'auth' THEN
		RETURN '';
	ELSIF EXISTS (SELECT FROM auth.signing_keys s WHERE s.status = 'active') THEN
		RETURN '';
	ELSIF dualdb.setting('key_file') = '' THEN
		RETURN '; no signing key: configure dualdb.key_file and run this again';
	END IF;
	PERFORM auth.rotate_signing_key();
	RETURN '; signing key made';
END
$$;
COMMENT ON FUNCTION dualdb.setup_finish(text) IS
	'internal: defaults that are missing and the first signing key; returns what there is to say about it';
REVOKE ALL ON FUNCTION dualdb.setup_finish(text) FROM PUBLIC;

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
	PERFORM dualdb.setup_prepare();
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
	END || '; functions, views and privileges are in place'
		|| dualdb.setup_finish(name);
END
$$;
COMMENT ON FUNCTION dualdb.run_setup(text, jsonb) IS
	'run the steps of a setup script in this database, each as the role that is to own what it makes';
REVOKE ALL ON FUNCTION dualdb.run_setup(text, jsonb) FROM PUBLIC;

CREATE FUNCTION dualdb.setup_auth() RETURNS text
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT dualdb.run_setup('auth', '{}')
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
