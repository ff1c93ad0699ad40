-- Schema bridge of an app database.  It is there already where an auth database
-- has been in this one.

DO $$
DECLARE
	v_owner oid := (SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'bridge');
BEGIN
	IF v_owner IS NULL THEN
		CREATE SCHEMA bridge AUTHORIZATION dualdb_bridge_owner;
	ELSIF v_owner <> to_regrole('dualdb_bridge_owner') THEN
		RAISE EXCEPTION USING
			ERRCODE = 'duplicate_schema',
			MESSAGE = 'schema "bridge" exists already and is not dualdb''s',
			HINT = 'Rename the existing schema, or use another database.';
	END IF;
END
$$;
COMMENT ON SCHEMA bridge IS 'dualdb: foreign tables of the auth database and the pull through them';

-- keys and revocations are written by bridge.sync() alone
GRANT SELECT, INSERT, UPDATE, DELETE ON dualdb.trusted_keys, dualdb.revocations
	TO dualdb_bridge_owner;
GRANT EXECUTE ON FUNCTION dualdb.bridge_lookup(text, text[]), dualdb.bridge_fetch(text, text[]),
	dualdb.bridge_connection_number(), dualdb.require_primary()
	TO dualdb_bridge_owner;
