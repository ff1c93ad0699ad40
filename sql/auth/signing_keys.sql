-- Signing keys: next, active, retired.
--
-- A key is published while it is "next", so that every verifier has it before
-- the first token is signed with it, and stays published after it is retired
-- until the last of its tokens has expired.

CREATE OR REPLACE FUNCTION auth.add_signing_key(status text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_key record;
BEGIN
	SELECT g.kid, g.public_key, g.sealed_key INTO v_key
	FROM dualdb.generate_signing_key() g;

	INSERT INTO dualdb.trusted_keys (kid, issuer, public_key, origin)
	VALUES (v_key.kid, dualdb.setting('issuer'), v_key.public_key, 'local');
	INSERT INTO auth.signing_keys (kid, status, sealed_key, activated_at)
	VALUES (v_key.kid, add_signing_key.status, v_key.sealed_key,
		CASE WHEN add_signing_key.status = 'active' THEN now() END);
	RETURN v_key.kid;
END
$$;
COMMENT ON FUNCTION auth.add_signing_key(text) IS
	'internal: make a key pair with status next or active and publish its public half';
REVOKE ALL ON FUNCTION auth.add_signing_key(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.retire_signing_key() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_kid text;
BEGIN
	UPDATE auth.signing_keys k
	SET status = 'retired', sealed_key = NULL, retired_at = now()
	WHERE k.status = 'active'
	RETURNING k.kid INTO v_kid;

	UPDATE dualdb.trusted_keys t
	SET not_after = least(t.not_after, clock_timestamp()
		+ dualdb.setting('access_token_ttl')::interval
		+ dualdb.setting('leeway')::interval)
	WHERE t.kid = v_kid;
	DELETE FROM dualdb.trusted_keys t
	WHERE t.origin = 'local' AND t.not_after < clock_timestamp();
END
$$;
COMMENT ON FUNCTION auth.retire_signing_key() IS
	'internal: retire the active key, trusted until the last of its tokens expires, and forget those before it';
REVOKE ALL ON FUNCTION auth.retire_signing_key() FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.rotate_signing_key(OUT status text, OUT kid text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dualdb.require_primary();
	LOCK TABLE auth.signing_keys IN SHARE ROW EXCLUSIVE MODE;
	PERFORM auth.retire_signing_key();

	UPDATE auth.signing_keys k SET status = 'active', activated_at = now()
	WHERE k.status = 'next'
	RETURNING k.kid INTO kid;
	IF kid IS NULL THEN
		kid := auth.add_signing_key('active');
	END IF;
	PERFORM auth.add_signing_key('next');
	PERFORM auth.record_event('signing_key_rotated', NULL, kid);
	status := 'ok';
END
$$;
COMMENT ON FUNCTION auth.rotate_signing_key() IS
	'sign with the next key from now on and publish a new next one; returns the kid of the active key';
REVOKE ALL ON FUNCTION auth.rotate_signing_key() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.rotate_signing_key() TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.revoke_signing_key(
	kid text, OUT status text, OUT active_kid text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_status text;
BEGIN
	PERFORM dualdb.require_primary();
	LOCK TABLE auth.signing_keys IN SHARE ROW EXCLUSIVE MODE;
	SELECT k.status INTO v_status
	FROM auth.signing_keys k WHERE k.kid = revoke_signing_key.kid AND k.status <> 'revoked';
	IF NOT FOUND THEN
		status := 'not_found';
		RETURN;
	END IF;
	IF v_status = 'active' THEN
		PERFORM auth.rotate_signing_key();
	END IF;
	UPDATE auth.signing_keys k SET status = 'revoked', sealed_key = NULL,
		retired_at = coalesce(k.retired_at, now())
	WHERE k.kid = revoke_signing_key.kid;
	DELETE FROM dualdb.trusted_keys t WHERE t.kid = revoke_signing_key.kid;
	IF v_status = 'next' THEN
		PERFORM auth.add_signing_key('next');
	END IF;
	PERFORM auth.record_event('signing_key_revoked', NULL, revoke_signing_key.kid);

	SELECT k.kid INTO active_kid FROM auth.signing_keys k WHERE k.status = 'active';
	status := 'ok';
END
$$;
COMMENT ON FUNCTION auth.revoke_signing_key(text) IS
	'no token of the key is good from now on, in the app database from its next sync; returns the kid of the active key. Status ok or not_found';
REVOKE ALL ON FUNCTION auth.revoke_signing_key(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.revoke_signing_key(text) TO dualdb_auth_service;
