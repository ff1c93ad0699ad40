-- Pulling from the auth database.
--
-- Every scan of one call is in one remote REPEATABLE READ transaction, so the
-- horizon and the rows belong together.  A row committed late carries a mark at
-- or above an earlier horizon and is found by the next call; a timestamp would
-- have passed it by.

GRANT USAGE ON SCHEMA bridge TO dualdb_sync;

CREATE OR REPLACE FUNCTION bridge.sync_keys() RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_removed integer;
	v_written integer;
BEGIN
	DELETE FROM dualdb.trusted_keys t
	WHERE t.origin = 'bridge'
		AND NOT EXISTS (SELECT FROM bridge.trusted_keys r WHERE r.kid = t.kid);
	GET DIAGNOSTICS v_removed = ROW_COUNT;

	-- unchanged rows are left alone: every write makes all backends read again
	INSERT INTO dualdb.trusted_keys AS t
		(kid, issuer, public_key, not_before, not_after, origin)
	SELECT r.kid, r.issuer, r.public_key, r.not_before, r.not_after, 'bridge'
	FROM bridge.trusted_keys r LEFT JOIN dualdb.trusted_keys h ON h.kid = r.kid
	WHERE (h.issuer, h.public_key, h.not_before, h.not_after)
		IS DISTINCT FROM (r.issuer, r.public_key, r.not_before, r.not_after)
	ON CONFLICT (kid) DO UPDATE SET issuer = excluded.issuer,
		public_key = excluded.public_key, not_before = excluded.not_before,
		not_after = excluded.not_after
	WHERE t.origin = 'bridge';
	GET DIAGNOSTICS v_written = ROW_COUNT;
	RETURN v_removed + v_written;
END
$$;
COMMENT ON FUNCTION bridge.sync_keys() IS
	'internal: make the trusted keys that came through the bridge equal to those of the auth database';
REVOKE ALL ON FUNCTION bridge.sync_keys() FROM PUBLIC;

CREATE OR REPLACE FUNCTION bridge.sync_revocations() RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_written integer;
BEGIN
	DELETE FROM dualdb.revocations r
	WHERE r.origin = 'bridge' AND r.expires_at < clock_timestamp();

	INSERT INTO dualdb.revocations AS l (kind, id, min_version, expires_at, origin)
	SELECT r.kind, r.id, r.min_version, r.expires_at, 'bridge'
	FROM bridge.revocations r
		LEFT JOIN dualdb.revocations h ON h.kind = r.kind AND h.id = r.id
	WHERE (h.min_version, h.expires_at) IS DISTINCT FROM (r.min_version, r.expires_at)
	ON CONFLICT (kind, id) DO UPDATE SET min_version = excluded.min_version,
		expires_at = excluded.expires_at
	WHERE l.origin = 'bridge';
	GET DIAGNOSTICS v_written = ROW_COUNT;
	RETURN v_written;
END
$$;
COMMENT ON FUNCTION bridge.sync_revocations() IS
	'internal: bring the revocations here, and drop those that have had their effect';
REVOKE ALL ON FUNCTION bridge.sync_revocations() FROM PUBLIC;

CREATE OR REPLACE FUNCTION bridge.sync_users(since xid8) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_written integer;
BEGIN
	INSERT INTO app.users AS u (id, email, display_name, is_active)
	SELECT r.id, r.email, r.display_name, r.is_active
	FROM bridge.user_lookup r WHERE r.change_xid >= since
	ON CONFLICT (id) DO UPDATE SET email = excluded.email,
		display_name = excluded.display_name, is_active = excluded.is_active
	WHERE (u.email, u.display_name, u.is_active)
		IS DISTINCT FROM (excluded.email, excluded.display_name, excluded.is_active);
	GET DIAGNOSTICS v_written = ROW_COUNT;
	RETURN v_written;
END
$$;
COMMENT ON FUNCTION bridge.sync_users(xid8) IS
	'internal: bring users that changed since a horizon into the directory';
REVOKE ALL ON FUNCTION bridge.sync_users(xid8) FROM PUBLIC;

CREATE OR REPLACE FUNCTION bridge.bury_users(since xid8, all_missing boolean)
RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_buried integer;
BEGIN
	UPDATE app.users u SET email = NULL, display_name = NULL, is_active = false
	WHERE (u.id IN (SELECT d.id FROM bridge.deleted_users d WHERE d.change_xid >= since)
			OR all_missing AND NOT EXISTS (SELECT FROM bridge.user_lookup r WHERE r.id = u.id))
		AND (u.email IS NOT NULL OR u.display_name IS NOT NULL OR u.is_active);
	GET DIAGNOSTICS v_buried = ROW_COUNT;
	RETURN v_buried;
END
$$;
COMMENT ON FUNCTION bridge.bury_users(xid8, boolean) IS
	'internal: empty the directory rows of users who are gone; all_missing when the tombstones may not go back far enough';
REVOKE ALL ON FUNCTION bridge.bury_users(xid8, boolean) FROM PUBLIC;

CREATE OR REPLACE FUNCTION bridge.sync(
	OUT keys integer, OUT revocations integer, OUT users integer, OUT deleted integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_state record;
	v_feed record;
	v_since xid8;
	v_afresh boolean;
BEGIN
	-- one sync at a time
	SELECT s.feed_id, s.horizon INTO STRICT v_state
	FROM bridge.sync_state s FOR UPDATE;
	SELECT f.feed_id, f.horizon INTO STRICT v_feed FROM bridge.feed f;

	-- marks of another feed say nothing about this one
	v_afresh := v_state.feed_id IS DISTINCT FROM v_feed.feed_id
		OR v_feed.horizon < v_state.horizon;
	v_since := CASE WHEN v_afresh THEN '0' ELSE v_state.horizon END;

	keys := bridge.sync_keys();
	revocations := bridge.sync_revocations();
	users := bridge.sync_users(v_since);
	deleted := bridge.bury_users(v_since, v_afresh);

	UPDATE bridge.sync_state s SET feed_id = v_feed.feed_id,
		horizon = v_feed.horizon, synced_at = clock_timestamp();
END
$$;
COMMENT ON FUNCTION bridge.sync() IS
	'pull trusted keys, revocations, changed users and tombstones; called by dualdb.sync()';
REVOKE ALL ON FUNCTION bridge.sync() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bridge.sync() TO dualdb_sync;
