-- Accounts: registration.

CREATE OR REPLACE FUNCTION auth.email_acceptable(email text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN octet_length(email) <= 254
	AND btrim(email) ~ '^[^@\s[:cntrl:]]{1,64}@[^@\s[:cntrl:]]+$';
COMMENT ON FUNCTION auth.email_acceptable(text) IS
	'internal: can the text be an e-mail address (RFC 5321 section 4.5.3.1)? whether it is one, only a mail sent there can tell';
REVOKE ALL ON FUNCTION auth.email_acceptable(text) FROM PUBLIC;

-- NIST SP 800-63B-4 section 3.1.1.2: code points of the NFC form are counted,
-- nothing is truncated, there are no rules of composition, and the whole password
-- is looked up in a list of common ones.
CREATE OR REPLACE FUNCTION auth.password_acceptable(password text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(octet_length(password) <= 1024
		AND char_length(normalize(password, NFC))
			>= dualdb.setting('password_min_length')::integer
		AND NOT EXISTS (SELECT FROM auth.common_passwords c
			WHERE c.password = lower(normalize(left($1, 200), NFC))), false)
$$;
COMMENT ON FUNCTION auth.password_acceptable(text) IS
	'internal: may the password be chosen?';
REVOKE ALL ON FUNCTION auth.password_acceptable(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.register_user(
	email text, password text, display_name text DEFAULT NULL,
	OUT status text, OUT user_id text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dualdb.require_primary();
	status := CASE
		WHEN NOT coalesce(auth.email_acceptable(email), false) THEN 'invalid_email'
		WHEN NOT auth.password_acceptable(password) THEN 'weak_password'
	END;
	IF status IS NOT NULL THEN
		PERFORM dualdb.count_event('registrations_refused');
		RETURN;
	END IF;

	-- hashed first, so that a taken address takes as long as a free one
	INSERT INTO auth.users AS u (email, password_hash, display_name)
	VALUES (btrim(register_user.email), dualdb.hash_password(password),
		register_user.display_name)
	ON CONFLICT (email_norm) DO NOTHING
	RETURNING u.id INTO user_id;
	status := CASE WHEN user_id IS NULL THEN 'email_taken' ELSE 'ok' END;
	PERFORM dualdb.count_event(CASE status
			WHEN 'ok' THEN 'registrations' ELSE 'registrations_refused' END);
	IF user_id IS NOT NULL THEN
		PERFORM auth.record_event('user_created', user_id);
	END IF;
END
$$;
COMMENT ON FUNCTION auth.register_user(text, text, text) IS
	'make a user; status ok, invalid_email, weak_password or email_taken';
REVOKE ALL ON FUNCTION auth.register_user(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.register_user(text, text, text) TO dualdb_auth_service;
