-- verify_setup(): settings of the server, TLS, and other ways for rows to leave.

CREATE FUNCTION dualdb.library_preloaded() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'dualdb' = ANY (regexp_split_to_array(
		current_setting('shared_preload_libraries'), '\s*,\s*'))
$$;
COMMENT ON FUNCTION dualdb.library_preloaded() IS
	'internal: is this library in shared_preload_libraries?';
REVOKE ALL ON FUNCTION dualdb.library_preloaded() FROM PUBLIC;

CREATE FUNCTION dualdb.verify_server(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'warning', 'preload',
		'The library is not preloaded: the first statement of a session can be logged with its literals'
			|| CASE WHEN dualdb.failures_shared() THEN '.' ELSE '; a client that rolls back undoes the count of its failed logins and the end of a session by reuse; and password hashes are computed without limit.' END,
		'Add dualdb to shared_preload_libraries in postgresql.conf and restart.'
	WHERE NOT dualdb.library_preloaded()
	UNION ALL
	SELECT 'warning', s.name, format('%s is %s; the flush worker needs one.', s.name, s.setting),
		'ALTER SYSTEM SET max_worker_processes = 8; and restart.'
	FROM pg_settings s WHERE s.name = 'max_worker_processes' AND s.setting::integer < 8
	UNION ALL
	SELECT 'warning', 'durability', format('%s is off: a crash of the machine can lose what was committed, revocations among it.', s.name),
		format('ALTER SYSTEM SET %s = on; SELECT pg_reload_conf();', s.name)
	FROM pg_settings s
	WHERE s.name IN ('fsync', 'full_page_writes') AND s.reset_val = 'off'
	UNION ALL
	SELECT 'error', 'password_encryption',
		format('password_encryption is %s.', s.reset_val),
		'ALTER SYSTEM SET password_encryption = ''scram-sha-256''; SELECT pg_reload_conf();'
	FROM pg_settings s
	WHERE s.name = 'password_encryption' AND s.reset_val <> 'scram-sha-256'
	UNION ALL
	SELECT 'error', 'tls', format('ssl is off, and the server listens on %s.', l.setting),
		'ALTER SYSTEM SET ssl = on; SELECT pg_reload_conf();'
	FROM pg_settings s, pg_settings l
	WHERE s.name = 'ssl' AND s.setting = 'off' AND l.name = 'listen_addresses' AND 'auth' = ANY (sides)
		AND l.setting !~ '^\s*((localhost|127\.[0-9.]+|::1)\s*(,\s*|$))*$'
	UNION ALL
	SELECT 'error', 'tls', format('%s is %s.', s.name, s.setting),
		'ALTER SYSTEM SET ssl_min_protocol_version = ''TLSv1.2''; SELECT pg_reload_conf();'
	FROM pg_settings s
	WHERE s.name = 'ssl_min_protocol_version' AND s.setting NOT IN ('TLSv1.2', 'TLSv1.3')
$$;
COMMENT ON FUNCTION dualdb.verify_server(text[]) IS
	'internal: verify_setup() of the server''s settings';
REVOKE ALL ON FUNCTION dualdb.verify_server(text[]) FROM PUBLIC;

-- What a setting is for whoever connects here: as the server has it, and as
-- databases and roles have it; with the statement that changes it there, if one does.
CREATE FUNCTION dualdb.verify_settings(
	OUT name text, OUT value text, OUT place text, OUT change text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT s.name, s.reset_val, 'here', format('ALTER DATABASE %I', current_database())
	FROM pg_settings s
	UNION ALL
	SELECT lower(split_part(c.setting, '=', 1)), substr(c.setting, strpos(c.setting, '=') + 1),
		concat_ws(', ', 'for role ' || quote_ident(r.rolname), 'in database ' || quote_ident(d.datname)),
		CASE WHEN r.oid IS NULL AND d.oid IS NOT NULL THEN format('ALTER DATABASE %I', d.datname)
			ELSE format('ALTER ROLE %s%s', coalesce(quote_ident(r.rolname), 'ALL'),
				' IN DATABASE ' || quote_ident(d.datname)) END
	FROM pg_db_role_setting p
		LEFT JOIN pg_roles r ON r.oid = p.setrole
		LEFT JOIN pg_database d ON d.oid = p.setdatabase
		CROSS JOIN LATERAL unnest(p.setconfig) c (setting)
	WHERE (d.datname = current_database() OR p.setdatabase = 0)
		-- pg_settings has what is in force here, but no names that no library knows
		AND (r.oid IS NOT NULL OR p.setrole = 0 AND c.setting ~ '^[^=]*\.')
	UNION ALL
	SELECT f.name, f.setting, 'in ' || f.sourcefile, NULL
	FROM pg_file_settings f WHERE f.name LIKE '%.%'
$$;
COMMENT ON FUNCTION dualdb.verify_settings() IS
	'internal: settings in force in this database, and those of single roles';
REVOKE ALL ON FUNCTION dualdb.verify_settings() FROM PUBLIC;

CREATE FUNCTION dualdb.verify_logging(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH preload AS (SELECT dualdb.library_preloaded() AS done)
	SELECT r.status, r.item, format('%s is %s %s.', s.name, s.value, s.place),
		format('%s SET %I = %s;', s.change, s.name, r.good)
	FROM (VALUES
			('warning', 'log_statement', 'log_statement', '^none$', '''none'''),
			('warning', 'statement_logging', 'log_min_duration_statement', '^-1$', '-1'),
			('warning', 'statement_logging', 'log_min_duration_sample', '^-1$', '-1'),
			('warning', 'statement_logging', 'log_transaction_sample_rate', '^0$', '0'),
			('warning', 'statement_logging', 'auto_explain.log_min_duration', '^-1$', '-1'),
			('warning', 'statement_logging', 'log_min_error_statement', '^(log|fatal|panic)$', '''panic'''),
			('error', 'log_parameter_max_length', 'log_parameter_max_length', '^0$', '0'),
			('error', 'log_parameter_max_length', 'log_parameter_max_length_on_error', '^0$', '0')
		) r (status, item, name, good_pattern, good)
		JOIN dualdb.verify_settings() s ON s.name = r.name
		CROSS JOIN preload p
	WHERE NOT p.done AND s.value !~ r.good_pattern AND s.change IS NOT NULL
	UNION ALL
	-- a tree has constants as bytes, which nothing can take out
	SELECT 'error', 'debug_print', format('%s is %s %s: the log gets every constant of every statement.',
			s.name, s.value, s.place),
		format('%s SET %I = off;', s.change, s.name)
	FROM dualdb.verify_settings() s
	WHERE s.name IN ('debug_print_parse', 'debug_print_rewritten', 'debug_print_plan',
			'debug_print_raw_parse') AND s.value NOT IN ('off', 'false', 'no', '0')
	UNION ALL
	SELECT 'warning', 'statement_statistics',
		'pg_stat_statements keeps utility statements with their literals.',
		'ALTER SYSTEM SET pg_stat_statements.track_utility = off; SELECT pg_reload_conf();'
	FROM pg_settings s
	WHERE s.name = 'pg_stat_statements.track_utility' AND s.reset_val = 'on'
	UNION ALL
	SELECT 'error', 'replication_role', format('%s is %s %s: triggers do not fire.', s.name, s.value, s.place),
		format('%s SET session_replication_role = origin;', s.change)
	FROM dualdb.verify_settings() s
	WHERE s.name = 'session_replication_role' AND s.value = 'replica'
$$;
COMMENT ON FUNCTION dualdb.verify_logging(text[]) IS
	'internal: verify_setup() of what gets into the server log';
REVOKE ALL ON FUNCTION dualdb.verify_logging(text[]) FROM PUBLIC;

-- Whoever replicates logically reads every column of what is published.
CREATE FUNCTION dualdb.verify_replication(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'error', 'publications', format('Publication "%s" has %s.', p.pubname, w.what), w.mend
	FROM pg_publication p CROSS JOIN LATERAL (
		SELECT 'all tables', format('DROP PUBLICATION %I;', p.pubname) WHERE p.puballtables
		UNION ALL
		SELECT format('table %I.%I', n.nspname, c.relname),
			format('ALTER PUBLICATION %I DROP TABLE %I.%I;', p.pubname, n.nspname, c.relname)
		FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid
			JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE r.prpubid = p.oid AND n.nspname = 'auth'
		UNION ALL
		SELECT format('schema %I', n.nspname),
			format('ALTER PUBLICATION %I DROP TABLES IN SCHEMA %I;', p.pubname, n.nspname)
		FROM pg_publication_namespace s JOIN pg_namespace n ON n.oid = s.pnnspid
		WHERE s.pnpubid = p.oid AND n.nspname = 'auth') w (what, mend)
	WHERE 'auth' = ANY (sides)
	UNION ALL
	SELECT 'warning', 'subscriptions', format('Subscription "%s" writes into this database.', s.subname),
		format('ALTER SUBSCRIPTION %1$I DISABLE; ALTER SUBSCRIPTION %1$I SET (slot_name = NONE); DROP SUBSCRIPTION %1$I;', s.subname)
	FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
	WHERE d.datname = current_database() AND 'auth' = ANY (sides)
	UNION ALL
	SELECT 'warning', 'logical_slots', format('Slot "%s" decodes all changes of this database.', s.slot_name),
		format('SELECT pg_drop_replication_slot(%L);', s.slot_name)
	FROM pg_replication_slots s
	WHERE s.database = current_database() AND 'auth' = ANY (sides)
$$;
COMMENT ON FUNCTION dualdb.verify_replication(text[]) IS
	'internal: verify_setup() of logical replication';
REVOKE ALL ON FUNCTION dualdb.verify_replication(text[]) FROM PUBLIC;

-- From the first pass to migrate_finish() the source is trusted with what is written here.
CREATE FUNCTION dualdb.verify_migration(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'warning', 'migration', format('A migration to %s has not been finished.', string_agg(m.name, ', ' ORDER BY m.name)),
		'SELECT dualdb.migrate_finish();'
	FROM dualdb.migration_tables m HAVING count(*) > 0
$$;
COMMENT ON FUNCTION dualdb.verify_migration(text[]) IS
	'internal: verify_setup() of a migration that goes on';
REVOKE ALL ON FUNCTION dualdb.verify_migration(text[]) FROM PUBLIC;
