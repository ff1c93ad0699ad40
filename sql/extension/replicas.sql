-- Replicas: the role and the slots for them, and what remains to be set.
--
-- ALTER SYSTEM cannot run in a function, so the statements are given to the caller.

CREATE FUNCTION dualdb.standby_name(number integer) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'dualdb_standby_' || number
$$;
COMMENT ON FUNCTION dualdb.standby_name(integer) IS
	'internal: name of a standby''s slot, and its application_name';
REVOKE ALL ON FUNCTION dualdb.standby_name(integer) FROM PUBLIC;

CREATE FUNCTION dualdb.check_replicas(standbys integer) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_needed integer := (SELECT count(*) FROM generate_series(1, standbys) n
		WHERE NOT EXISTS (SELECT FROM pg_replication_slots s WHERE s.slot_name = dualdb.standby_name(n)))
		+ (SELECT count(*) FROM pg_replication_slots);
BEGIN
	IF standbys IS NULL OR standbys NOT BETWEEN 1 AND 100 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'the number of standbys must be between 1 and 100';
	ELSIF current_setting('wal_level') = 'minimal' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = 'wal_level is minimal: nothing can be replicated',
			HINT = 'ALTER SYSTEM SET wal_level = replica; and restart.';
	ELSIF v_needed > current_setting('max_replication_slots')::integer THEN
		RAISE EXCEPTION USING
			ERRCODE = 'configuration_limit_exceeded',
			MESSAGE = format('%s replication slots are needed, and max_replication_slots is %s',
				v_needed, current_setting('max_replication_slots')),
			HINT = format('ALTER SYSTEM SET max_replication_slots = %s; and restart.', v_needed);
	END IF;
END
$$;
COMMENT ON FUNCTION dualdb.check_replicas(integer) IS
	'internal: an error where so many slots cannot be had; making some of them could not be undone';
REVOKE ALL ON FUNCTION dualdb.check_replicas(integer) FROM PUBLIC;

-- WAL is kept from a standby's first connection on, not from now.
CREATE FUNCTION dualdb.make_slots(
	standbys integer, OUT status text, OUT detail text, OUT statement text)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_slot record;
BEGIN
	FOR v_slot IN
		SELECT n.name, s.slot_name IS NOT NULL AS exists
		FROM generate_series(1, standbys) i
			CROSS JOIN LATERAL dualdb.standby_name(i) n (name)
			LEFT JOIN pg_replication_slots s ON s.slot_name = n.name
		ORDER BY i
	LOOP
		IF NOT v_slot.exists THEN
			PERFORM pg_create_physical_replication_slot(v_slot.name);
		END IF;
		status := 'done';
		detail := format('Slot "%s" %s.', v_slot.name,
			CASE WHEN v_slot.exists THEN 'is there' ELSE 'has been created' END);
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION dualdb.make_slots(integer) IS
	'internal: make the slots of setup_replicas()';
REVOKE ALL ON FUNCTION dualdb.make_slots(integer) FROM PUBLIC;

CREATE FUNCTION dualdb.surplus_slots(
	standbys integer, OUT status text, OUT detail text, OUT statement text)
RETURNS SETOF record
LANGUAGE sql STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'remains', format(CASE
			WHEN s.active THEN 'Slot "%s" is one more than %s, and in use: stop its standby first.'
			ELSE 'Slot "%1$s" is one more than %2$s. If its standby is gone for good, SELECT pg_drop_replication_slot(%1$L).' END,
		s.slot_name, standbys), NULL
	FROM pg_replication_slots s
	WHERE s.slot_name ~ '^dualdb_standby_[0-9]+$' AND s.slot_name NOT IN (
		SELECT dualdb.standby_name(n) FROM generate_series(1, standbys) n)
	ORDER BY s.slot_name
$$;
COMMENT ON FUNCTION dualdb.surplus_slots(integer) IS
	'internal: slots of more standbys than setup_replicas() is told of';
REVOKE ALL ON FUNCTION dualdb.surplus_slots(integer) FROM PUBLIC;

-- The settings are good for a standby, too, and a base backup takes them there.
CREATE FUNCTION dualdb.replica_settings(
	standbys integer, OUT status text, OUT detail text, OUT statement text)
RETURNS SETOF record
LANGUAGE sql STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'remains', format('%s is %s: %s', s.name, s.setting, w.why),
		format('ALTER SYSTEM SET %I = %s', s.name, w.good)
	FROM (VALUES
			('max_slot_wal_keep_size', '^-1$', '''10GB''',
				'a standby that is gone would fill the disk. Choose what the disk can spare; effective after SELECT pg_reload_conf().'),
			('hot_standby_feedback', '^off$', 'on',
				'vacuum would cancel queries of the standbys. Effective after SELECT pg_reload_conf().'),
			('wal_log_hints', CASE current_setting('data_checksums') WHEN 'on' THEN '^$' ELSE '^off$' END, 'on',
				'pg_rewind could not bring a former primary back. Effective after a restart.')
		) w (name, bad, good, why)
		JOIN pg_settings s ON s.name = w.name AND s.setting ~ w.bad
	UNION ALL
	-- each standby has one, building one takes two, and backups want some
	SELECT 'remains', format('max_wal_senders is %s, and %s standbys want %s. Effective after a restart.', s.setting,
			standbys, standbys + 4),
		format('ALTER SYSTEM SET max_wal_senders = %s', standbys + 4)
	FROM pg_settings s
	WHERE s.name = 'max_wal_senders' AND s.setting::integer < standbys + 4
$$;
COMMENT ON FUNCTION dualdb.replica_settings(integer) IS
	'internal: settings that a server with standbys should have, and has not';
REVOKE ALL ON FUNCTION dualdb.replica_settings(integer) FROM PUBLIC;

CREATE FUNCTION dualdb.replica_access(
	OUT status text, OUT detail text, OUT statement text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'remains', 'Role "dualdb_replicator" has no password: in psql, \password dualdb_replicator, unless pg_hba.conf asks for a certificate.',
		NULL
	FROM pg_authid a WHERE a.rolname = 'dualdb_replicator' AND a.rolpassword IS NULL
	UNION ALL
	SELECT 'remains', 'pg_hba.conf does not let role "dualdb_replicator" replicate by TLS. Before all other lines, put '
		|| '"hostssl replication dualdb_replicator <address>/32 scram-sha-256" for each standby, "local all,replication dualdb_replicator reject" and "host all,replication dualdb_replicator all reject".',
		NULL
	WHERE NOT EXISTS (SELECT FROM dualdb.verify_hba_first('dualdb_replicator', 'replication') f
		WHERE f.type = 'hostssl' AND f.method IN ('scram-sha-256', 'cert'))
$$;
COMMENT ON FUNCTION dualdb.replica_access() IS
	'internal: what keeps role dualdb_replicator out';
REVOKE ALL ON FUNCTION dualdb.replica_access() FROM PUBLIC;

-- By the names that synchronous_standby_names knows them by.  A base backup that is
-- being made streams, too, and replays nothing.
CREATE FUNCTION dualdb.streaming_standbys() RETURNS text[]
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg(DISTINCT r.application_name ORDER BY r.application_name), '{}')
	FROM pg_stat_replication r
	WHERE r.replay_lsn IS NOT NULL AND r.application_name ~ '^dualdb_standby_[0-9]+$'
$$;
COMMENT ON FUNCTION dualdb.streaming_standbys() IS
	'internal: the standbys that are connected now';
REVOKE ALL ON FUNCTION dualdb.streaming_standbys() FROM PUBLIC;

-- Before two stream every commit would wait, for ever if one of them never comes.
CREATE FUNCTION dualdb.replica_synchrony(
	standbys integer, OUT status text, OUT detail text, OUT statement text)
RETURNS SETOF record
LANGUAGE sql STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'remains', CASE
			WHEN standbys = 1 THEN 'Logins are not replicated synchronously: with one standby, its loss would stop every commit. Have two.'
			WHEN cardinality(n.names) < 2 THEN 'Logins are not replicated synchronously: run this again when two standbys stream.'
			ELSE 'Logins are not replicated synchronously: a failover can lose one that has been acknowledged. Effective after SELECT pg_reload_conf().' END,
		CASE WHEN standbys > 1 AND cardinality(n.names) > 1 THEN
			format('ALTER SYSTEM SET synchronous_standby_names = %L', format('ANY 1 (%s)', array_to_string(n.names, ', '))) END
	FROM (SELECT dualdb.streaming_standbys()) n (names)
	WHERE current_setting('synchronous_standby_names') = '' AND dualdb.setup_mode() IN ('auth', 'single')
$$;
COMMENT ON FUNCTION dualdb.replica_synchrony(integer) IS
	'internal: what makes logins survive the loss of the primary';
REVOKE ALL ON FUNCTION dualdb.replica_synchrony(integer) FROM PUBLIC;

CREATE FUNCTION dualdb.setup_replicas(
	standbys integer, OUT status text, OUT detail text, OUT statement text)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dualdb.setup_prepare();
	PERFORM dualdb.check_replicas(standbys);
	status := 'done';
	detail := format('Role "dualdb_replicator" %s.', CASE WHEN to_regrole('dualdb_replicator') IS NULL
		THEN 'has been created' ELSE 'is there' END);
	PERFORM dualdb.setup_role('dualdb_replicator', 'LOGIN REPLICATION',
		'a standby connects as this role; physical replication only');
	RETURN NEXT;
	RETURN QUERY SELECT s.status, s.detail, s.statement FROM dualdb.make_slots(standbys) s;
	RETURN QUERY SELECT s.status, s.detail, s.statement FROM dualdb.surplus_slots(standbys) s;
	RETURN QUERY SELECT s.status, s.detail, s.statement FROM dualdb.replica_settings(standbys) s;
	RETURN QUERY SELECT a.status, a.detail, a.statement FROM dualdb.replica_access() a;
	RETURN QUERY SELECT s.status, s.detail, s.statement FROM dualdb.replica_synchrony(standbys) s;
END
$$;
COMMENT ON FUNCTION dualdb.setup_replicas(integer) IS
	'make the role and the slots for so many standbys of this server; returns what is done and what remains, with statements for \gexec';
REVOKE ALL ON FUNCTION dualdb.setup_replicas(integer) FROM PUBLIC;
