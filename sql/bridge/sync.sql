-- Pulling from the auth database.
--
-- The horizon is read before the rows, so everything below it is among them.  A
-- row committed late carries a mark at or above an earlier horizon and is found
-- by the next pass; a timestamp would have passed it by.
--
-- Users come in batches, a pass over all that changed since the last one.  A
-- batch never waits long for a row of the directory that an open transaction
-- has locked by a look-up: such users are put off.

GRANT USAGE ON SCHEMA bridge TO dualdb_sync;

CREATE OR REPLACE FUNCTION bridge.sync_keys() RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	-- unchanged rows are left alone: every write makes all backends read again
	WITH remote AS MATERIALIZED (
		SELECT r.kid, r.issuer, r.public_key, r.not_before, r.not_after
		FROM dualdb.bridge_fetch(
			'SELECT kid, issuer, public_key, to_json(not_before) #>> ''{}'',
				to_json(not_after) #>> ''{}'' FROM bridge.trusted_keys', '{}')
			AS r(kid text, issuer text, public_key bytea, not_before timestamptz,
				not_after timestamptz)
	), removed AS (
		DELETE FROM dualdb.trusted_keys t
		WHERE t.origin = 'bridge' AND NOT EXISTS (SELECT FROM remote r WHERE r.kid = t.kid)
		RETURNING 1
	), written AS (
		INSERT INTO dualdb.trusted_keys AS t
			(kid, issuer, public_key, not_before, not_after, origin)
		SELECT r.kid, r.issuer, r.public_key, r.not_before, r.not_after, 'bridge'
		FROM remote r LEFT JOIN dualdb.trusted_keys h ON h.kid = r.kid
		WHERE (h.issuer, h.public_key, h.not_before, h.not_after)
			IS DISTINCT FROM (r.issuer, r.public_key, r.not_before, r.not_after)
		ON CONFLICT (kid) DO UPDATE SET issuer = excluded.issuer,
			public_key = excluded.public_key, not_before = excluded.not_before,
			not_after = excluded.not_after
		WHERE t.origin = 'bridge'
		RETURNING 1
	)
	SELECT (SELECT count(*) FROM removed)::integer + (SELECT count(*) FROM written)::integer
$$;
COMMENT ON FUNCTION bridge.sync_keys() IS
	'internal: make the trusted keys that came through the bridge equal to those of the auth database';
REVOKE ALL ON FUNCTION bridge.sync_keys() FROM PUBLIC;

CREATE OR REPLACE FUNCTION bridge.sync_revocations(since xid8) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- a function that changes within a statement would keep the index out
	v_now timestamptz := clock_timestamp();
	v_written integer;
BEGIN
	DELETE FROM dualdb.revocations r
	WHERE r.origin = 'bridge' AND r.expires_at < v_now;

	INSERT INTO dualdb.revocations AS l (kind, id, min_version, expires_at, origin)
	SELECT r.kind, r.id, r.min_version, r.expires_at, 'bridge'
	FROM dualdb.bridge_fetch(
			'SELECT kind, id, min_version, to_json(expires_at) #>> ''{}''
				FROM bridge.revocations WHERE change_xid >= $1', ARRAY[since::text])
			AS r(kind text, id text, min_version integer, expires_at timestamptz)
		-- one by one: there are few, and those of before may be many
		LEFT JOIN LATERAL (SELECT h.min_version, h.expires_at FROM dualdb.revocations h
			WHERE h.kind = r.kind AND h.id = r.id OFFSET 0) h ON true
	WHERE (h.min_version, h.expires_at) IS DISTINCT FROM (r.min_version, r.expires_at)
	ON CONFLICT (kind, id) DO UPDATE SET min_version = excluded.min_version,
		expires_at = excluded.expires_at, change_xid = excluded.change_xid
	WHERE l.origin = 'bridge';
	GET DIAGNOSTICS v_written = ROW_COUNT;
	RETURN v_written;
END
$$;
COMMENT ON FUNCTION bridge.sync_revocations(xid8) IS
	'internal: bring new revocations here, and drop those that have had their effect';
REVOKE ALL ON FUNCTION bridge.sync_revocations(xid8) FROM PUBLIC;

CREATE OR REPLACE FUNCTION bridge.begin_pass() RETURNS bridge.sync_state
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s'
AS $$
DECLARE
	v_state bridge.sync_state;
	v_feed record;
BEGIN
	-- one sync at a time
	SELECT s.* INTO STRICT v_state FROM bridge.sync_state s FOR UPDATE;
	v_state.synced_at := clock_timestamp();
	SELECT f.* INTO STRICT v_feed
	FROM dualdb.bridge_fetch('SELECT horizon, feed_id, is_standby, age FROM bridge.feed', '{}')
		AS f(horizon xid8, feed_id text, is_standby boolean, age interval);
	v_state.synced_at := v_state.synced_at - v_feed.age;

	-- Marks of another feed say nothing about this one.  A standby is only late,
	-- but a primary whose marks have gone back has been restored.
	IF v_feed.feed_id IS DISTINCT FROM v_state.feed_id
		OR NOT v_feed.is_standby
			AND v_feed.horizon < greatest(v_state.horizon, v_state.next_horizon)
	THEN
		v_state.feed_id := v_feed.feed_id;
		v_state.horizon := '0';
		v_state.stage := NULL;
		v_state.is_full := EXISTS (SELECT FROM app.users);
		v_state.put_off := '{}';
	END IF;
	IF v_state.stage IS NULL THEN
		v_state.stage := 'changed';
		v_state.last_id := NULL;
		v_state.next_horizon := greatest(v_feed.horizon, v_state.horizon);
	END IF;
	-- every batch has to know of what is below it, and a later one may be a
	-- standby's that is behind
	v_state.next_horizon := greatest(least(v_feed.horizon, v_state.next_horizon),
		v_state.horizon);
	RETURN v_state;
END
$$;
COMMENT ON FUNCTION bridge.begin_pass() IS
	'internal: lock the state of the sync, and go on with a pass or begin one';
REVOKE ALL ON FUNCTION bridge.begin_pass() FROM PUBLIC;

CREATE OR REPLACE FUNCTION bridge.sync(max_users integer,
	OUT keys integer, OUT revocations integer, OUT users integer, OUT deleted integer,
	OUT complete boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_before bridge.sync_state;
	v_after bridge.sync_state;
	v_step record;
	v_connection bigint;
BEGIN
	PERFORM dualdb.require_primary();
	v_before := bridge.begin_pass();
	v_connection := dualdb.bridge_connection_number();
	keys := bridge.sync_keys();
	revocations := bridge.sync_revocations(v_before.horizon);
	v_after := v_before;
	users := 0;
	deleted := 0;
	BEGIN
		IF to_regprocedure('bridge.sync_users(bridge.sync_state, integer)') IS NULL THEN
			-- a worker of a sharded database, where the coordinator keeps the directory
			v_after.stage := NULL;
			v_after.horizon := v_after.next_horizon;
		ELSE
			SELECT s.state, s.users, s.deleted INTO v_step
			FROM bridge.sync_users(v_before, max_users) s;
			v_after := v_step.state;
			users := v_step.users;
			deleted := v_step.deleted;
		END IF;
	EXCEPTION WHEN lock_not_available THEN
		-- keys and revocations do not wait for it
		NULL;
	END;
	IF dualdb.bridge_connection_number() <> v_connection THEN
		RAISE EXCEPTION USING
			ERRCODE = 'connection_failure',
			MESSAGE = 'the connection to the auth database was lost during the sync',
			DETAIL = 'Another host may have answered since.',
			HINT = 'Run it again.';
	END IF;
	UPDATE bridge.sync_state s SET feed_id = v_after.feed_id, horizon = v_after.horizon,
		synced_at = v_after.synced_at, stage = v_after.stage, is_full = v_after.is_full,
		next_horizon = v_after.next_horizon, last_id = v_after.last_id,
		put_off = v_after.put_off, failures = 0;
	complete := v_after.stage IS NULL AND v_after.put_off = '{}';
END
$$;
COMMENT ON FUNCTION bridge.sync(integer) IS
	'pull trusted keys, revocations, and a batch of changed users; called by dualdb.sync()';
REVOKE ALL ON FUNCTION bridge.sync(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bridge.sync(integer) TO dualdb_sync;

CREATE OR REPLACE FUNCTION bridge.note_failure(message text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	UPDATE bridge.sync_state s SET failures = s.failures + 1,
		failed_at = clock_timestamp(), error = left(message, 1000)
$$;
COMMENT ON FUNCTION bridge.note_failure(text) IS
	'internal: let app.sync_status show why a sync failed';
REVOKE ALL ON FUNCTION bridge.note_failure(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bridge.note_failure(text) TO dualdb_sync;
