-- verify_setup(): functions that are not what the setup makes of them, and views and
-- functions of others that lend their owner's rights.

-- What every run of the setup replays here.
CREATE FUNCTION dualdb.verify_parts(sides text[], OUT side text, OUT part text, OUT sql text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 30
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT w.side, p.name, E'\n' || dualdb.setup_part(p.name)
	FROM (VALUES ('auth', 'auth'), ('app', CASE WHEN 'single' = ANY (sides) THEN 'single' ELSE 'app' END)) w (side, script)
		CROSS JOIN LATERAL unnest(dualdb.setup_replayed(w.script)) r (step)
		CROSS JOIN LATERAL regexp_replace(r.step, '^.*:', '') p (name)
	-- those are of the move to two databases
	WHERE w.side = ANY (sides) AND NOT (w.script = 'app' AND p.name LIKE 'single/%')
$$;
COMMENT ON FUNCTION dualdb.verify_parts(text[]) IS
	'internal: the parts of the setup that verify_setup() compares with';
REVOKE ALL ON FUNCTION dualdb.verify_parts(text[]) FROM PUBLIC;

-- The body is NULL where a part makes it for the columns at the time, and empty, as
-- in pg_proc, where it is SQL-standard.
CREATE FUNCTION dualdb.verify_made_functions(
	sides text[], OUT side text, OUT schema text, OUT name text, OUT as_owner boolean,
	OUT body text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.side, split_part(f.name, '.', 1), split_part(f.name, '.', 2),
		strpos(f.header, 'SECURITY DEFINER') > 0,
		CASE WHEN strpos(f.chunk, E'\nAS %L') = 0
			THEN split_part(split_part(c.sql, E'\nAS $' || '$', 2), '$' || '$;', 1) END
	FROM dualdb.verify_parts(sides) p
		CROSS JOIN LATERAL regexp_split_to_table(p.sql, '\nCREATE OR REPLACE FUNCTION ')
			WITH ORDINALITY c (sql, n)
		CROSS JOIN LATERAL (SELECT split_part(c.sql, '(', 1), split_part(
			split_part(c.sql, E'\nCOMMENT ON FUNCTION ', 1), E'\nAS $' || '$', 1),
			split_part(c.sql, E'\nCOMMENT ON FUNCTION ', 1)) f (name, header, chunk)
	WHERE c.n > 1 AND f.name ~ '^[a-z_]+\.[a-z_0-9]+$'
$$;
COMMENT ON FUNCTION dualdb.verify_made_functions(text[]) IS
	'internal: the functions that the setup makes, as its text has them';
REVOKE ALL ON FUNCTION dualdb.verify_made_functions(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_definitions(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'error', 'definitions', format(CASE
			WHEN h.n = 0 THEN 'Function %I.%I is missing.'
			WHEN h.same = 0 THEN 'Function %I.%I is not the one that the setup makes.'
			WHEN f.as_owner THEN 'Function %I.%I does not run as its owner.'
			ELSE 'Function %I.%I runs as its owner.' END, f.schema, f.name),
		dualdb.verify_repair(f.side, sides)
	FROM dualdb.verify_made_functions(sides) f
		CROSS JOIN LATERAL (SELECT count(*) AS n,
				count(*) FILTER (WHERE p.prosrc = coalesce(f.body, p.prosrc)) AS same,
				count(*) FILTER (WHERE p.prosrc = coalesce(f.body, p.prosrc)
					AND p.prosecdef = f.as_owner) AS good
			FROM pg_proc p
			WHERE p.proname = f.name AND p.pronamespace = to_regnamespace(f.schema)) h
	WHERE h.good = 0
$$;
COMMENT ON FUNCTION dualdb.verify_definitions(text[]) IS
	'internal: verify_setup() of functions, against the text of the setup';
REVOKE ALL ON FUNCTION dualdb.verify_definitions(text[]) FROM PUBLIC;

-- What stands for a made function, right or wrong, is in verify_definitions(); an
-- overload of one is somebody else's.
CREATE FUNCTION dualdb.verify_strange_functions(sides text[], OUT id oid)
RETURNS SETOF oid
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH made AS MATERIALIZED (
		SELECT to_regnamespace(m.schema)::oid AS schema, m.name, m.body
		FROM dualdb.verify_made_functions(sides) m
	)
	SELECT p.oid
	FROM pg_proc p
		JOIN pg_namespace n ON n.oid = p.pronamespace
		LEFT JOIN made m ON m.schema = p.pronamespace AND m.name = p.proname
	WHERE p.prosecdef AND p.oid >= 16384 AND n.nspname NOT IN ('dualdb', 'pg_catalog')
		AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
		AND NOT (n.nspname = 'app' AND p.proname IN ('lookup_users', 'lookup_user_by_email')
			AND p.proowner = to_regrole('dualdb_bridge_owner'))
		AND (m.name IS NULL OR m.body <> p.prosrc AND EXISTS (SELECT FROM pg_proc o
			WHERE o.pronamespace = m.schema AND o.proname = m.name AND o.prosrc = m.body))
		AND NOT EXISTS (SELECT FROM pg_depend d
			WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
$$;
COMMENT ON FUNCTION dualdb.verify_strange_functions(text[]) IS
	'internal: SECURITY DEFINER functions that no setup and no extension has made';
REVOKE ALL ON FUNCTION dualdb.verify_strange_functions(text[]) FROM PUBLIC;

-- By whatever other views lie between.
CREATE FUNCTION dualdb.verify_strange_views(sides text[], OUT id oid)
RETURNS SETOF oid
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE readers (id) AS (
		SELECT c.oid FROM pg_class c
		WHERE c.relkind IN ('r', 'p') AND (
			'app' = ANY (sides) AND c.relnamespace = to_regnamespace('app')
				AND c.relname = ANY (dualdb.verify_user_tables())
			OR 'auth' = ANY (sides) AND c.relnamespace = to_regnamespace('auth'))
		UNION
		SELECT w.ev_class
		FROM readers r
			JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = r.id
				AND d.classid = 'pg_rewrite'::regclass
			JOIN pg_rewrite w ON w.oid = d.objid
	)
	SELECT c.oid
	FROM readers r JOIN pg_class c ON c.oid = r.id
		JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('v', 'm') AND (n.nspname, c.relname) <> ('app', 'users')
		-- the auth database's bridge has a rule of its own
		AND NOT (n.nspname = 'bridge' AND 'auth' = ANY (sides))
		AND NOT dualdb.is_security_invoker(c.reloptions)
$$;
COMMENT ON FUNCTION dualdb.verify_strange_views(text[]) IS
	'internal: views that read rows of users as their owner, and are not dualdb''s';
REVOKE ALL ON FUNCTION dualdb.verify_strange_views(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_lent_rights(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH users AS (
		SELECT r.oid FROM pg_roles r
		WHERE r.rolname = 'dualdb_app_user' AND 'app' = ANY (sides)
			OR r.rolname IN ('dualdb_auth_service', 'dualdb_app_service', 'dualdb_app_user',
				'dualdb_app_readonly') AND 'auth' = ANY (sides) AND NOT 'single' = ANY (sides)
			OR r.rolname = 'dualdb_auth_service' AND 'single' = ANY (sides)
	), lent (object, owner, schema, mend) AS (
		SELECT 'Function ' || p.oid::regprocedure, p.proowner, p.pronamespace,
			format('ALTER ROUTINE %s SECURITY INVOKER;', p.oid::regprocedure)
		FROM dualdb.verify_strange_functions(sides) f JOIN pg_proc p ON p.oid = f.id
		WHERE EXISTS (SELECT FROM users u WHERE has_function_privilege(u.oid, p.oid, 'EXECUTE')
			AND has_schema_privilege(u.oid, p.pronamespace, 'USAGE'))
		UNION ALL
		SELECT format('View %I.%I', n.nspname, c.relname), c.relowner, n.oid,
			format(CASE c.relkind WHEN 'v' THEN 'ALTER VIEW %I.%I SET (security_invoker = true);'
				ELSE 'DROP MATERIALIZED VIEW %I.%I;' END, n.nspname, c.relname)
		FROM dualdb.verify_strange_views(sides) v JOIN pg_class c ON c.oid = v.id
			JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE EXISTS (SELECT FROM users u WHERE has_schema_privilege(u.oid, n.oid, 'USAGE')
			AND has_any_column_privilege(u.oid, c.oid, 'SELECT, INSERT, UPDATE'))
	)
	SELECT 'warning', 'lent_rights',
		format('%s lends its caller the rights of role "%s", and is not dualdb''s.', l.object, r.rolname),
		l.mend
	FROM lent l JOIN pg_roles r ON r.oid = l.owner
	WHERE r.rolsuper OR r.rolbypassrls OR r.rolname ~ '^dualdb_(auth|bridge|app)_owner$'
$$;
COMMENT ON FUNCTION dualdb.verify_lent_rights(text[]) IS
	'internal: verify_setup() of ways past row-level security and the privileges on schema auth';
REVOKE ALL ON FUNCTION dualdb.verify_lent_rights(text[]) FROM PUBLIC;
