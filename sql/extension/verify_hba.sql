-- verify_setup(): pg_hba.conf, by first match as the server reads it.
--
-- Only columns are used that every version has; the order is that of the rows.

CREATE FUNCTION dualdb.verify_hba_rules(
	OUT place bigint, OUT line_number integer, OUT type text, OUT databases text[],
	OUT users text[], OUT address text, OUT netmask text, OUT method text,
	OUT options text[], OUT error text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT h.ordinality, h.line_number, h.type, h.database, h.user_name, h.address,
		h.netmask, h.auth_method, h.options, h.error
	FROM pg_hba_file_rules() WITH ORDINALITY h
$$;
COMMENT ON FUNCTION dualdb.verify_hba_rules() IS
	'internal: the rules of pg_hba.conf in their order';
REVOKE ALL ON FUNCTION dualdb.verify_hba_rules() FROM PUBLIC;

-- "all" is no replication connection, and "replication" is nothing else.
CREATE FUNCTION dualdb.hba_names_database(databases text[], database text, role text)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(bool_or(CASE
		WHEN database = 'replication' THEN d.name = 'replication'
		WHEN d.name = 'all' THEN true
		WHEN d.name IN ('sameuser', 'samerole', 'samegroup') THEN database = role
		WHEN d.name LIKE '/%' AND version.has_regex THEN database ~ substr(d.name, 2)
		ELSE d.name = database AND d.name <> 'replication' END), false)
	FROM unnest(databases) d (name),
		(SELECT current_setting('server_version_num')::integer >= 160000) version (has_regex)
$$;
COMMENT ON FUNCTION dualdb.hba_names_database(text[], text, text) IS
	'internal: does a rule of pg_hba.conf apply to a database, or to replication?';
REVOKE ALL ON FUNCTION dualdb.hba_names_database(text[], text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.hba_names_role(users text[], role text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(bool_or(CASE
		WHEN u.name = 'all' THEN true
		WHEN u.name LIKE '+%' THEN substr(u.name, 2) = hba_names_role.role OR EXISTS (
			SELECT FROM dualdb.verify_ways() w
			WHERE w.member = to_regrole(quote_ident(hba_names_role.role))
				AND w.role = to_regrole(quote_ident(substr(u.name, 2))))
		WHEN u.name LIKE '/%' AND version.has_regex THEN role ~ substr(u.name, 2)
		ELSE u.name = role END), false)
	FROM unnest(users) u (name),
		(SELECT current_setting('server_version_num')::integer >= 160000) version (has_regex)
$$;
COMMENT ON FUNCTION dualdb.hba_names_role(text[], text) IS
	'internal: does a rule of pg_hba.conf apply to a role?';
REVOKE ALL ON FUNCTION dualdb.hba_names_role(text[], text) FROM PUBLIC;

-- The rules that can be the first to match: those that no earlier one hides, which
-- takes the same or every address, and the same or every kind of connection.
CREATE FUNCTION dualdb.verify_hba_first(role text, database text)
RETURNS TABLE (line_number integer, type text, address text, method text, has_map boolean)
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH rules AS (
		SELECT h.place, h.line_number, h.type, h.address, h.netmask, h.method,
			coalesce(array_to_string(h.options, ' ') ~ '\mmap=', false) AS has_map
		FROM dualdb.verify_hba_rules() h
		WHERE h.method IS NOT NULL
			AND dualdb.hba_names_database(h.databases, verify_hba_first.database, verify_hba_first.role)
			AND dualdb.hba_names_role(h.users, verify_hba_first.role)
	)
	SELECT r.line_number, r.type, nullif(concat_ws(' ', r.address, r.netmask), ''), r.method,
		r.has_map
	FROM rules r
	WHERE NOT EXISTS (SELECT FROM rules e
		WHERE e.place < r.place
			AND (e.type = r.type OR e.type = 'host' AND r.type <> 'local')
			AND (e.type = 'local' OR e.address = 'all'
				OR (e.address, e.netmask) IS NOT DISTINCT FROM (r.address, r.netmask)
				OR e.address = '0.0.0.0' AND e.netmask = '0.0.0.0' AND r.address ~ '^[0-9.]+$'
				OR e.address = '::' AND e.netmask = '::' AND r.address ~ ':'))
$$;
COMMENT ON FUNCTION dualdb.verify_hba_first(text, text) IS
	'internal: the rules of pg_hba.conf that decide about connections of a role to a database';
REVOKE ALL ON FUNCTION dualdb.verify_hba_first(text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_hba_file(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	-- a line with a method is a rule, though it cannot match as the server is now
	SELECT CASE WHEN h.method IS NULL THEN 'error' ELSE 'warning' END, 'hba_file', format('Line %s of pg_hba.conf: %s.', h.line_number, h.error),
		format('Correct line %s of pg_hba.conf, and run SELECT pg_reload_conf();', h.line_number)
	FROM dualdb.verify_hba_rules() h WHERE h.error IS NOT NULL
	UNION ALL
	SELECT 'error', 'hba_trust',
		format('Line %s of pg_hba.conf lets %s in without authentication.', h.line_number,
			array_to_string(h.users, ',')),
		format('Write scram-sha-256%s instead of trust in line %s of pg_hba.conf, and run SELECT pg_reload_conf();',
			CASE h.type WHEN 'local' THEN ' or peer' END, h.line_number)
	FROM dualdb.verify_hba_rules() h WHERE h.method = 'trust'
	UNION ALL
	SELECT 'warning', 'hba_replication',
		format('Line %s of pg_hba.conf lets every role with REPLICATION copy the whole server.', h.line_number),
		format('Remove line %s of pg_hba.conf, or write the role that replicates instead of all in it, and run SELECT pg_reload_conf();',
			h.line_number)
	FROM dualdb.verify_hba_rules() h
	WHERE h.method <> 'reject' AND 'replication' = ANY (h.databases) AND 'all' = ANY (h.users)
	UNION ALL
	SELECT 'error', 'hba_replicator',
		format('Line %s of pg_hba.conf lets role "dualdb_replicator" into database "%s".', f.line_number, d.datname),
		'Put "local all dualdb_replicator reject" and "host all dualdb_replicator all reject" first in pg_hba.conf, and run SELECT pg_reload_conf();'
	FROM pg_database d CROSS JOIN LATERAL dualdb.verify_hba_first('dualdb_replicator', d.datname) f
	WHERE to_regrole('dualdb_replicator') IS NOT NULL AND d.datallowconn AND f.method <> 'reject'
$$;
COMMENT ON FUNCTION dualdb.verify_hba_file(text[]) IS
	'internal: verify_setup() of pg_hba.conf for all roles';
REVOKE ALL ON FUNCTION dualdb.verify_hba_file(text[]) FROM PUBLIC;

-- Each rule that decides about role dualdb_bridge, for each database and replication.
CREATE FUNCTION dualdb.verify_hba_ways(
	sides text[], OUT line_number integer, OUT type text, OUT address text,
	OUT method text, OUT has_map boolean, OUT database text, OUT to_auth boolean)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT f.line_number, f.type, f.address, f.method, f.has_map, d.name, d.name = a.name
	FROM (SELECT dualdb.verify_auth_database(sides)) a (name)
		CROSS JOIN (SELECT b.datname::text FROM pg_database b WHERE b.datallowconn
			UNION ALL SELECT 'replication') d (name)
		CROSS JOIN LATERAL dualdb.verify_hba_first('dualdb_bridge', d.name) f
	WHERE to_regrole('dualdb_bridge') IS NOT NULL AND a.name IS NOT NULL
$$;
COMMENT ON FUNCTION dualdb.verify_hba_ways(text[]) IS
	'internal: the rules of pg_hba.conf that decide where role dualdb_bridge gets in';
REVOKE ALL ON FUNCTION dualdb.verify_hba_ways(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_hba_bridge(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE w.database WHEN 'replication' THEN 'warning' ELSE 'error' END, 'hba_bridge_elsewhere',
		format('Line %s of pg_hba.conf lets role "dualdb_bridge" into %s.', w.line_number,
			CASE w.database WHEN 'replication' THEN 'replication'
				ELSE format('database "%s"', w.database) END),
		CASE w.database WHEN 'replication'
			THEN 'Put "local replication dualdb_bridge reject" and "host replication dualdb_bridge all reject" before it, and run SELECT pg_reload_conf();'
			ELSE format('Put "%s all dualdb_bridge%s reject" before it, after those for the auth database, and run SELECT pg_reload_conf();',
				CASE w.type WHEN 'local' THEN 'local' ELSE 'host' END,
				CASE w.type WHEN 'local' THEN '' ELSE ' all' END) END
	FROM dualdb.verify_hba_ways(sides) w WHERE NOT w.to_auth AND w.method <> 'reject'
	UNION ALL
	SELECT 'error', 'hba_bridge_method',
		format('Line %s of pg_hba.conf authenticates role "dualdb_bridge" by %s.', w.line_number, w.method),
		format('Put "%s" before line %s of pg_hba.conf%s, and run SELECT pg_reload_conf();',
			CASE w.type WHEN 'local' THEN format('local %I dualdb_bridge peer map=dualdb', w.database)
				ELSE 'host all,replication dualdb_bridge all reject' END, w.line_number,
			CASE WHEN w.type <> 'local' THEN ', after a hostssl line with cert for the app server if it is another one' END)
	FROM dualdb.verify_hba_ways(sides) w
	WHERE w.to_auth AND w.method NOT IN ('reject', 'peer', 'cert', 'scram-sha-256', 'gss')
	UNION ALL
	SELECT 'error', 'hba_bridge_tls',
		format('Line %s of pg_hba.conf lets role "dualdb_bridge" come from %s without TLS.',
			w.line_number, w.address),
		format('Write hostssl instead of %s in line %s of pg_hba.conf, and run SELECT pg_reload_conf();',
			w.type, w.line_number)
	FROM dualdb.verify_hba_ways(sides) w
	WHERE w.to_auth AND w.method <> 'reject' AND w.type IN ('host', 'hostnossl', 'hostnogssenc')
		AND NOT coalesce(w.address ~ '^(127\.\S+ 255\.|::1 (ffff:?){8}$|samehost$|localhost$)', false)
$$;
COMMENT ON FUNCTION dualdb.verify_hba_bridge(text[]) IS
	'internal: verify_setup() of where and how pg_hba.conf lets the bridge role in';
REVOKE ALL ON FUNCTION dualdb.verify_hba_bridge(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_hba_missing(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'warning', 'hba_bridge_reject',
		format('No line of pg_hba.conf rejects role "dualdb_bridge" by %s; one that is added for all would let it in.', r.type),
		format('Add "%s all dualdb_bridge%s reject" to pg_hba.conf, after the lines for the auth database and before all others, and run SELECT pg_reload_conf();',
			r.type, CASE r.type WHEN 'host' THEN ' all' END)
	FROM (VALUES ('local'), ('host')) r (type)
	WHERE to_regrole('dualdb_bridge') IS NOT NULL
		AND dualdb.verify_auth_database(sides) IS NOT NULL
		AND NOT EXISTS (SELECT FROM dualdb.verify_hba_first('dualdb_bridge', 'postgres') f
			WHERE f.type = r.type AND f.method = 'reject' AND coalesce(f.address, 'all') = 'all')
		AND NOT EXISTS (SELECT FROM dualdb.verify_hba_ways(sides) w
			WHERE NOT w.to_auth AND w.method <> 'reject' AND (w.type = 'local') = (r.type = 'local'))
	UNION ALL
	SELECT 'warning', 'hba_bridge_way',
		format('No line of pg_hba.conf lets role "dualdb_bridge" into database "%s".', current_database()),
		format('Put "local %I dualdb_bridge peer map=dualdb" first in pg_hba.conf, or a hostssl line for the app server, and run SELECT pg_reload_conf();',
			current_database())
	WHERE 'auth' = ANY (sides) AND NOT 'single' = ANY (sides)
		AND NOT EXISTS (SELECT FROM dualdb.verify_hba_ways(sides) w
			-- without a map, the operating system user has the role's name, and is not the server's
			WHERE w.to_auth AND w.method <> 'reject' AND (w.method <> 'peer' OR w.has_map))
$$;
COMMENT ON FUNCTION dualdb.verify_hba_missing(text[]) IS
	'internal: verify_setup() of lines that pg_hba.conf should have';
REVOKE ALL ON FUNCTION dualdb.verify_hba_missing(text[]) FROM PUBLIC;

-- Whoever the map lets be dualdb_bridge on the socket is the bridge.
CREATE FUNCTION dualdb.verify_ident(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'error', 'ident_map', format('Line %s of pg_ident.conf: %s', i.line_number,
			coalesce(i.error || '.', format('operating system user %s can be role "dualdb_bridge".', i.sys_name))),
		format('Correct line %s of pg_ident.conf so that the server''s own user alone is dualdb_bridge, and run SELECT pg_reload_conf();',
			i.line_number)
	FROM pg_ident_file_mappings() i
	WHERE i.error IS NOT NULL OR (i.pg_username = 'dualdb_bridge' OR i.pg_username IN ('all', '\1'))
		AND i.sys_name LIKE '/%'
	UNION ALL
	SELECT 'error', 'ident_map',
		format('Several operating system users can be role "dualdb_bridge" by map "%s": %s.', m.map_name, m.users),
		format('Leave the server''s own user alone in map "%s" of pg_ident.conf, and run SELECT pg_reload_conf();', m.map_name)
	FROM (SELECT i.map_name, string_agg(DISTINCT i.sys_name, ', ') AS users
		FROM pg_ident_file_mappings() i
		WHERE i.error IS NULL AND i.pg_username IN ('dualdb_bridge', 'all')
			AND i.map_name IN (SELECT substr(o.option, 5)
				FROM dualdb.verify_hba_rules() h CROSS JOIN LATERAL unnest(h.options) o (option)
				WHERE h.method = 'peer' AND o.option LIKE 'map=%'
					AND dualdb.hba_names_role(h.users, 'dualdb_bridge'))
		GROUP BY i.map_name HAVING count(DISTINCT i.sys_name) > 1) m
$$;
COMMENT ON FUNCTION dualdb.verify_ident(text[]) IS
	'internal: verify_setup() of pg_ident.conf';
REVOKE ALL ON FUNCTION dualdb.verify_ident(text[]) FROM PUBLIC;
