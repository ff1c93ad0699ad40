-- Login.

-- What was compared must still be so, or a login would outlive the password change or
-- deactivation that it races with.
CREATE OR REPLACE FUNCTION auth.hold_password(user_id text, password text, hash text)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM u.id FROM auth.users u
	WHERE u.id = hold_password.user_id AND u.is_active AND u.deleted_at IS NULL
		AND CASE WHEN u.password_hash = hold_password.hash THEN true
			-- another login may have computed the hash anew meanwhile
			WHEN dualdb.password_hash_format(u.password_hash) = 'argon2id'
			THEN dualdb.verify_password(hold_password.password, u.password_hash)
			ELSE false END
	FOR SHARE;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION auth.hold_password(text, text, text) IS
	'internal: is the password that matched the hash still the user''s, who may still log in? if so, that stays so until the transaction ends';
REVOKE ALL ON FUNCTION auth.hold_password(text, text, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.login(
	email text, password text, ip inet DEFAULT NULL, user_agent text DEFAULT NULL)
RETURNS auth.session_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_user record;
	v_try record;
	v_held boolean := false;
	v_result auth.session_result;
BEGIN
	PERFORM dualdb.require_primary();
	SELECT u.id, u.password_hash, u.is_active AND u.deleted_at IS NULL AS may_login
	INTO v_user
	FROM auth.users u
	WHERE u.email_norm = auth.normalize_email(login.email);

	-- NB: before anything else is decided: an unknown user, a wrong password and
	-- an inactive user are the same refusal after the same time.
	SELECT t.outcome, t.retry_after INTO v_try
	FROM auth.try_password(email, password,
		CASE WHEN v_user.may_login THEN v_user.password_hash END) t;
	v_result.status := CASE v_try.outcome
		WHEN 'match' THEN 'ok'
		WHEN 'mismatch' THEN 'invalid_credentials'
		ELSE v_try.outcome
	END;
	v_result.retry_after := v_try.retry_after;
	IF v_result.status <> 'ok' THEN
		PERFORM dualdb.count_event(CASE v_result.status
				WHEN 'throttled' THEN 'logins_throttled' WHEN 'busy' THEN 'logins_busy'
				ELSE 'login_failures' END);
		IF v_result.status <> 'busy' THEN
			PERFORM auth.record_refusal(CASE v_result.status
					WHEN 'throttled' THEN 'authn_login_lock' ELSE 'authn_login_fail' END,
				v_user.id, NULL, ip, user_agent);
		END IF;
		RETURN v_result;
	END IF;

	IF dualdb.password_needs_rehash(v_user.password_hash) THEN
		UPDATE auth.users u SET password_hash = dualdb.hash_password(login.password)
		WHERE u.id = v_user.id AND u.password_hash = v_user.password_hash
			AND u.is_active AND u.deleted_at IS NULL;
		v_held := FOUND;
	END IF;
	IF NOT v_held AND NOT auth.hold_password(v_user.id, password, v_user.password_hash) THEN
		PERFORM dualdb.count_event('login_failures');
		v_result.status := 'invalid_credentials';
		RETURN v_result;
	END IF;
	PERFORM auth.clear_failures(auth.login_identifier(email));

	IF auth.has_second_factor(v_user.id) THEN
		PERFORM dualdb.count_event('logins_mfa_required');
		v_result.status := 'mfa_required';
		v_result.user_id := v_user.id;
		v_result.challenge := auth.new_one_time_token(v_user.id, 'mfa', '5 min');
		RETURN v_result;
	END IF;
	RETURN auth.start_session(v_user.id, ip, user_agent, '{pwd}');
END
$$;
COMMENT ON FUNCTION auth.login(text, text, inet, text) IS
	'check a password and open a session; status ok, invalid_credentials, throttled, busy or mfa_required';
REVOKE ALL ON FUNCTION auth.login(text, text, inet, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.login(text, text, inet, text) TO dualdb_auth_service;
