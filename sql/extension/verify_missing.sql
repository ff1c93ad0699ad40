-- verify_setup(): privileges that setup grants, and somebody has taken away.

-- As the text of the setup has them.
CREATE FUNCTION dualdb.verify_made_grants(
	sides text[], OUT side text, OUT function text, OUT grantee text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.side, f.signature, g.name
	FROM dualdb.verify_parts(sides) p
		CROSS JOIN LATERAL regexp_matches(p.sql,
			'\nGRANT EXECUTE ON FUNCTION\s+([^;]*\))\s+TO\s+([^;]*);', 'g') m (words)
		CROSS JOIN LATERAL regexp_split_to_table(m.words[1], '(?<=\)),\s*') f (signature)
		CROSS JOIN LATERAL regexp_split_to_table(m.words[2], ',\s*') g (name)
$$;
COMMENT ON FUNCTION dualdb.verify_made_grants(text[]) IS
	'internal: the functions that the setup grants, and to whom';
REVOKE ALL ON FUNCTION dualdb.verify_made_grants(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_missing_privileges(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH app_roles (name) AS (VALUES
		('dualdb_app_service'), ('dualdb_app_readonly'), ('dualdb_app_user')
	), wanted (side, grantee, privilege, kind, object) AS (
		VALUES ('auth', 'dualdb_bridge', 'CONNECT', 'database', quote_ident(current_database())),
			('auth', 'dualdb_bridge', 'USAGE', 'schema', 'bridge'),
			('auth', 'dualdb_auth_service', 'USAGE', 'schema', 'auth')
		UNION ALL
		SELECT 'auth', 'dualdb_bridge', 'SELECT', 'relation', 'bridge.' || v.name
		FROM unnest(dualdb.verify_bridge_views()) v (name)
		UNION ALL
		SELECT 'app', r.name, 'USAGE', 'schema', 'app' FROM app_roles r
		UNION ALL
		SELECT 'app', r.name, 'SELECT', 'relation', 'app.' || t.name
		FROM app_roles r CROSS JOIN unnest(dualdb.verify_user_tables()) t (name)
		UNION ALL
		SELECT f.side, f.grantee, 'EXECUTE', 'function', f.function
		FROM dualdb.verify_made_grants(sides) f
	)
	SELECT 'error', 'missing_privileges',
		format('Role "%s" lacks %s on %s %s.', w.grantee, w.privilege, w.kind, w.object),
		dualdb.verify_repair(w.side, sides)
	FROM wanted w JOIN pg_roles r ON r.rolname = w.grantee
	WHERE w.side = ANY (sides) AND NOT CASE w.kind
		WHEN 'database' THEN has_database_privilege(r.oid, current_database(), w.privilege)
		WHEN 'schema' THEN has_schema_privilege(r.oid, to_regnamespace(w.object)::oid, w.privilege)
		WHEN 'relation' THEN has_table_privilege(r.oid, to_regclass(w.object)::oid, w.privilege)
		WHEN 'function' THEN has_function_privilege(r.oid, to_regprocedure(w.object)::oid, w.privilege)
	END
$$;
COMMENT ON FUNCTION dualdb.verify_missing_privileges(text[]) IS
	'internal: verify_setup() of privileges that are not there';
REVOKE ALL ON FUNCTION dualdb.verify_missing_privileges(text[]) FROM PUBLIC;
