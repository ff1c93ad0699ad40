-- Refresh token rotation (RFC 9700 section 4.14.2).
--
-- A refresh token is used once.  Using it makes its successor: one chain for each
-- session.  A client whose answer got lost, or whose tabs race, presents the used
-- token again within the grace period and is given the same successor, which only
-- the used token can open.  Later that means that two parties hold it, and ends
-- the session.

CREATE OR REPLACE FUNCTION auth.refresh(
	refresh_token text, ip inet DEFAULT NULL, user_agent text DEFAULT NULL)
RETURNS auth.session_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_token record;
	v_now timestamptz;
	v_result auth.session_result;
BEGIN
	PERFORM dualdb.require_primary();
	-- the session's lock puts the refreshes of one session into a row
	SELECT t.id, t.session_id, t.used_at, t.successor, s.ended_at, s.user_id,
		least(t.expires_at, s.expires_at) AS expires_at,
		u.is_active AND u.deleted_at IS NULL AS may_login
	INTO v_token
	FROM auth.refresh_tokens t
		JOIN auth.sessions s ON s.id = t.session_id
		JOIN auth.users u ON u.id = s.user_id
	WHERE t.token_hash = dualdb.hash_token('refresh', refresh.refresh_token)
	FOR UPDATE OF s, t;

	v_now := clock_timestamp();
	v_result.status := CASE
		WHEN v_token.id IS NULL THEN 'invalid_credentials'
		WHEN v_token.ended_at IS NOT NULL
			OR auth.session_is_ending(v_token.session_id) THEN 'revoked'
		WHEN v_token.used_at IS NOT NULL AND (v_token.successor IS NULL OR v_now >=
			v_token.used_at + dualdb.setting('refresh_grace')::interval) THEN 'reuse_detected'
		WHEN NOT v_token.may_login THEN 'revoked'
		WHEN v_token.expires_at <= v_now THEN 'expired'
		ELSE 'ok'
	END;
	PERFORM dualdb.count_event(CASE v_result.status
			WHEN 'ok' THEN 'refreshes' WHEN 'reuse_detected' THEN 'token_reuse'
			ELSE 'refresh_failures' END);
	IF v_result.status = 'reuse_detected' THEN
		-- the event ends the session even if the caller rolls back
		PERFORM auth.record_refusal('authn_token_reuse', v_token.user_id,
			v_token.session_id, ip, user_agent);
		UPDATE auth.sessions s SET ended_at = v_now, end_reason = 'reuse_detected'
		WHERE s.id = v_token.session_id;
	END IF;
	IF v_result.status <> 'ok' THEN
		RETURN v_result;
	END IF;

	IF v_token.used_at IS NOT NULL THEN
		v_result := auth.issue_access_token(v_token.session_id);
		v_result.refresh_token :=
			dualdb.open_successor(refresh.refresh_token, v_token.successor);
		RETURN v_result;
	END IF;

	v_result := auth.issue_tokens(v_token.session_id);
	UPDATE auth.refresh_tokens t SET used_at = v_now,
		successor = dualdb.seal_successor(refresh.refresh_token, v_result.refresh_token)
	WHERE t.id = v_token.id;
	UPDATE auth.refresh_tokens t SET successor = NULL
	WHERE t.session_id = v_token.session_id AND t.id <> v_token.id
		AND t.successor IS NOT NULL;
	UPDATE auth.sessions s
	SET refreshed_at = v_now, ip = coalesce(refresh.ip, s.ip),
		user_agent = coalesce(left(refresh.user_agent, 1000), s.user_agent)
	WHERE s.id = v_token.session_id;
	RETURN v_result;
END
$$;
COMMENT ON FUNCTION auth.refresh(text, inet, text) IS
	'exchange a refresh token for new tokens; status ok, invalid_credentials, expired, revoked or reuse_detected';
REVOKE ALL ON FUNCTION auth.refresh(text, inet, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.refresh(text, inet, text) TO dualdb_auth_service;
