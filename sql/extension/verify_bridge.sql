-- verify_setup(): the app side of the bridge.

-- From an app database it is where the bridge leads.
CREATE FUNCTION dualdb.verify_auth_database(sides text[]) RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN 'auth' = ANY (sides) THEN current_database()::text
		WHEN 'bridge' = ANY (sides) THEN (SELECT o.option_value
			FROM pg_foreign_server s CROSS JOIN LATERAL pg_options_to_table(s.srvoptions) o
			WHERE s.srvname = 'dualdb_auth' AND o.option_name = 'dbname') END
$$;
COMMENT ON FUNCTION dualdb.verify_auth_database(text[]) IS
	'internal: name of the auth database, as far as it is known here';
REVOKE ALL ON FUNCTION dualdb.verify_auth_database(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_foreign_server(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH server AS (
		SELECT s.oid, s.srvowner, s.srvacl, r.rolsuper, r.rolname
		FROM pg_foreign_server s JOIN pg_roles r ON r.oid = s.srvowner
		WHERE s.srvname = 'dualdb_auth' AND 'bridge' = ANY (sides)
	), options AS (
		SELECT o.option_name AS name, o.option_value AS value
		FROM server s JOIN pg_foreign_server f ON f.oid = s.oid
			CROSS JOIN LATERAL pg_options_to_table(f.srvoptions) o
	)
	SELECT 'error', 'server_missing', 'Server "dualdb_auth" is missing.', 'SELECT dualdb.setup_app();'
	WHERE 'bridge' = ANY (sides) AND NOT EXISTS (SELECT FROM server)
	UNION ALL
	SELECT 'error', 'server_owner',
		format('Server "dualdb_auth" belongs to role "%s", which can lead it elsewhere.', s.rolname),
		format('ALTER SERVER dualdb_auth OWNER TO %I;', current_user)
	FROM server s WHERE NOT s.rolsuper
	UNION ALL
	SELECT 'error', 'server_usage',
		format('%s has USAGE on server "dualdb_auth", and can make mappings and foreign tables.',
			coalesce(format('Role "%s"', g.rolname), 'PUBLIC')),
		format('REVOKE ALL ON FOREIGN SERVER dualdb_auth FROM %s CASCADE;', coalesce(quote_ident(g.rolname), 'PUBLIC'))
	FROM server s CROSS JOIN LATERAL aclexplode(s.srvacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
	WHERE a.grantee <> s.srvowner AND (a.grantee = 0 OR g.oid IS NOT NULL)
	UNION ALL
	SELECT 'error', 'server_options', format('Server "dualdb_auth" has the option %s.', o.name),
		format('ALTER SERVER dualdb_auth OPTIONS (DROP %I);', o.name)
	FROM options o
	WHERE o.name IN ('hostaddr', 'service', 'extensions', 'password', 'sslpassword', 'require_auth')
		AND NOT (o.name = 'require_auth' AND o.value !~* '(^|,)(none|password|md5)')
	UNION ALL
	SELECT w.status, 'server_options',
		format('Server "dualdb_auth" has %s where %s is needed.',
			coalesce(format('%s ''%s''', o.name, o.value), 'no ' || w.name), format('''%s''', w.value)),
		format('ALTER SERVER dualdb_auth OPTIONS (%s %I %L);',
			CASE WHEN o.name IS NULL THEN 'ADD' ELSE 'SET' END, w.name, w.value)
	FROM (VALUES ('error', 'updatable', 'false', '^false$'), ('error', 'truncatable', 'false', '^false$'),
			('warning', 'tcp_user_timeout', '4000', '^[1-9]')) w (status, name, value, pattern)
		LEFT JOIN options o ON o.name = w.name
	WHERE EXISTS (SELECT FROM server) AND NOT coalesce(o.value ~ w.pattern, false)
	UNION ALL
	SELECT 'error', 'server_tls',
		format('The bridge goes to host %s, and sslmode is %s.', h.value, coalesce(m.value, 'not set')),
		format('ALTER SERVER dualdb_auth OPTIONS (%s sslmode ''verify-full'');',
			CASE WHEN m.value IS NULL THEN 'ADD' ELSE 'SET' END)
	FROM options h LEFT JOIN options m ON m.name = 'sslmode'
	WHERE h.name = 'host' AND h.value !~ '^[/@][^,]*(,[/@][^,]*)*$' AND m.value IS DISTINCT FROM 'verify-full'
	UNION ALL
	SELECT 'error', 'server_tls',
		format('The bridge goes to host %s, and sslrootcert is not set.', h.value),
		'ALTER SERVER dualdb_auth OPTIONS (ADD sslrootcert ''...''); with the file of the authority''s certificate.'
	FROM options h
	WHERE h.name = 'host' AND h.value !~ '^[/@][^,]*(,[/@][^,]*)*$'
		AND NOT EXISTS (SELECT FROM options c WHERE c.name = 'sslrootcert' AND c.value <> '')
$$;
COMMENT ON FUNCTION dualdb.verify_foreign_server(text[]) IS
	'internal: verify_setup() of server dualdb_auth';
REVOKE ALL ON FUNCTION dualdb.verify_foreign_server(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_mappings(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH servers AS (
		SELECT s.oid, s.srvname, o.option_name AS name, o.option_value AS value
		FROM pg_foreign_server s LEFT JOIN LATERAL pg_options_to_table(s.srvoptions) o ON true
		WHERE 'bridge' = ANY (sides)
	), mappings AS (
		SELECT m.umserver AS srvid, m.umuser, s.srvname, o.option_name AS name, o.option_value AS value,
			CASE WHEN m.umuser = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS who
		FROM pg_user_mapping m JOIN pg_foreign_server s ON s.oid = m.umserver
			LEFT JOIN pg_roles r ON r.oid = m.umuser
			LEFT JOIN LATERAL pg_options_to_table(m.umoptions) o ON true
		WHERE 'bridge' = ANY (sides) AND (m.umuser = 0 OR r.oid IS NOT NULL)
	)
	SELECT DISTINCT 'error', 'user_mapping', format('%s has a user mapping for server "dualdb_auth".', m.who),
		format('DROP USER MAPPING FOR %s SERVER dualdb_auth;', m.who)
	FROM mappings m
	WHERE m.srvname = 'dualdb_auth' AND m.umuser IS DISTINCT FROM to_regrole('dualdb_bridge_owner')
	UNION ALL
	SELECT 'error', 'user_mapping',
		format('The user mapping for server "dualdb_auth" has the option %s.', m.name),
		format('ALTER USER MAPPING FOR dualdb_bridge_owner SERVER dualdb_auth OPTIONS (DROP %I);', m.name)
	FROM mappings m
	WHERE m.srvname = 'dualdb_auth' AND m.umuser = to_regrole('dualdb_bridge_owner')
		AND m.name NOT IN ('user', 'password_required', 'sslcert', 'sslkey')
	UNION ALL
	SELECT 'error', 'user_mapping', format('The bridge connects as role "%s".', m.value),
		'ALTER USER MAPPING FOR dualdb_bridge_owner SERVER dualdb_auth OPTIONS (SET user ''dualdb_bridge'');'
	FROM mappings m
	WHERE m.srvname = 'dualdb_auth' AND m.umuser = to_regrole('dualdb_bridge_owner')
		AND m.name = 'user' AND m.value <> 'dualdb_bridge'
	UNION ALL
	SELECT 'error', 'user_mapping', 'Role "dualdb_bridge_owner" has no user mapping for server "dualdb_auth".',
		'SELECT dualdb.setup_app();'
	WHERE EXISTS (SELECT FROM servers s WHERE s.srvname = 'dualdb_auth')
		AND NOT EXISTS (SELECT FROM mappings m WHERE m.srvname = 'dualdb_auth'
			AND m.umuser = to_regrole('dualdb_bridge_owner'))
	UNION ALL
	SELECT 'error', 'server_credentials',
		'The bridge goes over the network with neither a client certificate nor a passfile.',
		'ALTER SERVER dualdb_auth OPTIONS (ADD sslcert ''...'', ADD sslkey ''...''); with the files of the certificate.'
	FROM servers h
	WHERE h.srvname = 'dualdb_auth' AND h.name = 'host' AND h.value !~ '^[/@][^,]*(,[/@][^,]*)*$'
		AND NOT EXISTS (SELECT FROM servers c WHERE c.srvname = 'dualdb_auth' AND c.name IN ('sslcert', 'passfile'))
		AND NOT EXISTS (SELECT FROM mappings c WHERE c.srvname = 'dualdb_auth' AND c.name = 'sslcert')
	UNION ALL
	SELECT DISTINCT 'error', 'other_servers', format('Server "%s" leads to the auth database, too.', s.srvname),
		format('DROP SERVER %I CASCADE;', s.srvname)
	FROM servers s
	WHERE s.srvname <> 'dualdb_auth' AND (s.name = 'dbname' AND s.value = dualdb.verify_auth_database(sides)
		OR EXISTS (SELECT FROM mappings m WHERE m.srvid = s.oid AND m.name = 'user' AND m.value LIKE 'dualdb%'))
$$;
COMMENT ON FUNCTION dualdb.verify_mappings(text[]) IS
	'internal: verify_setup() of user mappings and of other servers';
REVOKE ALL ON FUNCTION dualdb.verify_mappings(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_foreign_tables(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'error', 'foreign_tables', format('Foreign table %I.%I reads the auth database.', n.nspname, c.relname),
		format('DROP FOREIGN TABLE %I.%I CASCADE;', n.nspname, c.relname)
	FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver
		JOIN pg_class c ON c.oid = f.ftrelid JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE s.srvname = 'dualdb_auth' AND n.nspname <> 'bridge' AND 'bridge' = ANY (sides)
	UNION ALL
	SELECT 'error', 'foreign_tables', format('Foreign table bridge.%I reads %s.', c.relname,
			array_to_string(f.ftoptions, ', ')),
		format('ALTER FOREIGN TABLE bridge.%I OPTIONS (%s schema_name ''bridge'', %s table_name %L);', c.relname,
			CASE WHEN f.ftoptions::text LIKE '%schema_name=%' THEN 'SET' ELSE 'ADD' END,
			CASE WHEN f.ftoptions::text LIKE '%table_name=%' THEN 'SET' ELSE 'ADD' END, c.relname)
	FROM pg_foreign_table f JOIN pg_class c ON c.oid = f.ftrelid
	WHERE c.relnamespace = to_regnamespace('bridge') AND 'bridge' = ANY (sides)
		AND NOT coalesce(f.ftoptions @> ARRAY['schema_name=bridge', 'table_name=' || c.relname], false)
	UNION ALL
	SELECT 'error', 'dblink', 'Extension dblink is installed: it sends any SQL through a server.',
		'DROP EXTENSION dblink;'
	FROM pg_extension e WHERE e.extname = 'dblink' AND 'bridge' = ANY (sides)
	UNION ALL
	SELECT 'warning', 'wrapper_usage', format('%s can make servers of foreign data wrapper "%s".',
			coalesce(format('Role "%s"', g.rolname), 'PUBLIC'), w.fdwname),
		format('REVOKE ALL ON FOREIGN DATA WRAPPER %I FROM %s CASCADE;', w.fdwname, coalesce(quote_ident(g.rolname), 'PUBLIC'))
	FROM pg_foreign_data_wrapper w CROSS JOIN LATERAL aclexplode(w.fdwacl) a
		LEFT JOIN pg_roles g ON g.oid = a.grantee
	WHERE a.grantee <> w.fdwowner AND (a.grantee = 0 OR g.oid IS NOT NULL) AND 'bridge' = ANY (sides)
$$;
COMMENT ON FUNCTION dualdb.verify_foreign_tables(text[]) IS
	'internal: verify_setup() of foreign tables, wrappers and dblink';
REVOKE ALL ON FUNCTION dualdb.verify_foreign_tables(text[]) FROM PUBLIC;

-- When the last sync was; read only from the table that setup_app() has made.
CREATE FUNCTION dualdb.verify_synced_at() RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_owner oid := to_regrole('dualdb_bridge_owner');
	v_synced_at timestamptz;
BEGIN
	IF EXISTS (SELECT FROM pg_namespace n
			JOIN pg_class c ON c.relnamespace = n.oid
			JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE n.nspname = 'bridge' AND n.nspowner = v_owner AND c.relname = 'sync_state'
			AND c.relowner = v_owner AND c.relkind = 'r' AND NOT c.relrowsecurity
			AND a.attname = 'synced_at' AND a.atttypid = 'timestamptz'::regtype)
	THEN
		EXECUTE 'SELECT max(s.synced_at) FROM ONLY bridge.sync_state s' INTO v_synced_at;
	END IF;
	RETURN v_synced_at;
END
$$;
COMMENT ON FUNCTION dualdb.verify_synced_at() IS
	'internal: time of the last sync; NULL when there was none';
REVOKE ALL ON FUNCTION dualdb.verify_synced_at() FROM PUBLIC;

CREATE FUNCTION dualdb.verify_sync(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'error', 'trusted_keys', 'No key is trusted: no token is valid here.',
		CASE WHEN 'auth' = ANY (sides) THEN dualdb.verify_repair('auth', sides)
			ELSE 'SELECT dualdb.sync();' END
	WHERE 'app' = ANY (sides) AND NOT EXISTS (SELECT FROM dualdb.trusted_keys)
	UNION ALL
	SELECT 'warning', 'trusted_keys',
		format('Key "%s" did not come through the bridge: whoever has its private half makes tokens of any user.', k.kid),
		format('DELETE FROM dualdb.trusted_keys WHERE kid = %L;', k.kid)
	FROM dualdb.trusted_keys k WHERE 'bridge' = ANY (sides) AND k.origin <> 'bridge'
	UNION ALL
	SELECT 'warning', 'sync', coalesce('The last sync was at ' || t.synced_at || '.',
			'There has been no sync.'),
		'SELECT dualdb.sync();'
	FROM (SELECT dualdb.verify_synced_at()) t (synced_at)
	WHERE 'bridge' = ANY (sides) AND NOT coalesce(t.synced_at > clock_timestamp()
		- 10 * coalesce(current_setting('dualdb.sync_interval', true), '2s')::interval, false)
	UNION ALL
	SELECT 'warning', 'sync_worker', format('dualdb.app_database is "%s": no worker syncs here.',
			current_setting('dualdb.app_database', true)),
		format('ALTER SYSTEM SET dualdb.app_database = %L; SELECT pg_reload_conf();', current_database())
	WHERE 'bridge' = ANY (sides) AND dualdb.library_preloaded()
		AND current_setting('dualdb.app_database', true) <> current_database()
	UNION ALL
	SELECT 'warning', 'sync_worker', 'The sync worker is not at work.',
		'Look for its last message in the server''s log; it is started again every 5 seconds.'
	WHERE 'bridge' = ANY (sides) AND dualdb.library_preloaded() AND NOT pg_is_in_recovery()
		AND current_setting('dualdb.app_database', true) = current_database()
		AND NOT EXISTS (SELECT FROM pg_stat_activity a
			WHERE a.backend_type = 'dualdb sync worker' AND a.datname = current_database())
	UNION ALL
	SELECT 'warning', 'max_feed_age',
		'dualdb.max_feed_age is 0: tokens that were revoked while the auth database is away stay valid until they expire.',
		format('ALTER DATABASE %I SET dualdb.max_feed_age = ''5min'';', current_database())
	WHERE 'bridge' = ANY (sides) AND current_setting('dualdb.max_feed_age', true) = '0'
$$;
COMMENT ON FUNCTION dualdb.verify_sync(text[]) IS
	'internal: verify_setup() of trusted keys and the sync';
REVOKE ALL ON FUNCTION dualdb.verify_sync(text[]) FROM PUBLIC;
