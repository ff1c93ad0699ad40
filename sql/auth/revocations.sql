-- Revocations: what ends access tokens before they expire.
--
-- In this database they count at once, in the app database after its next sync.  A
-- revocation is kept for as long as a token that it is about can live.  API keys are
-- exchanged for tokens on standbys, too, and one that is behind does so when the key
-- has been revoked: what is about keys is kept for a day longer than that.

CREATE OR REPLACE FUNCTION auth.add_revocation(
	kind text, id text, min_version integer DEFAULT NULL)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO dualdb.revocations AS r (kind, id, min_version, expires_at, origin)
	VALUES ($1, $2, $3, clock_timestamp() + dualdb.setting('access_token_ttl')::interval
		+ 2 * dualdb.setting('leeway')::interval
		+ CASE WHEN $1 = 'user' OR EXISTS (SELECT FROM auth.api_keys k WHERE k.id = $2)
			THEN interval '1 day' ELSE interval '0' END, 'local')
	ON CONFLICT (kind, id) DO UPDATE SET min_version = excluded.min_version,
		expires_at = excluded.expires_at, change_xid = excluded.change_xid
$$;
COMMENT ON FUNCTION auth.add_revocation(text, text, integer) IS
	'internal: revoke the access tokens of a session, or those of a user below a version';
REVOKE ALL ON FUNCTION auth.add_revocation(text, text, integer) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.revoke_access_tokens(user_id text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_version integer;
BEGIN
	UPDATE auth.users u SET token_version = u.token_version + 1
	WHERE u.id = revoke_access_tokens.user_id
	RETURNING u.token_version INTO v_version;
	IF FOUND THEN
		PERFORM auth.add_revocation('user', revoke_access_tokens.user_id, v_version);
	END IF;
END
$$;
COMMENT ON FUNCTION auth.revoke_access_tokens(text) IS
	'internal: revoke the access tokens that a user has now; refresh tokens give new ones';
REVOKE ALL ON FUNCTION auth.revoke_access_tokens(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.revoke_ended_session() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM auth.add_revocation('session', OLD.id);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION auth.revoke_ended_session() IS
	'revokes the access tokens of a session that ends, however it does';
REVOKE ALL ON FUNCTION auth.revoke_ended_session() FROM PUBLIC;
CREATE OR REPLACE TRIGGER revoke_ended_session AFTER UPDATE OF ended_at ON auth.sessions
	FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL)
	EXECUTE FUNCTION auth.revoke_ended_session();
CREATE OR REPLACE TRIGGER revoke_deleted_session AFTER DELETE ON auth.sessions
	FOR EACH ROW WHEN (OLD.ended_at IS NULL AND OLD.expires_at > now())
	EXECUTE FUNCTION auth.revoke_ended_session();
