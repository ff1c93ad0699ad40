-- The schema; identifiers, opaque tokens and settings.

-- Fails where a schema of this name exists: its owner could replace what is put
-- into it.
CREATE SCHEMA dualdb;
COMMENT ON SCHEMA dualdb IS 'dualdb: passwords, tokens, identity, setup';
-- everybody may ask user_id(); what else each role may call is granted by name
GRANT USAGE ON SCHEMA dualdb TO PUBLIC;

CREATE FUNCTION dualdb.new_id() RETURNS text
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_new_id';
COMMENT ON FUNCTION dualdb.new_id() IS
	'new UUID version 7 as text; ids made by one backend sort in the order they were made';

CREATE FUNCTION dualdb.new_token(prefix text) RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_new_token';
COMMENT ON FUNCTION dualdb.new_token(text) IS
	'new opaque token: the prefix, an underscore and 256 random bits';
REVOKE ALL ON FUNCTION dualdb.new_token(text) FROM PUBLIC;

CREATE FUNCTION dualdb.hash_token(purpose text, token text) RETURNS bytea
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_hash_token';
COMMENT ON FUNCTION dualdb.hash_token(text, text) IS
	'hash of an opaque token, keyed by auth.hash_keys and bound to a purpose';
REVOKE ALL ON FUNCTION dualdb.hash_token(text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.setting(name text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_setting';
COMMENT ON FUNCTION dualdb.setting(text) IS
	'value of the setting dualdb.<name>, also when nothing has loaded the library yet';
REVOKE ALL ON FUNCTION dualdb.setting(text) FROM PUBLIC;
