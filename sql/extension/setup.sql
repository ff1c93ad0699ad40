-- The setup functions: what they run is in the files of sql/auth, sql/bridge,
-- sql/app and sql/single, which dualdb.setup_part() returns by name.

CREATE FUNCTION dualdb.setup_prepare() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dualdb.require_primary();
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
	-- the owner roles cannot log in at the workers of a sharded database
	IF to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN
		PERFORM set_config('citus.enable_ddl_propagation', 'off', true);
	END IF;
END
$$;
COMMENT ON FUNCTION dualdb.setup_prepare() IS
	'internal: check that a setup can run here, and let no other run meanwhile';
REVOKE ALL ON FUNCTION dualdb.setup_prepare() FROM PUBLIC;

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
		|| (SELECT string_agg(format(E'\nSELECT dualdb.setup_finish(%L);', f), '')
			FROM unnest(dualdb.setup_schemas(name)) f)
		|| E'\nCOMMIT;\n'
	FROM dualdb.setup_steps(name) WITH ORDINALITY s
$$;
COMMENT ON FUNCTION dualdb.setup_script(text) IS
	'the SQL that setup_auth() (''auth''), setup_app() (''app'') or setup_single() (''single'') would run in this database now, as one transaction';
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
	PERFORM FROM dualdb.maintain_partitions(
		CASE name WHEN 'auth' THEN 'auth.audit_log' ELSE 'app.api_logs' END);

	IF name <> 'auth' THEN
		RETURN CASE WHEN dualdb.setup_mode() = 'app' AND EXISTS (SELECT FROM pg_namespace n
				WHERE n.nspname = 'auth' AND n.nspowner = to_regrole('dualdb_auth_owner'))
			THEN '; schema auth is not used here any more: when users log in at the auth database, run DROP SCHEMA auth CASCADE'
			ELSE '' END;
	ELSIF EXISTS (SELECT FROM auth.signing_keys s WHERE s.status = 'active')
		AND EXISTS (SELECT FROM auth.hash_keys)
	THEN
		RETURN '';
	ELSIF dualdb.setting('key_file') = '' THEN
		RETURN '; no signing key: configure dualdb.key_file and run this again';
	END IF;
	IF NOT EXISTS (SELECT FROM auth.hash_keys) THEN
		PERFORM auth.add_hash_key();
	END IF;
	IF EXISTS (SELECT FROM auth.signing_keys s WHERE s.status = 'active') THEN
		RETURN '; hash key made';
	END IF;
	PERFORM auth.rotate_signing_key();
	RETURN '; signing key made';
END
$$;
COMMENT ON FUNCTION dualdb.setup_finish(text) IS
	'internal: defaults and partitions that are missing, the first keys; returns what there is to say about a schema';
REVOKE ALL ON FUNCTION dualdb.setup_finish(text) FROM PUBLIC;

CREATE FUNCTION dualdb.run_step(run_as text, sql text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
SET check_function_bodies = on
AS $$
DECLARE
	v_role text := current_setting('role');
BEGIN
	IF run_as IS NOT NULL THEN
		PERFORM set_config('role', run_as, true);
	END IF;
	EXECUTE sql;
	PERFORM set_config('role', v_role, true);
END
$$;
COMMENT ON FUNCTION dualdb.run_step(text, text) IS
	'internal: run a part of a setup as the role that is to own what it makes; NULL is the superuser';
REVOKE ALL ON FUNCTION dualdb.run_step(text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.run_setup(name text, arguments jsonb) RETURNS text
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_schemas text[];
	v_schema text;
	v_before integer[];
	v_step record;
	v_done text;
BEGIN
	PERFORM dualdb.setup_prepare();
	v_schemas := dualdb.setup_schemas(name);
	v_before := ARRAY(SELECT dualdb.setup_version(n) FROM unnest(v_schemas) n);
	FOR v_step IN SELECT s.run_as, s.part FROM dualdb.setup_steps(name) s LOOP
		PERFORM dualdb.run_step(v_step.run_as, dualdb.setup_text(v_step.part, arguments));
	END LOOP;

	SELECT string_agg(CASE b.version
			WHEN 0 THEN format('schema %s created at version %s', b.schema,
				dualdb.setup_version(b.schema))
			WHEN dualdb.setup_version(b.schema) THEN
				format('schema %s is at version %s', b.schema, b.version)
			ELSE format('schema %s upgraded from version %s to %s', b.schema,
				b.version, dualdb.setup_version(b.schema))
		END, '; ') || '; functions, views and privileges are in place'
	INTO v_done
	FROM unnest(v_schemas, v_before) b(schema, version);
	FOREACH v_schema IN ARRAY v_schemas LOOP
		v_done := v_done || dualdb.setup_finish(v_schema);
	END LOOP;
	RETURN v_done;
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
	'make or upgrade schemas app and bridge in this database, with the bridge to the auth database (default: on this server, by Unix socket); moves to two databases where setup_single() has run; returns what was done';
REVOKE ALL ON FUNCTION dualdb.setup_app(text, text, integer) FROM PUBLIC;

CREATE FUNCTION dualdb.setup_single() RETURNS text
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT dualdb.run_setup('single', '{}')
$$;
COMMENT ON FUNCTION dualdb.setup_single() IS
	'make or upgrade schemas auth, bridge and app in this one database, where app.users is a view; returns what was done';
REVOKE ALL ON FUNCTION dualdb.setup_single() FROM PUBLIC;
