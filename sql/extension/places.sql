-- What runs where: on every server, or on the primary alone.

CREATE FUNCTION dualdb.require_primary() RETURNS void
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_require_primary';
COMMENT ON FUNCTION dualdb.require_primary() IS
	'error 25006 on a standby, with where its primary is as a hint; before anything else in each function that is called to write';
REVOKE ALL ON FUNCTION dualdb.require_primary() FROM PUBLIC;
