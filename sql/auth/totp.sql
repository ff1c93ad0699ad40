-- The second factor: one-time codes of an authenticator application (RFC 6238), and
-- recovery codes for when it is lost.

CREATE OR REPLACE FUNCTION auth.has_second_factor(user_id text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM auth.totp_factors f
		WHERE f.user_id = $1 AND f.confirmed_at IS NOT NULL)
$$;
COMMENT ON FUNCTION auth.has_second_factor(text) IS
	'internal: does a login of the user need a code?';
REVOKE ALL ON FUNCTION auth.has_second_factor(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.enroll_totp(
	user_id text, OUT status text, OUT secret text, OUT uri text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_email text;
	v_factor_id text := dualdb.new_id();
	v_secret record;
BEGIN
	PERFORM dualdb.require_primary();
	SELECT u.email INTO v_email FROM auth.users u
	WHERE u.id = enroll_totp.user_id AND auth.is_live_user(u.id);
	IF NOT FOUND OR auth.has_second_factor(enroll_totp.user_id) THEN
		status := 'not_found';
		RETURN;
	END IF;
	SELECT s.secret, s.sealed_secret INTO v_secret FROM dualdb.new_totp_secret(v_factor_id) s;
	INSERT INTO auth.totp_factors (id, user_id, sealed_secret)
	VALUES (v_factor_id, enroll_totp.user_id, v_secret.sealed_secret)
	ON CONFLICT ON CONSTRAINT totp_factors_user_id_key DO UPDATE
	SET id = excluded.id, sealed_secret = excluded.sealed_secret,
		created_at = now(), last_step = 0
	WHERE totp_factors.confirmed_at IS NULL;
	IF NOT FOUND THEN
		status := 'not_found';
		RETURN;
	END IF;
	status := 'ok';
	secret := v_secret.secret;
	uri := format('otpauth://totp/%s:%s?secret=%s&issuer=%s',
		auth.percent_encoded(dualdb.setting('issuer')), auth.percent_encoded(v_email),
		v_secret.secret, auth.percent_encoded(dualdb.setting('issuer')));
END
$$;
COMMENT ON FUNCTION auth.enroll_totp(text) IS
	'secret for an authenticator application, shown only here, to be confirmed by confirm_totp(); status ok, or not_found for an unknown user and for one who has confirmed one';
REVOKE ALL ON FUNCTION auth.enroll_totp(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.enroll_totp(text) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.percent_encoded(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT string_agg(CASE
		WHEN c ~ '^[A-Za-z0-9._~-]$' THEN c
		ELSE regexp_replace(upper(encode(convert_to(c, 'UTF8'), 'hex')), '(..)', '%\1', 'g')
	END, '' ORDER BY n)
	FROM regexp_split_to_table(value, '') WITH ORDINALITY x (c, n));
COMMENT ON FUNCTION auth.percent_encoded(text) IS
	'internal: percent-encoding (RFC 3986 section 2.1)';
REVOKE ALL ON FUNCTION auth.percent_encoded(text) FROM PUBLIC;

-- A factor that is being confirmed is guarded apart from one that is in force.
CREATE OR REPLACE FUNCTION auth.totp_identifier(user_id text, confirmed boolean)
RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT dualdb.hash_token(CASE WHEN $2 THEN 'totp' ELSE 'totp_confirm' END, coalesce($1, ''))
$$;
COMMENT ON FUNCTION auth.totp_identifier(text, boolean) IS
	'internal: what the failures of a user''s codes are counted under';
REVOKE ALL ON FUNCTION auth.totp_identifier(text, boolean) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.clear_totp_failures(user_id text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM auth.clear_failures(auth.totp_identifier(user_id, true));
	PERFORM auth.clear_failures(auth.totp_identifier(user_id, false));
END
$$;
COMMENT ON FUNCTION auth.clear_totp_failures(text) IS
	'internal: forget the failures of a user''s codes';
REVOKE ALL ON FUNCTION auth.clear_totp_failures(text) FROM PUBLIC;

-- Compares a code with the user's factor, guarded like a password: the guard's
-- count survives ROLLBACK, so codes cannot be tried out either.
CREATE OR REPLACE FUNCTION auth.try_totp(
	user_id text, code text, confirmed boolean,
	OUT status text, OUT retry_after integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_identifier bytea := auth.totp_identifier(user_id, confirmed);
	v_stored record;
	v_factor record;
	v_step bigint;
BEGIN
	SELECT s.in_a_row, s.in_all, s.last_at INTO v_stored
	FROM auth.stored_failures(v_identifier) s;
	retry_after := dualdb.try_code(v_identifier, v_stored.in_a_row, v_stored.in_all, v_stored.last_at);
	IF retry_after IS DISTINCT FROM 0 THEN
		status := 'throttled';
		RETURN;
	END IF;
	retry_after := NULL;

	SELECT f.id, f.sealed_secret, f.last_step INTO v_factor
	FROM auth.totp_factors f
	WHERE f.user_id = try_totp.user_id AND (f.confirmed_at IS NOT NULL) = confirmed
	FOR UPDATE;
	v_step := dualdb.match_totp(v_factor.id, v_factor.sealed_secret, code, v_factor.last_step);
	IF v_step IS NOT NULL THEN
		UPDATE auth.totp_factors f SET last_step = v_step WHERE f.id = v_factor.id;
	ELSIF NOT (confirmed AND auth.use_recovery_code(try_totp.user_id, code)) THEN
		PERFORM auth.count_failure(v_identifier);
		status := 'invalid_credentials';
		RETURN;
	END IF;
	PERFORM auth.clear_failures(v_identifier);
	status := 'ok';
END
$$;
COMMENT ON FUNCTION auth.try_totp(text, text, boolean) IS
	'internal: is it the user''s code, or with a confirmed factor a recovery code?';
REVOKE ALL ON FUNCTION auth.try_totp(text, text, boolean) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.confirm_totp(
	user_id text, code text, OUT status text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dualdb.require_primary();
	SELECT t.status INTO status FROM auth.try_totp(confirm_totp.user_id, code, false) t;
	IF status = 'ok' THEN
		UPDATE auth.totp_factors f SET confirmed_at = clock_timestamp()
		WHERE f.user_id = confirm_totp.user_id;
		PERFORM auth.record_event('authn_factor_added', confirm_totp.user_id);
	END IF;
END
$$;
COMMENT ON FUNCTION auth.confirm_totp(text, text) IS
	'turn the second factor on by a code that shows that the application has the secret; status ok, invalid_credentials or throttled';
REVOKE ALL ON FUNCTION auth.confirm_totp(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.confirm_totp(text, text) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.login_totp(
	challenge text, code text, ip inet DEFAULT NULL, user_agent text DEFAULT NULL)
RETURNS auth.session_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_challenge record;
	v_result auth.session_result;
BEGIN
	PERFORM dualdb.require_primary();
	SELECT f.status, f.id, f.user_id INTO v_challenge
	FROM auth.find_one_time_token(challenge, 'mfa') f;
	v_result.status := v_challenge.status;
	IF v_result.status = 'ok' THEN
		SELECT t.status, t.retry_after INTO v_result.status, v_result.retry_after
		FROM auth.try_totp(v_challenge.user_id, code, true) t;
	END IF;
	IF v_result.status <> 'ok' THEN
		PERFORM dualdb.count_event(CASE v_result.status
				WHEN 'throttled' THEN 'logins_throttled' ELSE 'login_failures' END);
		PERFORM auth.record_refusal('authn_login_fail', v_challenge.user_id, NULL, ip, user_agent);
		RETURN v_result;
	END IF;
	PERFORM auth.use_one_time_token(v_challenge.id);
	RETURN auth.start_session(v_challenge.user_id, ip, user_agent, '{pwd,otp}');
END
$$;
COMMENT ON FUNCTION auth.login_totp(text, text, inet, text) IS
	'the second step of a login: the challenge that login() gave, and a code or recovery code; status ok, invalid_credentials, expired or throttled';
REVOKE ALL ON FUNCTION auth.login_totp(text, text, inet, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.login_totp(text, text, inet, text) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.disable_totp(user_id text, OUT status text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dualdb.require_primary();
	DELETE FROM auth.totp_factors f WHERE f.user_id = disable_totp.user_id;
	status := CASE WHEN FOUND THEN 'ok' ELSE 'not_found' END;
	DELETE FROM auth.recovery_codes c WHERE c.user_id = disable_totp.user_id;
	PERFORM auth.clear_totp_failures(disable_totp.user_id);
	IF status = 'ok' THEN
		PERFORM auth.record_event('authn_factor_removed', disable_totp.user_id);
	END IF;
END
$$;
COMMENT ON FUNCTION auth.disable_totp(text) IS
	'turn the second factor of a user off; status ok or not_found';
REVOKE ALL ON FUNCTION auth.disable_totp(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.disable_totp(text) TO dualdb_auth_service;

-- 256 random bits need no slow hash and no throttle of their own.
CREATE OR REPLACE FUNCTION auth.recovery_codes(
	user_id text, OUT status text, OUT codes text[])
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dualdb.require_primary();
	IF NOT auth.has_second_factor(recovery_codes.user_id) THEN
		status := 'not_found';
		RETURN;
	END IF;
	DELETE FROM auth.recovery_codes c WHERE c.user_id = recovery_codes.user_id;
	SELECT array_agg(dualdb.new_token('ddbc')) INTO codes FROM generate_series(1, 10);
	INSERT INTO auth.recovery_codes (user_id, code_hash)
	SELECT recovery_codes.user_id, dualdb.hash_token('recovery', c) FROM unnest(codes) c;
	PERFORM auth.record_event('authn_recovery_codes_made', recovery_codes.user_id);
	status := 'ok';
END
$$;
COMMENT ON FUNCTION auth.recovery_codes(text) IS
	'ten new codes that each stand in once for a code of the authenticator, shown only here; the old ones are void. Status ok, or not_found without a second factor';
REVOKE ALL ON FUNCTION auth.recovery_codes(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.recovery_codes(text) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.use_recovery_code(user_id text, code text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE auth.recovery_codes c SET used_at = clock_timestamp()
	WHERE c.user_id = use_recovery_code.user_id AND c.used_at IS NULL
		AND c.code_hash = dualdb.hash_token('recovery', code);
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION auth.use_recovery_code(text, text) IS
	'internal: use a recovery code up; false when it is none';
REVOKE ALL ON FUNCTION auth.use_recovery_code(text, text) FROM PUBLIC;
