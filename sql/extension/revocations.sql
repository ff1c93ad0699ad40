-- What ends access tokens before they expire.

CREATE TABLE dualdb.revocations
(
	kind text COLLATE "C" NOT NULL CHECK (kind IN ('session', 'user')),
	id text COLLATE "C" NOT NULL,
	min_version integer,
	expires_at timestamptz NOT NULL,
	origin text NOT NULL DEFAULT 'local' CHECK (origin IN ('local', 'bridge')),
	change_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	PRIMARY KEY (kind, id)
);
CREATE INDEX revocations_change_xid_idx ON dualdb.revocations (change_xid);
CREATE INDEX revocations_expires_at_idx ON dualdb.revocations (expires_at);
COMMENT ON TABLE dualdb.revocations IS
	'access tokens that are refused: those of a session, or those of a user below a version; rows outlive the tokens';
COMMENT ON COLUMN dualdb.revocations.min_version IS
	'claim token_version from which on the user''s tokens are good; NULL: none is';
COMMENT ON COLUMN dualdb.revocations.change_xid IS
	'transaction of the last change, by which the sync finds it';
REVOKE ALL ON dualdb.revocations FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('dualdb.revocations', '');

CREATE TRIGGER announce_change
	AFTER INSERT OR UPDATE OR DELETE ON dualdb.revocations
	FOR EACH ROW EXECUTE FUNCTION dualdb.announce_change();
ALTER TABLE dualdb.revocations ENABLE ALWAYS TRIGGER announce_change;
