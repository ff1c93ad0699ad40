-- What monitoring is to look at: one row of numbers since stats_reset.  New ones
-- come last, as CREATE OR REPLACE VIEW wants it.

CREATE OR REPLACE VIEW app.statistics AS
	SELECT dualdb.statistics_since() AS stats_reset,
		dualdb.statistic('tokens_verified') AS tokens_verified,
		dualdb.statistic('tokens_refused') AS tokens_refused,
		dualdb.statistic('lookups') AS lookups,
		dualdb.statistic('lookup_failures') AS lookup_failures;
COMMENT ON VIEW app.statistics IS
	'tokens and look-ups of this database since stats_reset, as this server has counted them. NULL where the library has no shared memory';
REVOKE ALL ON app.statistics FROM PUBLIC;
GRANT SELECT ON app.statistics TO pg_monitor;
