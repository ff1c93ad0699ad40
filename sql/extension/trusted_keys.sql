-- The public keys that tokens are verified with.

CREATE TABLE dualdb.trusted_keys
(
	kid text PRIMARY KEY CHECK (octet_length(kid) BETWEEN 1 AND 255),
	issuer text NOT NULL CHECK (issuer <> ''),
	public_key bytea NOT NULL CHECK (octet_length(public_key) = 32),
	not_before timestamptz,
	not_after timestamptz,
	origin text NOT NULL DEFAULT 'import'
		CHECK (origin IN ('local', 'bridge', 'import'))
);
COMMENT ON TABLE dualdb.trusted_keys IS
	'Ed25519 public keys that tokens are verified with; each vouches for one issuer';
COMMENT ON COLUMN dualdb.trusted_keys.kid IS
	'key id as the token header has it; RFC 7638 thumbprint for keys made here';
COMMENT ON COLUMN dualdb.trusted_keys.origin IS
	'local: made in this database; bridge: kept by sync(); import: added by hand';
REVOKE ALL ON dualdb.trusted_keys FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('dualdb.trusted_keys', '');

CREATE FUNCTION dualdb.announce_change() RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'dualdb_announce_change';
COMMENT ON FUNCTION dualdb.announce_change() IS
	'tells every backend, on standbys too, that what it knows of the table is out of date';
REVOKE ALL ON FUNCTION dualdb.announce_change() FROM PUBLIC;

-- per row, so that a statement that changes nothing wakes nobody; TRUNCATE
-- invalidates by itself
CREATE TRIGGER announce_change
	AFTER INSERT OR UPDATE OR DELETE ON dualdb.trusted_keys
	FOR EACH ROW EXECUTE FUNCTION dualdb.announce_change();
ALTER TABLE dualdb.trusted_keys ENABLE ALWAYS TRIGGER announce_change;
