-- The auth side of the bridge: all that the app database may see.
--
-- The views belong to a role that can read these columns and no others, so a
-- view that is changed to show more shows an error.  They are barriers, because
-- they hide rows; every condition that the app side sends is a leakproof one
-- (plain = and >=), which an index still serves.

GRANT USAGE ON SCHEMA bridge TO dualdb_bridge;

DO $$
BEGIN
	EXECUTE format('CREATE OR REPLACE VIEW bridge.user_lookup WITH (security_barrier = true) AS
		SELECT u.id, u.email, u.email_norm, u.display_name, u.is_active, u.change_xid%s
		FROM auth.users u
		WHERE u.deleted_at IS NULL',
		(SELECT string_agg(format(', u.%I', c.name), '' ORDER BY c.position)
			FROM auth.directory_columns c));
END
$$;
COMMENT ON VIEW bridge.user_lookup IS 'users as the app database may see them';
REVOKE ALL ON bridge.user_lookup FROM PUBLIC;
GRANT SELECT ON bridge.user_lookup TO dualdb_bridge;

CREATE OR REPLACE VIEW bridge.deleted_users WITH (security_barrier = true) AS
	SELECT u.id, u.change_xid FROM auth.users u WHERE u.deleted_at IS NOT NULL
	UNION ALL
	SELECT d.id, d.change_xid FROM auth.deleted_users d
	WHERE NOT EXISTS (SELECT FROM auth.users u
		WHERE u.id = d.id AND u.deleted_at IS NULL);
COMMENT ON VIEW bridge.deleted_users IS 'tombstones: ids of users who are gone';
REVOKE ALL ON bridge.deleted_users FROM PUBLIC;
GRANT SELECT ON bridge.deleted_users TO dualdb_bridge;

CREATE OR REPLACE VIEW bridge.trusted_keys WITH (security_barrier = true) AS
	SELECT t.kid, t.issuer, t.public_key, t.not_before, t.not_after
	FROM dualdb.trusted_keys t
	WHERE t.origin = 'local';
COMMENT ON VIEW bridge.trusted_keys IS 'public keys of the tokens that are signed here';
REVOKE ALL ON bridge.trusted_keys FROM PUBLIC;
GRANT SELECT ON bridge.trusted_keys TO dualdb_bridge;

CREATE OR REPLACE VIEW bridge.revocations WITH (security_barrier = true) AS
	SELECT r.kind, r.id, r.min_version, r.expires_at, r.change_xid
	FROM dualdb.revocations r
	WHERE r.origin = 'local' AND r.expires_at > clock_timestamp();
COMMENT ON VIEW bridge.revocations IS 'access tokens that are refused before they expire';
REVOKE ALL ON bridge.revocations FROM PUBLIC;
GRANT SELECT ON bridge.revocations TO dualdb_bridge;

-- A transaction that is still open now may yet commit with any mark from
-- pg_snapshot_xmin() on; whoever has seen this feed asks from there again.
-- A promoted server writes in its new timeline at once, but its control file names
-- it only after a checkpoint, which can take minutes.
CREATE OR REPLACE VIEW bridge.feed AS
	SELECT pg_snapshot_xmin(pg_current_snapshot()) AS horizon,
		format('%s/%s/%s/%s', s.system_identifier, d.oid,
			CASE WHEN pg_is_in_recovery()
				THEN greatest(c.timeline_id, r.min_recovery_end_timeline)
				ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
			END,
			pg_relation_filenode('auth.users')) AS feed_id,
		pg_is_in_recovery() AS is_standby,
		-- a standby that has replayed all of what keeps coming is up to date
		CASE WHEN NOT pg_is_in_recovery()
				OR EXISTS (SELECT FROM pg_stat_wal_receiver)
					AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
			THEN interval '0'
			ELSE greatest(clock_timestamp() - pg_last_xact_replay_timestamp(), interval '0')
		END AS age
	FROM pg_control_system() s, pg_control_checkpoint() c, pg_control_recovery() r,
		pg_database d
	WHERE d.datname = current_database();
COMMENT ON VIEW bridge.feed IS
	'horizon: every change below it has been seen; feed_id: changes when the marks start over (restore, failover, TRUNCATE); is_standby: the horizon may be behind; age: how old a standby''s rows may be';
REVOKE ALL ON bridge.feed FROM PUBLIC;
GRANT SELECT ON bridge.feed TO dualdb_bridge;
