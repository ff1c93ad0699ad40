-- What monitoring is to look at.

CREATE OR REPLACE VIEW app.sync_status AS
	SELECT s.synced_at AS last_success,
		clock_timestamp() - s.synced_at AS lag,
		s.stage IS NULL AND s.put_off = '{}' AS complete,
		s.stage IS NOT NULL AS scanning, cardinality(s.put_off) AS put_off,
		s.failures, s.failed_at AS last_failure, s.error AS last_error
	FROM bridge.sync_state s;
COMMENT ON VIEW app.sync_status IS
	'the sync: when it last heard of keys and revocations, whether the directory is complete, a pass over the users is not at its end, users put off for open transactions, failures in a row, and the last error';
REVOKE ALL ON app.sync_status FROM PUBLIC;
GRANT SELECT ON app.sync_status TO dualdb_sync, pg_monitor;
