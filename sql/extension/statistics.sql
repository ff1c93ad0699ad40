-- What monitoring reads: counters of this database, in this server's memory.

CREATE FUNCTION dualdb.count_event(name text) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dualdb_count_event';
COMMENT ON FUNCTION dualdb.count_event(text) IS
	'count one more where memory is shared, whatever becomes of the transaction';
REVOKE ALL ON FUNCTION dualdb.count_event(text) FROM PUBLIC;

CREATE FUNCTION dualdb.statistic(name text) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dualdb_statistic';
COMMENT ON FUNCTION dualdb.statistic(text) IS
	'a number of auth.statistics or app.statistics; NULL where no memory is shared';
REVOKE ALL ON FUNCTION dualdb.statistic(text) FROM PUBLIC;

CREATE FUNCTION dualdb.statistics_since() RETURNS timestamptz
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dualdb_statistics_since';
COMMENT ON FUNCTION dualdb.statistics_since() IS
	'when the counters of this database were 0';
REVOKE ALL ON FUNCTION dualdb.statistics_since() FROM PUBLIC;

CREATE FUNCTION dualdb.reset_statistics() RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dualdb_reset_statistics';
COMMENT ON FUNCTION dualdb.reset_statistics() IS
	'set the counters of this database to 0';
REVOKE ALL ON FUNCTION dualdb.reset_statistics() FROM PUBLIC;
