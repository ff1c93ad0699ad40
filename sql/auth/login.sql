-- Login.

CREATE OR REPLACE FUNCTION auth.login(
	email text, password text, ip inet DEFAULT NULL, user_agent text DEFAULT NULL)
RETURNS auth.session_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_user record;
	v_try record;
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

	-- what was compared must still be so, or a login would outlive the password
	-- change or deactivation that it races with; the lock makes it stay so
	IF dualdb.password_needs_rehash(v_user.password_hash) THEN
		UPDATE auth.users u SET password_hash = dualdb.hash_password(login.password)
		WHERE u.id = v_user.id AND u.password_hash = v_user.password_hash
			AND u.is_active AND u.deleted_at IS NULL;
	ELSE
		PERFORM u.id FROM auth.users u
		WHERE u.id = v_user.id AND u.password_hash = v_user.password_hash
			AND u.is_active AND u.deleted_at IS NULL
		FOR SHARE;
	END IF;
	IF NOT FOUND THEN
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
