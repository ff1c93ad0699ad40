-- Sessions and the tokens that belong to them.

DO $$
BEGIN
	IF to_regtype('auth.session_result') IS NULL THEN
		CREATE TYPE auth.session_result AS
		(
			status text,
			user_id text,
			session_id text,
			access_token text,
			refresh_token text,
			expires_at timestamptz,
			retry_after integer
		);
	END IF;
END
$$;
COMMENT ON TYPE auth.session_result IS
	'result of login() and refresh(); expires_at is the access token''s, retry_after is in seconds';

CREATE OR REPLACE FUNCTION auth.issue_tokens(session_id text)
RETURNS auth.session_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_session record;
	v_now timestamptz := clock_timestamp();
	v_result auth.session_result;
BEGIN
	SELECT s.id, s.user_id, s.expires_at INTO STRICT v_session
	FROM auth.sessions s WHERE s.id = issue_tokens.session_id;

	v_result.status := 'ok';
	v_result.user_id := v_session.user_id;
	v_result.session_id := v_session.id;
	-- a token's times are whole seconds
	v_result.expires_at := date_trunc('second', least(v_session.expires_at,
		v_now + dualdb.setting('access_token_ttl')::interval));
	v_result.access_token := dualdb.jwt_sign(jsonb_build_object(
		'sub', v_session.user_id,
		'sid', v_session.id,
		'exp', extract(epoch FROM v_result.expires_at)::bigint));

	v_result.refresh_token := dualdb.new_token('ddbr');
	INSERT INTO auth.refresh_tokens (session_id, token_hash, expires_at)
	VALUES (v_session.id,
		dualdb.hash_token('refresh', v_result.refresh_token),
		least(v_session.expires_at,
			v_now + dualdb.setting('refresh_token_ttl')::interval));
	RETURN v_result;
END
$$;
COMMENT ON FUNCTION auth.issue_tokens(text) IS
	'internal: an access token and a refresh token for a session';
REVOKE ALL ON FUNCTION auth.issue_tokens(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.start_session(user_id text, ip inet, user_agent text)
RETURNS auth.session_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_session_id text;
BEGIN
	INSERT INTO auth.sessions AS s (user_id, expires_at, ip, user_agent)
	VALUES (start_session.user_id,
		clock_timestamp() + dualdb.setting('session_lifetime')::interval,
		start_session.ip, left(start_session.user_agent, 1000))
	RETURNING s.id INTO v_session_id;
	RETURN auth.issue_tokens(v_session_id);
END
$$;
COMMENT ON FUNCTION auth.start_session(text, inet, text) IS
	'internal: open a session for a user who has been authenticated';
REVOKE ALL ON FUNCTION auth.start_session(text, inet, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.logout(
	refresh_token text, scope text DEFAULT 'local',
	OUT status text, OUT sessions_ended integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_session record;
BEGIN
	sessions_ended := 0;
	-- the user's lock puts the logouts of one user into a row
	SELECT s.id, s.user_id, s.ended_at, t.used_at,
		least(t.expires_at, s.expires_at) <= clock_timestamp() AS expired
	INTO v_session
	FROM auth.refresh_tokens t
		JOIN auth.sessions s ON s.id = t.session_id
		JOIN auth.users u ON u.id = s.user_id
	WHERE t.token_hash = dualdb.hash_token('refresh', logout.refresh_token)
	FOR NO KEY UPDATE OF u;
	-- with a token that is no longer good only its own session can be ended
	status := CASE
		WHEN v_session.id IS NULL THEN 'invalid_credentials'
		WHEN scope IS NULL OR scope NOT IN ('local', 'others', 'global') THEN 'invalid_argument'
		WHEN v_session.ended_at IS NOT NULL THEN 'revoked'
		WHEN scope <> 'local' AND v_session.used_at IS NOT NULL THEN 'reuse_detected'
		WHEN scope <> 'local' AND v_session.expired THEN 'expired'
		ELSE 'ok'
	END;
	IF status NOT IN ('ok', 'reuse_detected') THEN
		RETURN;
	END IF;

	UPDATE auth.sessions s SET ended_at = clock_timestamp(),
		end_reason = CASE status WHEN 'ok' THEN 'logout' ELSE status END
	WHERE s.user_id = v_session.user_id AND s.ended_at IS NULL
		AND CASE WHEN status <> 'ok' OR logout.scope = 'local' THEN s.id = v_session.id
			WHEN logout.scope = 'others' THEN s.id <> v_session.id
			ELSE true
		END;
	GET DIAGNOSTICS sessions_ended = ROW_COUNT;
END
$$;
COMMENT ON FUNCTION auth.logout(text, text) IS
	'end the session of a refresh token (local), the user''s other sessions (others), or all of them (global); status ok, invalid_credentials, revoked, expired, reuse_detected or invalid_argument';
REVOKE ALL ON FUNCTION auth.logout(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.logout(text, text) TO dualdb_auth_service;
