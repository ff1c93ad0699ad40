-- The app database's own connection to the auth database.

-- These two send what they are told, as dualdb_bridge, so they are for the
-- bridge's own functions alone.
CREATE FUNCTION dualdb.bridge_lookup(query text, arguments text[])
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 20
AS 'MODULE_PATHNAME', 'dualdb_bridge_lookup';
COMMENT ON FUNCTION dualdb.bridge_lookup(text, text[]) IS
	'internal: ask the auth database within bridge_timeout, outside of the transaction; the statement stays prepared';
REVOKE ALL ON FUNCTION dualdb.bridge_lookup(text, text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.bridge_fetch(query text, arguments text[])
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dualdb_bridge_fetch';
COMMENT ON FUNCTION dualdb.bridge_fetch(text, text[]) IS
	'internal: ask the auth database for the sync, with three times bridge_timeout for each piece of the answer';
REVOKE ALL ON FUNCTION dualdb.bridge_fetch(text, text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.bridge_connection_number() RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dualdb_bridge_connection_number';
COMMENT ON FUNCTION dualdb.bridge_connection_number() IS
	'internal: how many connections to the auth database this session has made';
REVOKE ALL ON FUNCTION dualdb.bridge_connection_number() FROM PUBLIC;
