-- Changing and resetting passwords, verifying addresses.

CREATE OR REPLACE FUNCTION auth.set_password(user_id text, new_password text)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE auth.users u SET password_hash = dualdb.hash_password(new_password),
		password_changed_at = clock_timestamp()
	WHERE u.id = set_password.user_id;
	PERFORM auth.end_sessions(set_password.user_id, NULL, 'global', 'password_changed');
	DELETE FROM auth.one_time_tokens t
	WHERE t.user_id = set_password.user_id AND t.purpose IN ('password_reset', 'mfa');
	PERFORM auth.clear_failures(auth.login_identifier(u.email))
	FROM auth.users u WHERE u.id = set_password.user_id;
	PERFORM auth.record_event('authn_password_change', set_password.user_id);
END
$$;
COMMENT ON FUNCTION auth.set_password(text, text) IS
	'internal: give a user a new password and end all sessions';
REVOKE ALL ON FUNCTION auth.set_password(text, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.change_password(
	user_id text, old_password text, new_password text, OUT status text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_user record;
BEGIN
	PERFORM dualdb.require_primary();
	SELECT u.id, u.email, u.password_hash, u.is_active AND u.deleted_at IS NULL AS may_login
	INTO v_user
	FROM auth.users u WHERE u.id = change_password.user_id;
	SELECT t.outcome INTO status
	FROM auth.try_password(coalesce(v_user.email, 'user ' || change_password.user_id),
		old_password, CASE WHEN v_user.may_login THEN v_user.password_hash END) t;
	IF status IN ('throttled', 'busy') THEN
		RETURN;
	END IF;
	IF status = 'match' THEN
		-- the stronger lock first, or two changes at a time would wait for each other
		PERFORM u.id FROM auth.users u WHERE u.id = v_user.id FOR NO KEY UPDATE;
		IF NOT auth.hold_password(v_user.id, old_password, v_user.password_hash) THEN
			status := 'mismatch';
		END IF;
	END IF;
	IF status <> 'match' THEN
		status := 'invalid_credentials';
		PERFORM auth.record_refusal('authn_password_change_fail', v_user.id);
		RETURN;
	END IF;
	PERFORM auth.clear_failures(auth.login_identifier(v_user.email));
	IF NOT auth.password_acceptable(new_password) THEN
		status := 'weak_password';
		RETURN;
	END IF;
	PERFORM auth.set_password(v_user.id, new_password);
	PERFORM dualdb.count_event('password_changes');
	status := 'ok';
END
$$;
COMMENT ON FUNCTION auth.change_password(text, text, text) IS
	'give a user who knows the old password a new one, and end all sessions; status ok, invalid_credentials, weak_password, throttled or busy';
REVOKE ALL ON FUNCTION auth.change_password(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.change_password(text, text, text) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.request_password_reset(
	email text, OUT status text, OUT token text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_user_id text;
BEGIN
	PERFORM dualdb.require_primary();
	PERFORM dualdb.count_event('password_reset_requests');
	SELECT u.id INTO v_user_id
	FROM auth.users u
	WHERE u.email_norm = auth.normalize_email(request_password_reset.email)
		AND u.is_active AND u.deleted_at IS NULL;
	IF FOUND THEN
		token := auth.new_one_time_token(v_user_id, 'password_reset', '1 hour');
		PERFORM auth.record_event('authn_password_reset_request', v_user_id);
	END IF;
	status := 'ok';
END
$$;
COMMENT ON FUNCTION auth.request_password_reset(text) IS
	'token to send to the address, for reset_password() within an hour; NULL for an address to which nothing is to be sent. Status is always ok, and is all that a client may learn';
REVOKE ALL ON FUNCTION auth.request_password_reset(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.request_password_reset(text) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.reset_password(
	token text, new_password text, OUT status text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_token record;
BEGIN
	PERFORM dualdb.require_primary();
	SELECT f.status, f.id, f.user_id INTO v_token
	FROM auth.find_one_time_token(reset_password.token, 'password_reset') f;
	status := v_token.status;
	IF status = 'ok' AND NOT auth.password_acceptable(new_password) THEN
		status := 'weak_password';
	END IF;
	IF status = 'ok' THEN
		PERFORM auth.use_one_time_token(v_token.id);
		PERFORM auth.set_password(v_token.user_id, new_password);
		PERFORM dualdb.count_event('password_resets');
	END IF;
END
$$;
COMMENT ON FUNCTION auth.reset_password(text, text) IS
	'give the user of a reset token a new password, and end all sessions; status ok, invalid_credentials, expired or weak_password';
REVOKE ALL ON FUNCTION auth.reset_password(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.reset_password(text, text) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.request_email_verification(
	user_id text, OUT status text, OUT token text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dualdb.require_primary();
	IF auth.is_live_user(request_email_verification.user_id) THEN
		token := auth.new_one_time_token(request_email_verification.user_id, 'email', '1 day');
		status := 'ok';
	ELSE
		status := 'not_found';
	END IF;
END
$$;
COMMENT ON FUNCTION auth.request_email_verification(text) IS
	'token to send to the user''s address, for verify_email() within a day; status ok or not_found';
REVOKE ALL ON FUNCTION auth.request_email_verification(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.request_email_verification(text) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.verify_email(
	token text, OUT status text, OUT user_id text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_token record;
BEGIN
	PERFORM dualdb.require_primary();
	SELECT f.status, f.id, f.user_id INTO v_token
	FROM auth.find_one_time_token(verify_email.token, 'email') f;
	status := v_token.status;
	IF status = 'ok' THEN
		user_id := v_token.user_id;
		PERFORM auth.use_one_time_token(v_token.id);
		UPDATE auth.users u SET email_verified_at = clock_timestamp()
		WHERE u.id = v_token.user_id;
		PERFORM auth.record_event('user_email_verified', v_token.user_id);
	END IF;
END
$$;
COMMENT ON FUNCTION auth.verify_email(text) IS
	'note that the user of the token has the address; status ok, invalid_credentials or expired';
REVOKE ALL ON FUNCTION auth.verify_email(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.verify_email(text) TO dualdb_auth_service;
