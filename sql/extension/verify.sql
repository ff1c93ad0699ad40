-- verify_setup(): does the server do what the design relies on?
--
-- A superuser runs it where anybody may have been before: it reads catalogs and
-- tables that dualdb's roles own, and finds by qualified name what it calls.
-- What the tables of others hold is read by dualdb.sample_values().

-- server; auth and app where these are set up; bridge in an app database that has
-- its users from another one, single in one that has them itself; left_over where
-- one that had them has a bridge now.
CREATE FUNCTION dualdb.verify_sides() RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_name text;
	v_sides text[] := '{server}';
BEGIN
	FOREACH v_name IN ARRAY ARRAY['auth', 'app'] LOOP
		BEGIN
			IF dualdb.setup_version(v_name) > 0 THEN
				v_sides := v_sides || v_name;
			END IF;
		EXCEPTION WHEN duplicate_schema THEN
			v_sides := v_sides || ('other_' || v_name);
		END;
	END LOOP;
	IF 'app' = ANY (v_sides) THEN
		v_sides := v_sides || CASE WHEN EXISTS (SELECT FROM pg_class c
			WHERE c.oid = to_regclass('app.users') AND c.relkind = 'v')
			THEN 'single'::text ELSE 'bridge' END;
	END IF;
	IF 'bridge' = ANY (v_sides) THEN
		v_sides := array_replace(v_sides, 'auth', 'left_over');
	END IF;
	RETURN v_sides;
END
$$;
COMMENT ON FUNCTION dualdb.verify_sides() IS
	'internal: what there is to verify in this database';
REVOKE ALL ON FUNCTION dualdb.verify_sides() FROM PUBLIC;

CREATE FUNCTION dualdb.verify_schemas(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'error', 'schemas', format('Schema "%s" is not dualdb''s, or has been changed; it was not verified.', n.nspname),
		CASE WHEN c.relowner = w.oid AND n.nspowner <> w.oid
			THEN format('ALTER SCHEMA %I OWNER TO %I;', n.nspname, w.rolname)
			ELSE format('ALTER SCHEMA %I RENAME TO %I;', n.nspname, 'other_' || n.nspname) END
	FROM pg_namespace n
		LEFT JOIN pg_roles w ON w.rolname = format('dualdb_%s_owner', n.nspname)
		LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'schema_version' AND c.relkind = 'r'
	WHERE 'other_' || n.nspname = ANY (sides)
$$;
COMMENT ON FUNCTION dualdb.verify_schemas(text[]) IS
	'internal: verify_setup() of schemas that have the names of dualdb''s';
REVOKE ALL ON FUNCTION dualdb.verify_schemas(text[]) FROM PUBLIC;

-- A check that fails is a finding, and the others go on.
CREATE FUNCTION dualdb.verify_findings(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_check text;
BEGIN
	FOREACH v_check IN ARRAY ARRAY['schemas', 'server', 'logging', 'replication', 'migration', 'partitions', 'forwarding',
		'slots', 'synchrony', 'conninfo', 'standby',
		'role_attributes', 'role_settings', 'members', 'powers', 'databases', 'hba_file',
		'hba_bridge', 'hba_missing', 'ident', 'grants', 'bridge_reach', 'catalog',
		'default_privileges', 'missing_privileges', 'owners', 'definitions', 'lent_rights',
		'row_security', 'triggers', 'foreign_server', 'mappings', 'foreign_tables', 'sync',
		'key_file', 'sealed', 'keys', 'secret_tables', 'secret_texts']
	LOOP
		BEGIN
			RETURN QUERY EXECUTE format(
				'SELECT DISTINCT v.status, v.item, v.detail, v.hint FROM dualdb.verify_%s($1) v', v_check)
				USING sides;
		EXCEPTION WHEN OTHERS THEN
			status := 'error';
			item := 'verify_' || v_check;
			detail := format('This could not be verified: %s.', SQLERRM);
			hint := format('SELECT * FROM dualdb.verify_%s(dualdb.verify_sides());', v_check);
			RETURN NEXT;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION dualdb.verify_findings(text[]) IS
	'internal: what verify_setup() finds amiss';
REVOKE ALL ON FUNCTION dualdb.verify_findings(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_setup(
	OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
-- many small statements: compiling them takes longer than they do
SET jit = off
AS $$
	WITH here AS MATERIALIZED (
		SELECT dualdb.verify_sides() AS sides
	), findings AS MATERIALIZED (
		SELECT f.status, f.item, f.detail, f.hint
		FROM here h CROSS JOIN LATERAL dualdb.verify_findings(h.sides) f
	)
	SELECT v.status, v.item, v.detail, v.hint
	FROM (
		SELECT f.status, f.item, f.detail, f.hint FROM findings f
		UNION ALL
		SELECT 'ok', i.item, i.says, NULL
		FROM dualdb.verify_items() i, here h
		WHERE i.side = ANY (h.sides) AND NOT EXISTS (SELECT FROM findings f WHERE f.item = i.item)
	) v
	ORDER BY CASE v.status WHEN 'error' THEN 1 WHEN 'warning' THEN 2 ELSE 3 END, v.item, v.detail
$$;
COMMENT ON FUNCTION dualdb.verify_setup() IS
	'does the server do what the design relies on? status ok, warning or error, and a hint that mends it';
REVOKE ALL ON FUNCTION dualdb.verify_setup() FROM PUBLIC;
