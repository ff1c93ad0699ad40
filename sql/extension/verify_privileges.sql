-- verify_setup(): who may do what in this database.

CREATE FUNCTION dualdb.verify_acl(
	OUT kind text, OUT object text, OUT id oid, OUT schema text, OUT name text,
	OUT owner oid, OUT column_name text, OUT grantee text, OUT privilege text,
	OUT grantable boolean)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH ours AS (
		SELECT n.oid, n.nspname, n.nspowner, n.nspacl FROM pg_namespace n
		WHERE n.nspname IN ('auth', 'bridge', 'app', 'dualdb', 'public')
	), objects (kind, object, id, schema, name, owner, column_name, acl) AS (
		SELECT 'database', 'DATABASE ' || quote_ident(d.datname), d.oid, '', d.datname::text,
			d.datdba, NULL, coalesce(d.datacl, acldefault('d', d.datdba))
		FROM pg_database d WHERE d.datname = current_database()
		UNION ALL
		SELECT 'schema', 'SCHEMA ' || quote_ident(o.nspname), o.oid, o.nspname, o.nspname,
			o.nspowner, NULL, coalesce(o.nspacl, acldefault('n', o.nspowner))
		FROM ours o
		UNION ALL
		SELECT 'relation', format('%s %I.%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
				o.nspname, c.relname), c.oid, o.nspname, c.relname, c.relowner, NULL,
			coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
		FROM pg_class c JOIN ours o ON o.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
		UNION ALL
		SELECT 'column', format('TABLE %I.%I', o.nspname, c.relname), c.oid, o.nspname,
			c.relname, c.relowner, a.attname, a.attacl
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
			JOIN ours o ON o.oid = c.relnamespace
		WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
		UNION ALL
		SELECT 'function', 'ROUTINE ' || p.oid::regprocedure, p.oid, o.nspname, p.proname,
			p.proowner, NULL, coalesce(p.proacl, acldefault('f', p.proowner))
		FROM pg_proc p JOIN ours o ON o.oid = p.pronamespace
		UNION ALL
		SELECT 'language', 'LANGUAGE ' || quote_ident(l.lanname), l.oid, '', l.lanname,
			l.lanowner, NULL, coalesce(l.lanacl, acldefault('l', l.lanowner))
		FROM pg_language l WHERE l.lanpltrusted
	)
	SELECT o.kind, o.object, o.id, o.schema, o.name, o.owner, o.column_name,
		coalesce(g.rolname, 'PUBLIC'), a.privilege_type, a.is_grantable
	FROM objects o
		CROSS JOIN LATERAL aclexplode(o.acl) a
		LEFT JOIN pg_roles g ON g.oid = a.grantee
	WHERE a.grantee <> o.owner AND (a.grantee = 0 OR g.oid IS NOT NULL)
		AND NOT (o.kind IN ('relation', 'function') AND EXISTS (
			SELECT FROM pg_depend e JOIN pg_extension x ON x.oid = e.refobjid
			WHERE e.objid = o.id AND e.deptype = 'e' AND x.extname <> 'dualdb'
				AND e.refclassid = 'pg_extension'::regclass))
$$;
COMMENT ON FUNCTION dualdb.verify_acl() IS
	'internal: every privilege of others than the owner on this database and on what is in dualdb''s schemas and in public';
REVOKE ALL ON FUNCTION dualdb.verify_acl() FROM PUBLIC;

-- A grant option is nowhere right, and takes what was granted by it along.
CREATE FUNCTION dualdb.verify_revoke_grant(
	privilege text, column_name text, object text, grantee text, grantable boolean)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('REVOKE %s%s ON %s FROM %s%s;', privilege,
		' (' || quote_ident(column_name) || ')', object,
		CASE grantee WHEN 'PUBLIC' THEN 'PUBLIC' ELSE quote_ident(grantee) END,
		CASE WHEN grantable THEN ' CASCADE' END)
$$;
COMMENT ON FUNCTION dualdb.verify_revoke_grant(text, text, text, text, boolean) IS
	'internal: the statement that takes a privilege back';
REVOKE ALL ON FUNCTION dualdb.verify_revoke_grant(text, text, text, text, boolean) FROM PUBLIC;

-- The rules for the database itself, schemas and languages.
CREATE FUNCTION dualdb.grant_allowed_outside(
	sides text[], kind text, name text, grantee text, privilege text)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE kind
		WHEN 'database' THEN CASE
			WHEN grantee = 'PUBLIC' THEN false
			WHEN privilege = 'CREATE' THEN false
			WHEN grantee = 'dualdb_bridge' THEN privilege = 'CONNECT' AND 'auth' = ANY (sides)
			WHEN privilege = 'TEMPORARY' THEN 'app' = ANY (sides)
			ELSE true END
		WHEN 'language' THEN NOT 'auth' = ANY (sides) OR name = 'sql'
			OR grantee NOT IN ('PUBLIC', 'dualdb_bridge')
		WHEN 'schema' THEN CASE name
			WHEN 'auth' THEN privilege = 'USAGE' AND (grantee IN
				('dualdb_auth_service', 'dualdb_auth_orm', 'dualdb_bridge_owner', 'pg_monitor')
				OR grantee = 'dualdb_app_owner' AND 'single' = ANY (sides))
			WHEN 'bridge' THEN privilege = 'USAGE' AND (
				grantee = 'dualdb_bridge' AND 'auth' = ANY (sides)
				OR grantee = 'dualdb_sync' AND 'app' = ANY (sides))
			WHEN 'app' THEN privilege = 'USAGE' AND grantee NOT IN ('PUBLIC', 'dualdb_bridge')
				OR privilege = 'CREATE' AND grantee = 'dualdb_bridge_owner'
			WHEN 'dualdb' THEN privilege = 'USAGE'
			WHEN 'public' THEN CASE WHEN 'app' = ANY (sides) THEN privilege = 'USAGE' OR grantee <> 'PUBLIC'
				ELSE grantee NOT IN ('PUBLIC', 'dualdb_bridge') END
			END
		END
$$;
COMMENT ON FUNCTION dualdb.grant_allowed_outside(text[], text, text, text, text) IS
	'internal: is a privilege on the database, a schema or a language as it should be?';
REVOKE ALL ON FUNCTION dualdb.grant_allowed_outside(text[], text, text, text, text) FROM PUBLIC;

-- The rules for relations and their columns.
CREATE FUNCTION dualdb.grant_allowed_on_relation(
	sides text[], schema text, name text, column_name text, row_security boolean,
	grantee text, privilege text)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN grantee = 'PUBLIC' THEN schema = 'public'
		WHEN schema = 'public' THEN grantee <> 'dualdb_bridge'
		WHEN schema = 'dualdb' THEN grantee IN
			('dualdb_auth_owner', 'dualdb_bridge_owner', 'dualdb_app_owner')
		WHEN schema = 'bridge' THEN
			grantee = 'dualdb_bridge' AND 'auth' = ANY (sides) AND privilege = 'SELECT'
			OR grantee = 'dualdb_app_owner' AND 'single' = ANY (sides) AND privilege = 'SELECT'
		WHEN schema = 'auth' AND grantee = 'dualdb_auth_orm' THEN
			name IN ('users', 'sessions', 'refresh_tokens', 'api_keys', 'roles', 'permissions')
				AND privilege IN ('SELECT', 'INSERT', 'UPDATE')
			OR name = 'directory_columns' AND privilege = 'SELECT'
			OR name IN ('role_permissions', 'user_roles')
				AND privilege IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
		WHEN schema = 'auth' AND (grantee = 'dualdb_bridge_owner'
			OR grantee = 'dualdb_app_owner' AND 'single' = ANY (sides)) THEN
			privilege = 'SELECT' AND (name IN ('deleted_users', 'directory_columns') OR name = 'users'
				AND column_name !~* '(password|token|secret|hash)')
		WHEN schema = 'auth' THEN
			name = 'statistics' AND grantee = 'pg_monitor' AND privilege = 'SELECT'
		-- reading and writing rows is all that anybody needs here
		WHEN privilege NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') THEN false
		WHEN name = 'users' THEN
			privilege <> 'DELETE' AND grantee = 'dualdb_bridge_owner'
			OR privilege = 'SELECT' AND (grantee <> 'dualdb_app_user' OR column_name <> 'email')
		WHEN grantee = 'dualdb_app_readonly' THEN privilege = 'SELECT'
		WHEN grantee = 'dualdb_app_user' THEN row_security
		ELSE grantee <> 'dualdb_bridge'
	END
$$;
COMMENT ON FUNCTION dualdb.grant_allowed_on_relation(text[], text, text, text, boolean, text, text) IS
	'internal: is a privilege on a relation or column as it should be?';
REVOKE ALL ON FUNCTION dualdb.grant_allowed_on_relation(text[], text, text, text, boolean, text, text) FROM PUBLIC;

-- The rules for functions.  What a comment calls internal is for its owner.
CREATE FUNCTION dualdb.grant_allowed_on_function(
	schema text, name text, description text, grantee text)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE schema
		WHEN 'auth' THEN CASE grantee
			WHEN 'dualdb_auth_service' THEN coalesce(description NOT LIKE 'internal:%', false)
			WHEN 'dualdb_auth_orm' THEN name = 'normalize_email'
			ELSE grantee LIKE 'dualdb\_%owner' END
		WHEN 'bridge' THEN grantee = 'dualdb_sync' OR grantee LIKE 'dualdb\_%owner'
		WHEN 'app' THEN grantee NOT IN ('PUBLIC', 'dualdb_bridge')
		WHEN 'dualdb' THEN
			name IN ('new_id', 'user_id', 'session_id', 'claims', 'has_role', 'has_permission',
				'password_hash_class')
			OR grantee LIKE 'dualdb\_%owner' AND name !~ '^(setup|run_setup|verify_setup)'
			OR grantee = 'dualdb_sync' AND name = 'sync'
			OR grantee = 'pg_monitor' AND name IN ('statistic', 'statistics_since')
			OR grantee <> 'PUBLIC' AND name IN ('hash_password', 'verify_password',
				'password_needs_rehash', 'jwt_verify', 'jwks', 'authenticate',
				'authenticate_session', 'owns_project', 'own_project_ids')
		ELSE true
	END
$$;
COMMENT ON FUNCTION dualdb.grant_allowed_on_function(text, text, text, text) IS
	'internal: is a privilege on a function as it should be?';
REVOKE ALL ON FUNCTION dualdb.grant_allowed_on_function(text, text, text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_grants(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'error', a.kind || '_privileges',
		format('%s has %s%s on %s%s.',
			CASE a.grantee WHEN 'PUBLIC' THEN 'PUBLIC' ELSE format('Role "%s"', a.grantee) END,
			a.privilege, ' (' || a.column_name || ')', lower(split_part(a.object, ' ', 1)) || ' '
				|| substr(a.object, strpos(a.object, ' ') + 1),
			CASE WHEN a.grantable THEN ', with grant option' END),
		dualdb.verify_revoke_grant(a.privilege, a.column_name, a.object, a.grantee, a.grantable)
	FROM dualdb.verify_acl() a
		LEFT JOIN pg_class c ON c.oid = a.id AND a.kind IN ('relation', 'column')
	WHERE (a.schema NOT IN ('auth', 'bridge', 'app') OR a.schema = 'bridge'
			OR a.schema = ANY (sides))
		AND ('auth' = ANY (sides) OR 'app' = ANY (sides) OR a.schema = 'dualdb')
		AND (a.grantable AND a.schema <> 'public' OR NOT coalesce(CASE
			WHEN a.kind IN ('relation', 'column') THEN
				dualdb.grant_allowed_on_relation(sides, a.schema, a.name, a.column_name,
					-- where it is off on dualdb's own tables, that is what is amiss
					c.relrowsecurity OR c.relkind = 'v'
						OR a.name = ANY (dualdb.verify_user_tables()), a.grantee, a.privilege)
			WHEN a.kind = 'function' THEN
				dualdb.grant_allowed_on_function(a.schema, a.name,
					obj_description(a.id, 'pg_proc'), a.grantee)
			ELSE dualdb.grant_allowed_outside(sides, a.kind, a.name, a.grantee, a.privilege)
		END, false))
$$;
COMMENT ON FUNCTION dualdb.verify_grants(text[]) IS
	'internal: verify_setup() of privileges in this database';
REVOKE ALL ON FUNCTION dualdb.verify_grants(text[]) FROM PUBLIC;
