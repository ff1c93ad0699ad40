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
			retry_after integer,
			challenge text
		);
	END IF;
END
$$;
COMMENT ON TYPE auth.session_result IS
	'result of login(), login_totp() and refresh(); expires_at is the access token''s, retry_after is in seconds, challenge is for login_totp()';

CREATE OR REPLACE FUNCTION auth.issue_access_token(session_id text)
RETURNS auth.session_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_session record;
	v_result auth.session_result;
BEGIN
	SELECT s.id, s.user_id, s.expires_at, s.amr, s.created_at INTO STRICT v_session
	FROM auth.sessions s WHERE s.id = issue_access_token.session_id;

	v_result.status := 'ok';
	v_result.user_id := v_session.user_id;
	v_result.session_id := v_session.id;
	-- a token's times are whole seconds
	v_result.expires_at := date_trunc('second', least(v_session.expires_at,
		clock_timestamp() + dualdb.setting('access_token_ttl')::interval));
	v_result.access_token := dualdb.jwt_sign(jsonb_build_object(
		'sub', v_session.user_id,
		'sid', v_session.id,
		'amr', v_session.amr,
		'auth_time', floor(extract(epoch FROM v_session.created_at))::bigint,
		'exp', extract(epoch FROM v_result.expires_at)::bigint)
		|| auth.permission_claims(v_session.user_id));
	RETURN v_result;
END
$$;
COMMENT ON FUNCTION auth.issue_access_token(text) IS
	'internal: an access token for a session';
REVOKE ALL ON FUNCTION auth.issue_access_token(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.issue_tokens(session_id text)
RETURNS auth.session_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_result auth.session_result := auth.issue_access_token(session_id);
BEGIN
	v_result.refresh_token := dualdb.new_token('ddbr');
	INSERT INTO auth.refresh_tokens (session_id, token_hash, expires_at)
	SELECT s.id, dualdb.hash_token('refresh', v_result.refresh_token),
		least(s.expires_at,
			clock_timestamp() + dualdb.setting('refresh_token_ttl')::interval)
	FROM auth.sessions s WHERE s.id = issue_tokens.session_id;
	RETURN v_result;
END
$$;
COMMENT ON FUNCTION auth.issue_tokens(text) IS
	'internal: an access token and a refresh token for a session';
REVOKE ALL ON FUNCTION auth.issue_tokens(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.start_session(
	user_id text, ip inet, user_agent text, amr text[])
RETURNS auth.session_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_session_id text;
BEGIN
	INSERT INTO auth.sessions AS s (user_id, expires_at, ip, user_agent, amr)
	VALUES (start_session.user_id,
		clock_timestamp() + dualdb.setting('session_lifetime')::interval,
		start_session.ip, left(start_session.user_agent, 1000), start_session.amr)
	RETURNING s.id INTO v_session_id;
	PERFORM dualdb.count_event('logins');
	PERFORM auth.record_event('authn_login_success', start_session.user_id,
		v_session_id, start_session.ip, start_session.user_agent);
	RETURN auth.issue_tokens(v_session_id);
END
$$;
COMMENT ON FUNCTION auth.start_session(text, inet, text, text[]) IS
	'internal: open a session for a user who has been authenticated by these methods';
REVOKE ALL ON FUNCTION auth.start_session(text, inet, text, text[]) FROM PUBLIC;

-- The user's lock puts two callers into a row, who would deadlock otherwise.
CREATE OR REPLACE FUNCTION auth.end_sessions(
	user_id text, session_id text, scope text, reason text)
RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_ended integer;
BEGIN
	PERFORM u.id FROM auth.users u WHERE u.id = end_sessions.user_id FOR NO KEY UPDATE;
	UPDATE auth.sessions s SET ended_at = clock_timestamp(), end_reason = reason
	WHERE s.user_id = end_sessions.user_id AND s.ended_at IS NULL
		AND CASE scope
			WHEN 'local' THEN s.id = end_sessions.session_id
			WHEN 'others' THEN s.id <> end_sessions.session_id
			ELSE true
		END;
	GET DIAGNOSTICS v_ended = ROW_COUNT;
	RETURN v_ended;
END
$$;
COMMENT ON FUNCTION auth.end_sessions(text, text, text, text) IS
	'internal: end a session of a user (local), the others, or with global all of them';
REVOKE ALL ON FUNCTION auth.end_sessions(text, text, text, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.logout(
	refresh_token text, scope text DEFAULT 'local',
	OUT status text, OUT sessions_ended integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_session record;
BEGIN
	PERFORM dualdb.require_primary();
	sessions_ended := 0;
	SELECT s.id, s.user_id, t.used_at,
		s.ended_at IS NOT NULL
			OR auth.session_is_ending(s.id) AS ended,
		least(t.expires_at, s.expires_at) <= clock_timestamp() AS expired
	INTO v_session
	FROM auth.refresh_tokens t JOIN auth.sessions s ON s.id = t.session_id
	WHERE t.token_hash = dualdb.hash_token('refresh', logout.refresh_token);
	-- with a token that is no longer good only its own session can be ended
	status := CASE
		WHEN v_session.id IS NULL THEN 'invalid_credentials'
		WHEN scope IS NULL OR scope NOT IN ('local', 'others', 'global') THEN 'invalid_argument'
		WHEN v_session.ended THEN 'revoked'
		WHEN scope <> 'local' AND v_session.used_at IS NOT NULL THEN 'reuse_detected'
		WHEN scope <> 'local' AND v_session.expired THEN 'expired'
		ELSE 'ok'
	END;
	IF status NOT IN ('ok', 'reuse_detected') THEN
		RETURN;
	END IF;

	sessions_ended := auth.end_sessions(v_session.user_id, v_session.id,
		CASE WHEN status = 'ok' THEN scope ELSE 'local' END,
		CASE WHEN status = 'ok' THEN 'logout' ELSE status END);
	IF status = 'ok' THEN
		PERFORM auth.record_event('session_logout', v_session.user_id, v_session.id);
	ELSE
		PERFORM dualdb.count_event('token_reuse');
		-- with the session locked: the worker that reads the event would end it first
		PERFORM auth.record_refusal('authn_token_reuse', v_session.user_id, v_session.id);
	END IF;
END
$$;
COMMENT ON FUNCTION auth.logout(text, text) IS
	'end the session of a refresh token (local), the user''s other sessions (others), or all of them (global); status ok, invalid_credentials, revoked, expired, reuse_detected or invalid_argument';
REVOKE ALL ON FUNCTION auth.logout(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.logout(text, text) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.list_sessions(
	user_id text, OUT status text, OUT session_id text, OUT created_at timestamptz,
	OUT refreshed_at timestamptz, OUT expires_at timestamptz, OUT ip inet,
	OUT user_agent text)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'ok', s.id, s.created_at, s.refreshed_at, s.expires_at, s.ip, s.user_agent
	FROM auth.sessions s
	WHERE s.user_id = $1 AND s.ended_at IS NULL AND s.expires_at > clock_timestamp()
	ORDER BY s.refreshed_at DESC, s.id
$$;
COMMENT ON FUNCTION auth.list_sessions(text) IS
	'the live sessions of a user, a row each, the last used first; none for an unknown user';
REVOKE ALL ON FUNCTION auth.list_sessions(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.list_sessions(text) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.revoke_session(session_id text, OUT status text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_user_id text;
BEGIN
	PERFORM dualdb.require_primary();
	SELECT s.user_id INTO v_user_id
	FROM auth.sessions s WHERE s.id = revoke_session.session_id;
	IF auth.end_sessions(v_user_id, revoke_session.session_id, 'local', 'revoked') = 0 THEN
		status := 'not_found';
		RETURN;
	END IF;
	PERFORM auth.record_event('session_revoked', v_user_id, revoke_session.session_id);
	status := 'ok';
END
$$;
COMMENT ON FUNCTION auth.revoke_session(text) IS
	'end a session; status ok or not_found (also when it had ended)';
REVOKE ALL ON FUNCTION auth.revoke_session(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.revoke_session(text) TO dualdb_auth_service;
