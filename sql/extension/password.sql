-- Password hashing: argon2id as PHC strings (RFC 9106).

CREATE FUNCTION dualdb.hash_password(password text) RETURNS text
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_hash_password';
COMMENT ON FUNCTION dualdb.hash_password(text) IS
	'argon2id hash of a password as a PHC string, at the cost that the settings argon2_memory and argon2_iterations say';
REVOKE ALL ON FUNCTION dualdb.hash_password(text) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_password(password text, hash text) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_verify_password';
COMMENT ON FUNCTION dualdb.verify_password(text, text) IS
	'does the password belong to the hash? never NULL; a hash of an unrecognized format is an error';
REVOKE ALL ON FUNCTION dualdb.verify_password(text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.password_needs_rehash(hash text) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_password_needs_rehash';
COMMENT ON FUNCTION dualdb.password_needs_rehash(text) IS
	'is the hash other than hash_password() would make it today?';
REVOKE ALL ON FUNCTION dualdb.password_needs_rehash(text) FROM PUBLIC;
