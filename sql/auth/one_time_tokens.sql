-- One-time tokens: hashed, single use, expiring, bound to purpose and address.

CREATE OR REPLACE FUNCTION auth.new_one_time_token(
	user_id text, purpose text, lifetime interval)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_token text := dualdb.new_token('ddbo');
BEGIN
	-- the newest token of a purpose is the only one, but for logins under way; the
	-- user's lock lets two callers see each other's
	PERFORM u.id FROM auth.users u WHERE u.id = new_one_time_token.user_id FOR NO KEY UPDATE;
	DELETE FROM auth.one_time_tokens t
	WHERE t.user_id = new_one_time_token.user_id
		AND t.purpose = new_one_time_token.purpose
		AND (t.purpose <> 'mfa' OR t.expires_at < clock_timestamp());
	INSERT INTO auth.one_time_tokens (user_id, purpose, token_hash, email_norm, expires_at)
	SELECT u.id, new_one_time_token.purpose,
		dualdb.hash_token(new_one_time_token.purpose, v_token), u.email_norm,
		clock_timestamp() + lifetime
	FROM auth.users u WHERE u.id = new_one_time_token.user_id;
	RETURN v_token;
END
$$;
COMMENT ON FUNCTION auth.new_one_time_token(text, text, interval) IS
	'internal: a token that use_one_time_token() takes once';
REVOKE ALL ON FUNCTION auth.new_one_time_token(text, text, interval) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.find_one_time_token(
	token text, purpose text, OUT status text, OUT id text, OUT user_id text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_token record;
BEGIN
	SELECT t.id, t.user_id, t.used_at, t.expires_at,
		t.email_norm = u.email_norm AND u.is_active AND u.deleted_at IS NULL AS still_good
	INTO v_token
	FROM auth.one_time_tokens t JOIN auth.users u ON u.id = t.user_id
	WHERE t.token_hash = dualdb.hash_token(find_one_time_token.purpose, find_one_time_token.token)
		AND t.purpose = find_one_time_token.purpose
	FOR UPDATE OF t FOR NO KEY UPDATE OF u;
	status := CASE
		WHEN v_token.id IS NULL OR v_token.used_at IS NOT NULL
			OR NOT v_token.still_good THEN 'invalid_credentials'
		WHEN v_token.expires_at <= clock_timestamp() THEN 'expired'
		ELSE 'ok'
	END;
	IF status = 'ok' THEN
		id := v_token.id;
		user_id := v_token.user_id;
	END IF;
END
$$;
COMMENT ON FUNCTION auth.find_one_time_token(text, text) IS
	'internal: the user of a token that can be used now; status ok, invalid_credentials or expired';
REVOKE ALL ON FUNCTION auth.find_one_time_token(text, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.use_one_time_token(id text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	UPDATE auth.one_time_tokens t SET used_at = clock_timestamp() WHERE t.id = $1
$$;
COMMENT ON FUNCTION auth.use_one_time_token(text) IS 'internal: a token has been used';
REVOKE ALL ON FUNCTION auth.use_one_time_token(text) FROM PUBLIC;
