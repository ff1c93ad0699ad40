-- verify_setup(): roles, what they are and who can become them.

-- sql/auth/harden.sql gives these to the bridge role; each as SQL writes it.
CREATE FUNCTION dualdb.bridge_settings() RETURNS SETOF text
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES ('default_transaction_read_only = on'), ('statement_timeout = ''5s'''),
		('lock_timeout = ''1s'''), ('idle_in_transaction_session_timeout = ''30s'''),
		('idle_session_timeout = ''5min'''),
		('search_path = pg_catalog, pg_temp'), ('row_security = on'),
		('temp_file_limit = ''64MB'''), ('work_mem = ''4MB'''),
		('max_parallel_workers_per_gather = 0'), ('log_statement = ''none''')
$$;
COMMENT ON FUNCTION dualdb.bridge_settings() IS
	'internal: settings of role dualdb_bridge in an auth database';
REVOKE ALL ON FUNCTION dualdb.bridge_settings() FROM PUBLIC;

CREATE FUNCTION dualdb.fixed_roles(OUT name text, OUT side text, OUT login boolean)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 12
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES ('dualdb_auth_owner', 'auth', false), ('dualdb_auth_service', 'auth', false),
		('dualdb_auth_orm', 'auth', false), ('dualdb_bridge', 'auth', true),
		('dualdb_bridge_owner', 'auth', false), ('dualdb_bridge_owner', 'app', false),
		('dualdb_app_owner', 'app', false), ('dualdb_app_service', 'app', false),
		('dualdb_app_user', 'app', false), ('dualdb_app_readonly', 'app', false),
		('dualdb_sync', 'bridge', false), ('dualdb_replicator', '', true)
$$;
COMMENT ON FUNCTION dualdb.fixed_roles() IS
	'internal: the roles that setup makes, by the side that needs them';
REVOKE ALL ON FUNCTION dualdb.fixed_roles() FROM PUBLIC;

CREATE FUNCTION dualdb.verify_role_attributes(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'error', 'role_missing', format('Role "%s" is missing.', f.name),
		dualdb.verify_repair(f.side, sides)
	FROM dualdb.fixed_roles() f
	WHERE f.side = ANY (sides) AND to_regrole(f.name) IS NULL
		AND NOT (f.name LIKE 'dualdb_bridge%' AND 'single' = ANY (sides))
	UNION ALL
	SELECT 'error', 'role_attributes',
		format('Role "%s" has attributes that it must not have: %s.', a.rolname, a.wrong),
		format('ALTER ROLE %I%s;', a.rolname, a.mend)
	FROM (
		SELECT r.rolname, concat_ws(', ', x.super, x.createdb, x.createrole, x.bypass,
				x.replication, x.login, x.inherits, x.unlimited) AS wrong,
			' NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS'
			|| coalesce(' NO' || x.replication, '')
			|| CASE WHEN x.login IS NULL THEN '' WHEN f.login THEN ' LOGIN' ELSE ' NOLOGIN' END
			|| coalesce(' NO' || x.inherits, '')
			|| CASE WHEN x.unlimited IS NULL THEN '' ELSE ' CONNECTION LIMIT 60' END AS mend
		FROM pg_roles r
			LEFT JOIN (SELECT DISTINCT d.name, d.login FROM dualdb.fixed_roles() d) f ON f.name = r.rolname
			CROSS JOIN LATERAL (SELECT
				CASE WHEN r.rolsuper THEN 'SUPERUSER' END AS super,
				CASE WHEN r.rolcreatedb THEN 'CREATEDB' END AS createdb,
				CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END AS createrole,
				CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END AS bypass,
				CASE WHEN r.rolreplication AND r.rolname <> 'dualdb_replicator'
					THEN 'REPLICATION' END AS replication,
				CASE WHEN r.rolcanlogin AND NOT f.login THEN 'LOGIN'
					WHEN NOT r.rolcanlogin AND f.login THEN 'NOLOGIN' END AS login,
				CASE WHEN r.rolinherit AND r.rolname = 'dualdb_bridge' THEN 'INHERIT' END AS inherits,
				CASE WHEN r.rolconnlimit < 0 AND r.rolname = 'dualdb_bridge'
					THEN 'no CONNECTION LIMIT' END AS unlimited) x
		WHERE r.rolname LIKE 'dualdb\_%') a
	WHERE a.wrong <> ''
$$;
COMMENT ON FUNCTION dualdb.verify_role_attributes(text[]) IS
	'internal: verify_setup() of the roles'' attributes';
REVOKE ALL ON FUNCTION dualdb.verify_role_attributes(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_role_settings(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'error', 'role_password',
		format('Role "%s" has a password%s.', a.rolname,
			CASE WHEN a.rolcanlogin THEN ' of the kind md5' END),
		format('ALTER ROLE %I PASSWORD NULL;', a.rolname)
	FROM pg_authid a
	WHERE a.rolname LIKE 'dualdb\_%'
		AND CASE WHEN a.rolname IN ('dualdb_bridge', 'dualdb_replicator')
			THEN a.rolpassword LIKE 'md5%' ELSE a.rolpassword IS NOT NULL END
	UNION ALL
	SELECT 'error', 'bridge_settings',
		format('Role "dualdb_bridge" does not have the setting %s here.', w.setting),
		format('ALTER ROLE dualdb_bridge IN DATABASE %I SET %s;', current_database(), w.setting)
	FROM dualdb.bridge_settings() w (setting)
	WHERE 'auth' = ANY (sides) AND to_regrole('dualdb_bridge') IS NOT NULL
		AND NOT EXISTS (
			SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
			WHERE d.datname = current_database() AND s.setrole = to_regrole('dualdb_bridge')
				AND replace(replace(w.setting, ' = ', '='), '''', '') = ANY (s.setconfig))
	UNION ALL
	SELECT 'error', 'bridge_settings',
		format('Role "dualdb_bridge" has the setting %s%s.', c.setting,
			coalesce(' in database ' || quote_ident(d.datname), ' everywhere')),
		format('ALTER ROLE dualdb_bridge%s RESET %I;',
			' IN DATABASE ' || quote_ident(d.datname), split_part(c.setting, '=', 1))
	FROM pg_db_role_setting s
		LEFT JOIN pg_database d ON d.oid = s.setdatabase
		CROSS JOIN LATERAL unnest(s.setconfig) c (setting)
	WHERE s.setrole = to_regrole('dualdb_bridge')
		AND (d.datname = current_database() OR d.oid IS NULL) AND 'auth' = ANY (sides)
		AND split_part(c.setting, '=', 1) NOT IN (
			SELECT split_part(w.setting, ' = ', 1) FROM dualdb.bridge_settings() w (setting))
$$;
COMMENT ON FUNCTION dualdb.verify_role_settings(text[]) IS
	'internal: verify_setup() of the roles'' passwords and settings';
REVOKE ALL ON FUNCTION dualdb.verify_role_settings(text[]) FROM PUBLIC;

-- Every way from a role to another, of whatever options: who may grant a role to
-- himself is as good as a member of it.
CREATE FUNCTION dualdb.verify_ways(
	OUT member oid, OUT role oid, OUT last_step oid)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE ways AS (
		SELECT m.member, m.roleid AS role, m.member AS last_step FROM pg_auth_members m
		UNION
		SELECT w.member, m.roleid, m.member FROM ways w JOIN pg_auth_members m ON m.member = w.role
	)
	SELECT w.member, w.role, w.last_step FROM ways w
$$;
COMMENT ON FUNCTION dualdb.verify_ways() IS
	'internal: memberships, direct and indirect, with the direct member that each way ends with';
REVOKE ALL ON FUNCTION dualdb.verify_ways() FROM PUBLIC;

CREATE FUNCTION dualdb.verify_revoke(role oid, member oid) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(format('REVOKE %I FROM %I%s CASCADE;', r.rolname, n.rolname,
		' GRANTED BY ' || quote_ident(g.rolname)), ' ')
	FROM pg_auth_members m
		JOIN pg_roles r ON r.oid = m.roleid
		JOIN pg_roles n ON n.oid = m.member
		LEFT JOIN pg_roles g ON g.oid = m.grantor
	WHERE m.roleid = role AND m.member = verify_revoke.member
$$;
COMMENT ON FUNCTION dualdb.verify_revoke(oid, oid) IS
	'internal: the statements that end a direct membership';
REVOKE ALL ON FUNCTION dualdb.verify_revoke(oid, oid) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_members(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'error', 'role_members',
		format('Role "%s" is a member of role "%s".', n.rolname, r.rolname),
		dualdb.verify_revoke(m.roleid, m.member)
	FROM pg_auth_members m
		JOIN pg_roles r ON r.oid = m.roleid
		JOIN pg_roles n ON n.oid = m.member
	WHERE r.rolname IN ('dualdb_auth_owner', 'dualdb_bridge_owner', 'dualdb_app_owner',
			'dualdb_bridge', 'dualdb_replicator')
		OR n.rolname IN (SELECT f.name FROM dualdb.fixed_roles() f)
	UNION ALL
	SELECT 'error', 'who_can_become',
		format('Login role "%s" can become "%s".', n.rolname, r.rolname),
		dualdb.verify_revoke(w.role, w.last_step)
	FROM dualdb.verify_ways() w
		JOIN pg_roles r ON r.oid = w.role
		JOIN pg_roles n ON n.oid = w.member
	WHERE r.rolname IN ('dualdb_auth_owner', 'dualdb_bridge_owner', 'dualdb_app_owner',
			'dualdb_bridge')
		AND n.rolcanlogin AND NOT n.rolsuper
	UNION ALL
	SELECT 'warning', 'mixed_logins',
		format('Login role "%s" works in both databases, as "%s" and as "%s".',
			n.rolname, r.rolname, b.rolname),
		dualdb.verify_revoke(w.role, w.last_step)
	FROM dualdb.verify_ways() w
		JOIN pg_roles r ON r.oid = w.role
		JOIN pg_roles n ON n.oid = w.member
		JOIN dualdb.verify_ways() v ON v.member = w.member
		JOIN pg_roles b ON b.oid = v.role
	WHERE r.rolname IN ('dualdb_auth_service', 'dualdb_auth_orm')
		AND b.rolname IN ('dualdb_app_service', 'dualdb_app_user', 'dualdb_app_readonly')
		AND n.rolcanlogin AND NOT n.rolsuper AND NOT 'single' = ANY (sides)
	UNION ALL
	SELECT 'warning', 'orm_logins',
		format('Login role "%s" can read password hashes and write sessions, as a member of "dualdb_auth_orm".', n.rolname),
		dualdb.verify_revoke(w.role, w.last_step)
	FROM dualdb.verify_ways() w JOIN pg_roles n ON n.oid = w.member
	WHERE w.role = to_regrole('dualdb_auth_orm') AND n.rolcanlogin AND NOT n.rolsuper
$$;
COMMENT ON FUNCTION dualdb.verify_members(text[]) IS
	'internal: verify_setup() of memberships in dualdb''s roles';
REVOKE ALL ON FUNCTION dualdb.verify_members(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_powers(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'error', 'powerful_roles',
		format('Login role "%s" can pass every privilege by, as a member of "%s".',
			n.rolname, r.rolname),
		dualdb.verify_revoke(w.role, w.last_step)
	FROM dualdb.verify_ways() w
		JOIN pg_roles r ON r.oid = w.role
		JOIN pg_roles n ON n.oid = w.member
	WHERE r.rolname IN ('pg_read_all_data', 'pg_write_all_data', 'pg_execute_server_program',
			'pg_read_server_files', 'pg_write_server_files')
		AND n.rolcanlogin AND NOT n.rolsuper
	UNION ALL
	SELECT 'warning', 'powerful_roles',
		format('Role "%s" has CREATEROLE, and on this version can grant itself any other role.', r.rolname),
		format('ALTER ROLE %I NOCREATEROLE;', r.rolname)
	FROM pg_roles r
	WHERE r.rolcreaterole AND NOT r.rolsuper AND r.rolname NOT LIKE 'dualdb\_%'
		AND current_setting('server_version_num')::integer < 160000
	UNION ALL
	SELECT 'warning', 'powerful_roles',
		format('Role "%s" has REPLICATION, and can copy every database of the server.', r.rolname),
		format('ALTER ROLE %I NOREPLICATION;', r.rolname)
	FROM pg_roles r
	WHERE r.rolreplication AND NOT r.rolsuper AND r.rolname NOT LIKE 'dualdb\_%'
	UNION ALL
	SELECT 'warning', 'powerful_roles',
		format('Role "%s" has BYPASSRLS, and sees the rows of all users.', r.rolname),
		format('ALTER ROLE %I NOBYPASSRLS;', r.rolname)
	FROM pg_roles r
	WHERE r.rolbypassrls AND NOT r.rolsuper AND r.rolname NOT LIKE 'dualdb\_%'
		AND 'app' = ANY (sides)
$$;
COMMENT ON FUNCTION dualdb.verify_powers(text[]) IS
	'internal: verify_setup() of roles that need no privilege';
REVOKE ALL ON FUNCTION dualdb.verify_powers(text[]) FROM PUBLIC;
