-- verify_setup(): what role dualdb_bridge and PUBLIC reach beyond dualdb's schemas.

-- Writing, waiting, signalling, holding back the feed and bulk reading: what
-- setup_auth() takes from PUBLIC.  set_config() stays: logical replication and
-- connection poolers call it.
CREATE FUNCTION dualdb.hardened_functions() RETURNS SETOF regprocedure
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.oid::regprocedure FROM pg_proc p
	WHERE p.pronamespace = 'pg_catalog'::regnamespace
		AND p.proname ~ '^(lo_(?!(im|ex)port$)|lowrite$|loread$|pg_(try_)?advisory_|pg_notify$|pg_sleep|pg_logical_emit_message$|pg_export_snapshot$|pg_current_xact_id$|txid_current$|pg_cancel_backend$|pg_terminate_backend$|(query|table|schema|database|cursor)_to_xml)'
$$;
COMMENT ON FUNCTION dualdb.hardened_functions() IS
	'internal: the functions of the server that PUBLIC may not call in an auth database';
REVOKE ALL ON FUNCTION dualdb.hardened_functions() FROM PUBLIC;

CREATE FUNCTION dualdb.verify_databases(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN p.everybody THEN 'warning' ELSE 'error' END, 'bridge_connect',
		format('%s may connect to database "%s"; only pg_hba.conf keeps role "dualdb_bridge" out.',
			CASE WHEN p.everybody THEN 'PUBLIC' ELSE 'Role "dualdb_bridge"' END, d.datname),
		format('REVOKE CONNECT ON DATABASE %I FROM %s;', d.datname,
			CASE WHEN p.everybody THEN 'PUBLIC' ELSE 'dualdb_bridge' END)
	FROM pg_database d
		CROSS JOIN LATERAL (SELECT DISTINCT a.grantee = 0 AS everybody
			FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
			WHERE a.privilege_type = 'CONNECT'
				AND a.grantee IN (0, to_regrole('dualdb_bridge'))) p
	WHERE to_regrole('dualdb_bridge') IS NOT NULL AND d.datallowconn
		AND d.datname <> current_database()
		AND d.datname <> dualdb.verify_auth_database(sides)
	UNION ALL
	SELECT 'warning', 'database_owner',
		format('Database "%s" belongs to role "%s", which is no superuser and may change its settings and schema public.',
			d.datname, r.rolname),
		format('ALTER DATABASE %I OWNER TO %I;', d.datname, current_user)
	FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba
	WHERE d.datname = current_database() AND NOT r.rolsuper
$$;
COMMENT ON FUNCTION dualdb.verify_databases(text[]) IS
	'internal: verify_setup() of the databases that the bridge role may connect to';
REVOKE ALL ON FUNCTION dualdb.verify_databases(text[]) FROM PUBLIC;

-- A view or function of the operator's can be in the bridge role's reach by PUBLIC.
CREATE FUNCTION dualdb.verify_bridge_reach(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH bridge AS (
		SELECT r.oid FROM pg_roles r WHERE r.rolname = 'dualdb_bridge' AND NOT r.rolsuper
			AND 'auth' = ANY (sides)
	), objects (object, acl) AS (
		SELECT 'SCHEMA ' || quote_ident(n.nspname), n.nspacl
		FROM pg_namespace n, bridge b
		WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'auth', 'bridge', 'app',
				'dualdb', 'public')
			AND has_schema_privilege(b.oid, n.oid, 'USAGE, CREATE')
		UNION ALL
		SELECT 'FOREIGN SERVER ' || quote_ident(s.srvname), s.srvacl FROM pg_foreign_server s, bridge b
		WHERE has_server_privilege(b.oid, s.oid, 'USAGE')
		UNION ALL
		SELECT 'FOREIGN DATA WRAPPER ' || quote_ident(w.fdwname), w.fdwacl
		FROM pg_foreign_data_wrapper w, bridge b
		WHERE has_foreign_data_wrapper_privilege(b.oid, w.oid, 'USAGE')
		UNION ALL
		SELECT 'LARGE OBJECT ' || l.oid, l.lomacl FROM pg_largeobject_metadata l, bridge b
		WHERE EXISTS (SELECT FROM aclexplode(l.lomacl) a WHERE a.grantee IN (0, b.oid))
	)
	SELECT 'error', CASE WHEN o.object LIKE 'LARGE%' THEN 'large_objects' ELSE 'bridge_reach' END,
		format('Role "dualdb_bridge" reaches %s.', lower(split_part(o.object, ' ', 1))
			|| substr(o.object, strpos(o.object, ' '))),
		format('REVOKE ALL ON %s FROM PUBLIC, dualdb_bridge;', o.object)
	FROM objects o
	UNION ALL
	SELECT 'error', 'bridge_reach', format('Relation %s in the bridge''s schema is not dualdb''s.', o.object),
		format('DROP %s %s;', CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
			WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, o.object)
	FROM dualdb.verify_objects() o JOIN pg_class c ON c.oid = o.id
	WHERE o.kind = 'TABLE' AND o.schema = 'bridge' AND 'auth' = ANY (sides)
		AND c.relname <> ALL (dualdb.verify_bridge_views())
	UNION ALL
	SELECT 'error', 'large_objects',
		'lo_compat_privileges lets everybody read and write every large object.',
		format('ALTER SYSTEM RESET lo_compat_privileges; ALTER DATABASE %I SET lo_compat_privileges = off; SELECT pg_reload_conf();',
			current_database())
	FROM pg_settings s
	WHERE s.name = 'lo_compat_privileges' AND s.reset_val = 'on' AND 'auth' = ANY (sides)
	UNION ALL
	SELECT 'error', 'catalog_functions',
		format('PUBLIC may call %s.', f.signature),
		format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC;', f.signature)
	FROM dualdb.hardened_functions() f (signature) JOIN pg_proc p ON p.oid = f.signature
	WHERE 'auth' = ANY (sides) AND EXISTS (SELECT
		FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0)
$$;
COMMENT ON FUNCTION dualdb.verify_bridge_reach(text[]) IS
	'internal: verify_setup() of what the bridge role reaches outside dualdb''s schemas';
REVOKE ALL ON FUNCTION dualdb.verify_bridge_reach(text[]) FROM PUBLIC;

-- What initdb has granted on the catalog is right; what came later is not.
CREATE FUNCTION dualdb.verify_catalog(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH objects (class, id, column_number, column_name, object, acl, owner, kind) AS (
		SELECT 'pg_class'::regclass, c.oid, 0, NULL::name, 'TABLE ' || c.oid::regclass,
			c.relacl, c.relowner, 'r'::"char"
		FROM pg_class c
		WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind IN ('r', 'v')
			AND c.relacl IS NOT NULL
		UNION ALL
		SELECT 'pg_class'::regclass, c.oid, a.attnum, a.attname, 'TABLE ' || c.oid::regclass,
			a.attacl, c.relowner, 'c'::"char"
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = 'pg_catalog'::regnamespace AND a.attacl IS NOT NULL
		UNION ALL
		SELECT 'pg_proc'::regclass, p.oid, 0, NULL, 'FUNCTION ' || p.oid::regprocedure,
			p.proacl, p.proowner, 'f'::"char"
		FROM pg_proc p
		WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proacl IS NOT NULL
			AND p.oid NOT IN (SELECT f.signature FROM dualdb.hardened_functions() f (signature))
	)
	SELECT 'error', 'catalog_privileges',
		format('%s has %s%s on %s.', CASE a.grantee WHEN 0 THEN 'PUBLIC'
				ELSE format('Role "%s"', r.rolname) END,
			a.privilege_type, ' (' || o.column_name || ')',
			substr(o.object, strpos(o.object, ' ') + 1)),
		dualdb.verify_revoke_grant(a.privilege_type, o.column_name, o.object,
			coalesce(r.rolname, 'PUBLIC'), a.is_grantable)
	FROM objects o
		CROSS JOIN LATERAL aclexplode(o.acl) a
		LEFT JOIN pg_roles r ON r.oid = a.grantee
	WHERE (a.grantee = 0 OR r.rolname LIKE 'dualdb\_%')
		AND NOT EXISTS (
			SELECT FROM aclexplode(coalesce((SELECT i.initprivs FROM pg_init_privs i
				WHERE i.classoid = o.class AND i.objoid = o.id AND i.objsubid = o.column_number),
				acldefault(o.kind, o.owner))) b
			WHERE b.grantee = a.grantee AND b.privilege_type = a.privilege_type)
$$;
COMMENT ON FUNCTION dualdb.verify_catalog(text[]) IS
	'internal: verify_setup() of privileges on the system catalog';
REVOKE ALL ON FUNCTION dualdb.verify_catalog(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_default_privileges(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'error', 'default_privileges',
		format('%s that role "%s" makes%s will be open to %s.', initcap(k.kinds), o.rolname,
			' in schema ' || quote_ident(n.nspname),
			CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE format('role "%s"', g.rolname) END),
		format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE ALL ON %s FROM %s;', o.rolname,
			' IN SCHEMA ' || quote_ident(n.nspname), k.kinds,
			CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(g.rolname) END)
	FROM pg_default_acl d
		JOIN pg_roles o ON o.oid = d.defaclrole
		LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
		CROSS JOIN LATERAL (SELECT CASE d.defaclobjtype WHEN 'r' THEN 'TABLES'
			WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES'
			WHEN 'L' THEN 'LARGE OBJECTS' ELSE 'SCHEMAS' END AS kinds) k
		CROSS JOIN LATERAL (SELECT DISTINCT a.grantee FROM aclexplode(d.defaclacl) a) x
		LEFT JOIN pg_roles g ON g.oid = x.grantee
	WHERE (o.rolname ~ '^dualdb_(auth|bridge|app)_owner$'
			OR n.nspname IN ('auth', 'bridge', 'dualdb'))
		AND x.grantee <> d.defaclrole AND (x.grantee = 0 OR g.oid IS NOT NULL)
		-- types of the bridge's and the app's owners are open as the server makes them
		AND NOT (d.defaclobjtype = 'T' AND x.grantee = 0 AND n.oid IS NULL)
	UNION ALL
	SELECT 'error', 'default_privileges',
		format('Functions that role "%s" makes will be open to PUBLIC.', r.rolname),
		format('ALTER DEFAULT PRIVILEGES FOR ROLE %I REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;', r.rolname)
	FROM (VALUES ('dualdb_auth_owner', 'auth'), ('dualdb_app_owner', 'app'),
			('dualdb_bridge_owner', 'bridge'), ('dualdb_bridge_owner', 'auth')) w (name, side)
		JOIN pg_roles r ON r.rolname = w.name
	WHERE w.side = ANY (sides) AND NOT (w.name = 'dualdb_bridge_owner' AND 'single' = ANY (sides))
		AND NOT EXISTS (SELECT FROM pg_default_acl d
			WHERE d.defaclrole = r.oid AND d.defaclobjtype = 'f' AND d.defaclnamespace = 0)
$$;
COMMENT ON FUNCTION dualdb.verify_default_privileges(text[]) IS
	'internal: verify_setup() of what new objects will be open to';
REVOKE ALL ON FUNCTION dualdb.verify_default_privileges(text[]) FROM PUBLIC;
