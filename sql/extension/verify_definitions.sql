-- verify_setup(): owners, functions, views, row-level security and triggers.

-- What is dualdb's in this database; indexes follow their tables.
CREATE FUNCTION dualdb.verify_objects(
	OUT kind text, OUT object text, OUT id oid, OUT schema text, OUT owner oid)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH ours AS MATERIALIZED (
		SELECT n.oid, n.nspname, n.nspowner FROM pg_namespace n
		WHERE n.nspname IN ('auth', 'bridge', 'app', 'dualdb')
	)
	SELECT o.kind, o.object, o.id, o.schema, o.owner
	FROM (
		SELECT 'SCHEMA' AS kind, quote_ident(s.nspname) AS object, s.oid AS id,
			s.nspname::text AS schema, s.nspowner AS owner, 'pg_namespace'::regclass::oid AS class
		FROM ours s
		UNION ALL
		SELECT 'TABLE', format('%I.%I', s.nspname, c.relname), c.oid, s.nspname,
			c.relowner, 'pg_class'::regclass
		FROM pg_class c JOIN ours s ON s.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
			-- a sequence of a column belongs to the table's owner
			OR c.relkind = 'S' AND NOT EXISTS (SELECT FROM pg_depend d
				WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i'))
		UNION ALL
		SELECT 'ROUTINE', p.oid::regprocedure::text, p.oid, s.nspname, p.proowner,
			'pg_proc'::regclass
		FROM pg_proc p JOIN ours s ON s.oid = p.pronamespace
	) o
	WHERE NOT EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
			WHERE d.classid = o.class AND d.objid = o.id AND d.deptype = 'e'
				AND d.refclassid = 'pg_extension'::regclass AND e.extname <> 'dualdb')
$$;
COMMENT ON FUNCTION dualdb.verify_objects() IS
	'internal: schemas, relations and functions of dualdb in this database';
REVOKE ALL ON FUNCTION dualdb.verify_objects() FROM PUBLIC;

CREATE FUNCTION dualdb.verify_owners(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'error', 'owners',
		format('%s %s belongs to role "%s".', initcap(o.kind), o.object, r.rolname),
		-- the owner of the tables sees all rows, and so would whoever reads its view
		CASE WHEN o.schema = 'app' AND c.relkind = 'm' THEN format('DROP MATERIALIZED VIEW %s;', o.object)
			WHEN o.schema = 'app' AND c.relkind = 'v' AND o.object NOT IN ('app.users', 'app.sync_status')
				THEN format('ALTER VIEW %s SET (security_invoker = true);', o.object)
			ELSE format('ALTER %s %s OWNER TO %I;', o.kind, o.object, w.rolname) END
	FROM dualdb.verify_objects() o
		LEFT JOIN pg_class c ON c.oid = o.id AND o.kind = 'TABLE'
		JOIN pg_roles r ON r.oid = o.owner
		JOIN pg_roles w ON w.rolname = CASE o.schema WHEN 'dualdb' THEN current_user
			ELSE format('dualdb_%s_owner', o.schema) END
	WHERE (o.schema IN ('dualdb', 'bridge') OR o.schema = ANY (sides))
		AND NOT CASE o.schema
			WHEN 'dualdb' THEN r.rolsuper
			WHEN 'app' THEN r.rolname IN ('dualdb_app_owner', 'dualdb_bridge_owner')
				AND (o.kind <> 'SCHEMA' OR r.oid = w.oid)
			ELSE r.oid = w.oid END
		-- which reads what its reader may read, whoever owns it
		AND NOT (o.schema = 'app' AND coalesce(c.relkind = 'v', false)
			AND dualdb.is_security_invoker(c.reloptions))
	UNION ALL
	SELECT 'error', 'definer_search_path',
		format('Function %s runs as role "%s" with a search_path that its caller or another role can fill.',
			o.object, r.rolname),
		format('ALTER ROUTINE %s SET search_path = pg_catalog, pg_temp;', o.object)
	FROM dualdb.verify_objects() o
		JOIN pg_proc p ON p.oid = o.id AND o.kind = 'ROUTINE'
		JOIN pg_roles r ON r.oid = o.owner
	WHERE p.prosecdef AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c (setting)
		WHERE c.setting ~ '^search_path=.*pg_temp"?$' AND c.setting !~ '[=, "](public|\$user)\M')
	UNION ALL
	SELECT 'error', 'bridge_views',
		format('View %s is no barrier: a condition of its reader''s can see the rows that it hides.', o.object),
		format('ALTER VIEW %s SET (security_barrier = true);', o.object)
	FROM dualdb.verify_objects() o JOIN pg_class c ON c.oid = o.id AND o.kind = 'TABLE'
	WHERE o.schema = 'bridge' AND c.relkind = 'v' AND c.relname <> 'feed' AND 'auth' = ANY (sides)
		AND NOT coalesce(c.reloptions && ARRAY['security_barrier=true', 'security_barrier=on',
			'security_barrier=1'], false)
$$;
COMMENT ON FUNCTION dualdb.verify_owners(text[]) IS
	'internal: verify_setup() of owners, SECURITY DEFINER functions and bridge views';
REVOKE ALL ON FUNCTION dualdb.verify_owners(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_row_security(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH tables AS (
		SELECT c.oid, c.relname, c.relrowsecurity
		FROM unnest(dualdb.verify_user_tables()) t (name)
			JOIN pg_class c ON c.relname = t.name
		WHERE c.relnamespace = to_regnamespace('app') AND c.relkind IN ('r', 'p')
			AND 'app' = ANY (sides)
	), user_policies AS (
		SELECT p.polname, p.polrelid, t.relname,
			p.polname = 'own_projects' AND p.polcmd = '*' AND p.polroles = ARRAY[to_regrole('dualdb_app_user')::oid]
				AND pg_get_expr(p.polqual, p.polrelid) = w.condition
				AND pg_get_expr(p.polwithcheck, p.polrelid) = w.condition AS good
		FROM pg_policy p JOIN tables t ON t.oid = p.polrelid
			CROSS JOIN LATERAL (SELECT CASE t.relname WHEN 'projects'
				THEN '(user_id = dualdb.user_id())' ELSE 'dualdb.owns_project(project_id)' END) w (condition)
		WHERE p.polpermissive AND (p.polname = 'own_projects' OR p.polroles
			&& ARRAY[0, to_regrole('dualdb_app_user')::oid])
	)
	SELECT 'error', 'row_security',
		format('Row-level security is off on app.%I: role "dualdb_app_user" sees the rows of all users.', t.relname),
		format('ALTER TABLE app.%I ENABLE ROW LEVEL SECURITY;', t.relname)
	FROM tables t WHERE NOT t.relrowsecurity
	UNION ALL
	SELECT 'error', 'policies',
		format('Table app.%I has no policy "%s".', t.relname, w.name),
		dualdb.verify_repair('app', sides)
	FROM tables t CROSS JOIN (VALUES ('own_projects'), ('all_rows')) w (name)
	WHERE NOT EXISTS (SELECT FROM pg_policy p
		WHERE p.polrelid = t.oid AND p.polname = w.name AND p.polpermissive)
	UNION ALL
	SELECT 'error', 'policies',
		format('Policy "%s" lets role "dualdb_app_user" see more of app.%I than its own rows.',
			u.polname, u.relname),
		format('DROP POLICY %I ON app.%I;%s', u.polname, u.relname,
			CASE WHEN u.polname IN ('own_projects', 'all_rows')
				THEN ' ' || dualdb.verify_repair('app', sides) END)
	FROM user_policies u WHERE NOT coalesce(u.good, false)
$$;
COMMENT ON FUNCTION dualdb.verify_row_security(text[]) IS
	'internal: verify_setup() of row-level security';
REVOKE ALL ON FUNCTION dualdb.verify_row_security(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_triggers(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH wanted (schema, relation, name, enabled) AS (VALUES
		('dualdb', 'trusted_keys', 'announce_change', 'A'),
		('dualdb', 'revocations', 'announce_change', 'A'),
		('auth', 'users', 'stamp_user', 'O'), ('auth', 'users', 'bury_user', 'O'),
		('auth', 'users', 'rename_user', 'O'), ('auth', 'sessions', 'revoke_ended_session', 'O'),
		('auth', 'sessions', 'revoke_deleted_session', 'O')
	), tables AS (
		SELECT c.oid, n.nspname, c.relname, format('%I.%I', n.nspname, c.relname) AS object
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'dualdb' OR n.nspname IN ('auth', 'app') AND n.nspname = ANY (sides)
	)
	SELECT 'error', 'triggers', format('Table %s has no trigger "%s".', t.object, w.name),
		CASE w.schema WHEN 'auth' THEN dualdb.verify_repair('auth', sides) ELSE format(
			'CREATE TRIGGER announce_change AFTER INSERT OR UPDATE OR DELETE ON %1$s FOR EACH ROW EXECUTE FUNCTION dualdb.announce_change(); ALTER TABLE %1$s ENABLE ALWAYS TRIGGER announce_change;',
			t.object) END
	FROM wanted w JOIN tables t ON t.nspname = w.schema AND t.relname = w.relation
	WHERE NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = t.oid AND g.tgname = w.name)
	UNION ALL
	SELECT 'error', 'triggers', format('Trigger "%s" of %s is disabled%s.', g.tgname, t.object,
			CASE WHEN g.tgenabled <> 'D' THEN ' where a role replicates' END),
		format('ALTER TABLE %s ENABLE%s TRIGGER %I;', t.object,
			CASE w.enabled WHEN 'A' THEN ' ALWAYS' END, g.tgname)
	FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid
		LEFT JOIN wanted w ON w.schema = t.nspname AND w.relation = t.relname AND w.name = g.tgname
	WHERE g.tgenabled NOT IN (coalesce(w.enabled, 'O')::"char", 'A')
	UNION ALL
	SELECT 'warning', 'triggers', format('Trigger "%s" of %s is not dualdb''s.', g.tgname, t.object),
		format('DROP TRIGGER %I ON %s;', g.tgname, t.object)
	FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid
	WHERE NOT g.tgisinternal AND t.nspname IN ('auth', 'dualdb')
		AND (t.nspname, t.relname, g.tgname) NOT IN (SELECT w.schema, w.relation, w.name FROM wanted w)
	UNION ALL
	SELECT 'error', 'triggers', format('Rule "%s" of %s is not dualdb''s.', r.rulename, t.object),
		format('DROP RULE %I ON %s;', r.rulename, t.object)
	FROM tables t JOIN pg_rewrite r ON r.ev_class = t.oid
	WHERE r.rulename <> '_RETURN'
	UNION ALL
	SELECT 'warning', 'triggers',
		format('Event trigger "%s" runs as whoever changes a definition here, or logs in.', e.evtname),
		format('DROP EVENT TRIGGER %I;', e.evtname)
	FROM pg_event_trigger e WHERE 'auth' = ANY (sides)
$$;
COMMENT ON FUNCTION dualdb.verify_triggers(text[]) IS
	'internal: verify_setup() of triggers and rules';
REVOKE ALL ON FUNCTION dualdb.verify_triggers(text[]) FROM PUBLIC;
