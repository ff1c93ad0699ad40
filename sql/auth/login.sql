-- Login.

CREATE OR REPLACE FUNCTION auth.login(
	email text, password text, ip inet DEFAULT NULL, user_agent text DEFAULT NULL)
RETURNS auth.session_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_user record;
	v_matches boolean;
	v_result auth.session_result;
BEGIN
	-- a server without its key must say so before it looks at the password
	PERFORM dualdb.hash_token('refresh', '');

	SELECT u.id, u.password_hash, u.is_active AND u.deleted_at IS NULL AS may_login
	INTO v_user
	FROM auth.users u
	WHERE u.email_norm = auth.normalize_email(login.email);

	-- NB: always computed, and before anything else is decided: an unknown user,
	-- a wrong password and an inactive user are the same refusal after the same
	-- work.
	v_matches := dualdb.check_password(password, v_user.password_hash);
	IF NOT v_matches OR v_user.may_login IS NOT TRUE THEN
		v_result.status := 'invalid_credentials';
		RETURN v_result;
	END IF;

	IF dualdb.password_needs_rehash(v_user.password_hash) THEN
		-- the hash that was compared, or somebody else's new password is lost
		UPDATE auth.users u SET password_hash = dualdb.hash_password(login.password)
		WHERE u.id = v_user.id AND u.password_hash = v_user.password_hash;
		IF NOT FOUND THEN
			v_result.status := 'invalid_credentials';
			RETURN v_result;
		END IF;
	END IF;
	RETURN auth.start_session(v_user.id, ip, user_agent);
END
$$;
COMMENT ON FUNCTION auth.login(text, text, inet, text) IS
	'check a password and open a session; status ok or invalid_credentials';
REVOKE ALL ON FUNCTION auth.login(text, text, inet, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.login(text, text, inet, text) TO dualdb_auth_service;
