-- What monitoring is to look at: one row of numbers since stats_reset.  New ones
-- come last, as CREATE OR REPLACE VIEW wants it.

CREATE OR REPLACE VIEW auth.statistics AS
	SELECT dualdb.statistics_since() AS stats_reset,
		dualdb.statistic('logins') AS logins,
		dualdb.statistic('logins_mfa_required') AS logins_mfa_required,
		dualdb.statistic('login_failures') AS login_failures,
		dualdb.statistic('logins_throttled') AS logins_throttled,
		dualdb.statistic('logins_busy') AS logins_busy,
		dualdb.statistic('refreshes') AS refreshes,
		dualdb.statistic('refresh_failures') AS refresh_failures,
		dualdb.statistic('token_reuse') AS token_reuse,
		dualdb.statistic('registrations') AS registrations,
		dualdb.statistic('registrations_refused') AS registrations_refused,
		dualdb.statistic('password_changes') AS password_changes,
		dualdb.statistic('password_reset_requests') AS password_reset_requests,
		dualdb.statistic('password_resets') AS password_resets,
		dualdb.statistic('api_keys_verified') AS api_keys_verified,
		dualdb.statistic('api_keys_refused') AS api_keys_refused,
		dualdb.statistic('tokens_verified') AS tokens_verified,
		dualdb.statistic('tokens_refused') AS tokens_refused,
		dualdb.statistic('hashes_running') AS hashes_running,
		dualdb.statistic('events_pending') AS events_pending,
		dualdb.statistic('events_lost') AS events_lost;
COMMENT ON VIEW auth.statistics IS
	'what has happened in this database since stats_reset, as this server has counted it, rolled back or not; hashes_running and events_pending are of now. NULL where the library has no shared memory';
REVOKE ALL ON auth.statistics FROM PUBLIC;
GRANT SELECT ON auth.statistics TO pg_monitor;
