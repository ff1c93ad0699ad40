-- Password hashing: argon2id as PHC strings (RFC 9106), and hashes of other programs.

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
	'does the password belong to the hash, which may be another program''s? never NULL; a hash of an unrecognized format is an error';
REVOKE ALL ON FUNCTION dualdb.verify_password(text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.password_needs_rehash(hash text) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_password_needs_rehash';
COMMENT ON FUNCTION dualdb.password_needs_rehash(text) IS
	'is the hash other than hash_password() would make it today?';
REVOKE ALL ON FUNCTION dualdb.password_needs_rehash(text) FROM PUBLIC;

CREATE FUNCTION dualdb.password_hash_format(hash text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_password_hash_format';
COMMENT ON FUNCTION dualdb.password_hash_format(text) IS
	'name of the format of a hash that verify_password() accepts; NULL for any other';
REVOKE ALL ON FUNCTION dualdb.password_hash_format(text) FROM PUBLIC;

CREATE FUNCTION dualdb.wrap_password_hash(hash text) RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_wrap_password_hash';
COMMENT ON FUNCTION dualdb.wrap_password_hash(text) IS
	'another program''s hash under argon2id, to store until the first login; argon2, wrapped and unusable ones as they are';
REVOKE ALL ON FUNCTION dualdb.wrap_password_hash(text) FROM PUBLIC;

CREATE FUNCTION dualdb.password_hash_class(hash text) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_password_hash_class';
COMMENT ON FUNCTION dualdb.password_hash_class(text) IS
	'number of the hashes that take as long to compare as this one: from bit 46 on the kind, below it the work; NULL for a hash that takes no time';
REVOKE ALL ON FUNCTION dualdb.password_hash_class(text) FROM PUBLIC;
-- an index of auth.users evaluates it with the rights of whoever inserts or restores
GRANT EXECUTE ON FUNCTION dualdb.password_hash_class(text) TO PUBLIC;
