-- verify_setup(): standbys, as their primary has them and as they are themselves.

CREATE FUNCTION dualdb.conninfo_option(conninfo text, option text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(regexp_replace(m.found[1], '\\(.)', '\1', 'g'), m.found[2])
	FROM regexp_match(conninfo, format('(?:^|\s)%s\s*=\s*(?:''((?:[^''\\]|\\.)*)''|([^\s'']\S*))', option)) m (found)
$$;
COMMENT ON FUNCTION dualdb.conninfo_option(text, text) IS
	'internal: value of a keyword in a connection string; NULL when it has none, or is a URI';
REVOKE ALL ON FUNCTION dualdb.conninfo_option(text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_slots(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH slots AS (
		SELECT s.slot_name, s.active, s.wal_status, s.restart_lsn
		FROM pg_replication_slots s WHERE s.slot_type = 'physical' AND NOT s.temporary
	)
	SELECT 'error', 'standby_slots', format('Slot "%s" is lost: its standby cannot go on.', s.slot_name),
		format('SELECT pg_drop_replication_slot(%1$L); SELECT pg_create_physical_replication_slot(%1$L); -- and build the standby anew',
			s.slot_name)
	FROM slots s WHERE s.wal_status = 'lost'
	UNION ALL
	SELECT 'warning', 'standby_slots', format('Slot "%s" has no standby connected.', s.slot_name),
		format('Start its standby; if there is none any more, SELECT pg_drop_replication_slot(%L);', s.slot_name)
	FROM slots s
	-- on a standby these are for when it is promoted
	WHERE NOT s.active AND s.wal_status IS DISTINCT FROM 'lost' AND NOT pg_is_in_recovery()
	UNION ALL
	SELECT 'warning', 'slot_wal', 'max_slot_wal_keep_size is -1: a standby that is gone fills the disk.',
		'ALTER SYSTEM SET max_slot_wal_keep_size = ''10GB''; SELECT pg_reload_conf();'
	FROM pg_settings g
	WHERE g.name = 'max_slot_wal_keep_size' AND g.setting = '-1' AND EXISTS (SELECT FROM slots)
	UNION ALL
	SELECT 'warning', 'rewind', 'wal_log_hints and data_checksums are off: pg_rewind cannot bring a former primary back.',
		'ALTER SYSTEM SET wal_log_hints = on; and restart.'
	WHERE current_setting('wal_log_hints') = 'off' AND current_setting('data_checksums') = 'off'
		AND (pg_is_in_recovery() OR EXISTS (SELECT FROM slots))
$$;
COMMENT ON FUNCTION dualdb.verify_slots(text[]) IS
	'internal: verify_setup() of replication slots';
REVOKE ALL ON FUNCTION dualdb.verify_slots(text[]) FROM PUBLIC;

-- How many standbys a commit waits for, of how many that are named (NULL: any).
CREATE FUNCTION dualdb.synchronous_names(OUT wanted integer, OUT named integer)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN m.parts IS NOT NULL THEN coalesce(m.parts[1]::integer, 1) END,
		CASE WHEN m.parts[2] !~ '\*' THEN cardinality(string_to_array(m.parts[2], ',')) END
	FROM regexp_match(nullif(btrim(current_setting('synchronous_standby_names')), ''),
		'^(?:(?:(?:ANY|FIRST)\s+)?(\d+)\s*\()?([^()]*)\)?$', 'i') m (parts)
$$;
COMMENT ON FUNCTION dualdb.synchronous_names() IS
	'internal: synchronous_standby_names in numbers; NULL where it is empty';
REVOKE ALL ON FUNCTION dualdb.synchronous_names() FROM PUBLIC;

CREATE FUNCTION dualdb.verify_synchrony(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH here AS (
		SELECT n.wanted, n.named, (SELECT count(*) FROM pg_stat_replication r
				WHERE r.sync_state IN ('sync', 'quorum', 'potential') AND r.replay_lsn IS NOT NULL) AS present,
			(SELECT count(*) FROM pg_stat_replication r WHERE r.replay_lsn IS NOT NULL) AS standbys
		FROM dualdb.synchronous_names() n
		WHERE NOT pg_is_in_recovery()
	)
	SELECT 'error', 'synchronous_standbys',
		format('Commits wait for %s of the standbys that synchronous_standby_names names, and %s of them are connected.',
			h.wanted, h.present),
		'Start these standbys; until then, SET synchronous_commit = local lets a session go on.'
	FROM here h WHERE h.present < h.wanted
	UNION ALL
	SELECT 'warning', 'synchronous_standbys',
		format('synchronous_standby_names names %s and commits wait for %s: the loss of one standby stops every commit.',
			h.named, h.wanted),
		'Have one standby more than commits wait for, and name it, too: ANY 1 (dualdb_standby_1, dualdb_standby_2).'
	FROM here h WHERE h.named <= h.wanted
	UNION ALL
	SELECT 'warning', 'synchronous_standbys',
		format('%s of the standbys that synchronous_standby_names names are connected, and commits wait for %s: the loss of another one stops every commit.',
			h.present, h.wanted),
		'Start the others.'
	FROM here h WHERE h.present = h.wanted AND h.named > h.wanted
	UNION ALL
	SELECT 'warning', 'synchronous_standbys',
		'Standbys are not synchronous: a failover can lose logins and revocations that have been acknowledged.',
		CASE WHEN cardinality(s.names) < 2 THEN 'Have two standbys, and run SELECT * FROM dualdb.setup_replicas(2);'
			ELSE format('ALTER SYSTEM SET synchronous_standby_names = %L; SELECT pg_reload_conf();',
				format('ANY 1 (%s)', array_to_string(s.names, ', '))) END
	FROM here h, dualdb.streaming_standbys() s (names)
	WHERE h.wanted IS NULL AND h.standbys > 0 AND 'auth' = ANY (sides)
	UNION ALL
	SELECT 'warning', 'synchronous_standbys',
		format('synchronous_commit is %s %s: what is acknowledged is on no standby''s disk yet.', s.value, s.place),
		format('%s SET synchronous_commit = on;', s.change)
	FROM here h, dualdb.verify_settings() s
	WHERE s.name = 'synchronous_commit' AND s.value IN ('off', 'local', 'remote_write') AND h.wanted IS NOT NULL
		AND 'auth' = ANY (sides)
$$;
COMMENT ON FUNCTION dualdb.verify_synchrony(text[]) IS
	'internal: verify_setup() of synchronous replication';
REVOKE ALL ON FUNCTION dualdb.verify_synchrony(text[]) FROM PUBLIC;

-- A former primary has these settings, too, and is a standby again one day.
CREATE FUNCTION dualdb.verify_conninfo(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH here AS (
		SELECT c.conninfo, c.conninfo ~* '^postgres(ql)?://' AS is_uri,
			c.conninfo ~* '(^|[\s?&])password\s*=|^postgres(ql)?://[^/@?]*:[^/@?]*@' AS has_password,
			coalesce(dualdb.conninfo_option(c.conninfo, 'hostaddr'), dualdb.conninfo_option(c.conninfo, 'host'),
				'/') AS host,
			coalesce(dualdb.conninfo_option(c.conninfo, 'sslmode'), (regexp_match(c.conninfo, '[?&]sslmode=([^&]*)'))[1],
				'prefer') AS sslmode
		FROM current_setting('primary_conninfo') c (conninfo)
	)
	SELECT 'error', 'primary_conninfo', 'primary_conninfo has the password of the replication role in it.',
		CASE WHEN h.is_uri THEN 'Write it as keywords, with passfile instead of the password.'
			ELSE format('ALTER SYSTEM SET primary_conninfo = %L; SELECT pg_reload_conf(); -- when the password is in that file',
				regexp_replace(h.conninfo, '(^|\s)password\s*=\s*(''([^''\\]|\\.)*''|[^\s'']\S*)',
					'\1passfile=/etc/dualdb/replicator.pass', 'i')) END
	FROM here h WHERE h.has_password
	UNION ALL
	SELECT 'error', 'primary_conninfo',
		format('The standby goes to its primary by the network, and sslmode is %s.', h.sslmode),
		'Write sslmode=verify-full and sslrootcert into primary_conninfo.'
	FROM here h
	WHERE h.conninfo <> '' AND h.sslmode <> 'verify-full' AND (h.is_uri OR h.host !~ '^[/@][^,]*(,[/@][^,]*)*$')
$$;
COMMENT ON FUNCTION dualdb.verify_conninfo(text[]) IS
	'internal: verify_setup() of how a standby connects to its primary';
REVOKE ALL ON FUNCTION dualdb.verify_conninfo(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_standby(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'warning', 'standby_feedback', 'hot_standby_feedback is off: vacuum on the primary cancels queries here.',
		'ALTER SYSTEM SET hot_standby_feedback = on; SELECT pg_reload_conf();'
	WHERE pg_is_in_recovery() AND current_setting('hot_standby_feedback') = 'off'
	UNION ALL
	SELECT 'warning', 'standby_slot', 'primary_slot_name is empty: the primary does not keep the WAL that this standby needs.',
		format('ALTER SYSTEM SET primary_slot_name = %L; SELECT pg_reload_conf();',
			coalesce(dualdb.conninfo_option(current_setting('primary_conninfo'), 'application_name'), 'dualdb_standby_1'))
	WHERE pg_is_in_recovery() AND current_setting('primary_slot_name') = ''
		AND current_setting('primary_conninfo') <> ''
	UNION ALL
	SELECT 'error', 'hba_replicator_tls',
		format('Line %s of pg_hba.conf lets role "dualdb_replicator" come from %s %s.', f.line_number, f.address,
			CASE WHEN f.type = 'hostssl' THEN 'by ' || f.method ELSE 'without TLS' END),
		format('Write hostssl and scram-sha-256 or cert in line %s of pg_hba.conf, and run SELECT pg_reload_conf();',
			f.line_number)
	FROM dualdb.verify_hba_first('dualdb_replicator', 'replication') f
	WHERE to_regrole('dualdb_replicator') IS NOT NULL AND f.method <> 'reject' AND f.type <> 'local'
		AND (f.type <> 'hostssl' OR f.method NOT IN ('scram-sha-256', 'cert'))
		AND NOT coalesce(f.address ~ '^(127\.\S+ 255\.|::1 (ffff:?){8}$|samehost$|localhost$)', false)
$$;
COMMENT ON FUNCTION dualdb.verify_standby(text[]) IS
	'internal: verify_setup() of a standby''s settings, and of how one gets in here';
REVOKE ALL ON FUNCTION dualdb.verify_standby(text[]) FROM PUBLIC;
