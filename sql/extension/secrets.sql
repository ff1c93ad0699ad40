-- API keys, one-time codes, and the successors of refresh tokens.  All for
-- functions of the auth database.

CREATE FUNCTION dualdb.new_api_key(OUT id text, OUT api_key text)
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_new_api_key';
COMMENT ON FUNCTION dualdb.new_api_key() IS
	'new API key: ddb_<id>_<256 random bits><check>, in base62';
REVOKE ALL ON FUNCTION dualdb.new_api_key() FROM PUBLIC;

CREATE FUNCTION dualdb.api_key_id(api_key text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_api_key_id';
COMMENT ON FUNCTION dualdb.api_key_id(text) IS
	'id in a well-formed API key; NULL for any other text';
REVOKE ALL ON FUNCTION dualdb.api_key_id(text) FROM PUBLIC;

CREATE FUNCTION dualdb.new_totp_secret(
	factor_id text, OUT secret text, OUT sealed_secret bytea)
LANGUAGE c VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_new_totp_secret';
COMMENT ON FUNCTION dualdb.new_totp_secret(text) IS
	'new TOTP secret (RFC 6238) in base32, and sealed for the factor''s row';
REVOKE ALL ON FUNCTION dualdb.new_totp_secret(text) FROM PUBLIC;

CREATE FUNCTION dualdb.match_totp(
	factor_id text, sealed_secret bytea, code text, last_step bigint)
RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_match_totp';
COMMENT ON FUNCTION dualdb.match_totp(text, bytea, text, bigint) IS
	'time step, later than last_step, that the code is of; NULL when it is of none near now';
REVOKE ALL ON FUNCTION dualdb.match_totp(text, bytea, text, bigint) FROM PUBLIC;

CREATE FUNCTION dualdb.seal_successor(token text, successor text) RETURNS bytea
LANGUAGE c VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_seal_successor';
COMMENT ON FUNCTION dualdb.seal_successor(text, text) IS
	'the successor of a token, sealed so that it takes the token to open it';
REVOKE ALL ON FUNCTION dualdb.seal_successor(text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.open_successor(token text, sealed bytea) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_open_successor';
COMMENT ON FUNCTION dualdb.open_successor(text, bytea) IS
	'the successor that was sealed for the token; NULL when it was not';
REVOKE ALL ON FUNCTION dualdb.open_successor(text, bytea) FROM PUBLIC;
