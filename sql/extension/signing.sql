-- Signing tokens.  Private keys are sealed whenever SQL sees them.

CREATE FUNCTION dualdb.generate_signing_key(
	OUT kid text, OUT public_key bytea, OUT sealed_key bytea)
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_generate_signing_key';
COMMENT ON FUNCTION dualdb.generate_signing_key() IS
	'new Ed25519 key pair, the private key sealed under the master key';
REVOKE ALL ON FUNCTION dualdb.generate_signing_key() FROM PUBLIC;

CREATE FUNCTION dualdb.sign_jwt(kid text, sealed_key bytea, payload text)
RETURNS text
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_sign_jwt';
COMMENT ON FUNCTION dualdb.sign_jwt(text, bytea, text) IS
	'compact JWS of the payload by the sealed private key that the kid names';
REVOKE ALL ON FUNCTION dualdb.sign_jwt(text, bytea, text) FROM PUBLIC;

CREATE FUNCTION dualdb.jwt_sign(claims jsonb) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_kid text;
	v_sealed_key bytea;
	v_issuer text;
	v_now bigint := floor(extract(epoch FROM clock_timestamp()));
BEGIN
	-- where something is missing, sign_jwt() raises the error: it can keep the
	-- statement, which may hold a password, out of the log
	IF to_regclass('auth.signing_keys') IS NOT NULL THEN
		SELECT s.kid, s.sealed_key, t.issuer INTO v_kid, v_sealed_key, v_issuer
		FROM auth.signing_keys s JOIN dualdb.trusted_keys t ON t.kid = s.kid
		WHERE s.status = 'active';
	END IF;
	IF v_kid IS NULL OR jsonb_typeof(claims) IS DISTINCT FROM 'object' THEN
		RETURN dualdb.sign_jwt(v_kid, v_sealed_key, NULL);
	END IF;

	-- what the caller gives goes before what is filled in
	RETURN dualdb.sign_jwt(v_kid, v_sealed_key, (jsonb_build_object(
		'iss', v_issuer,
		'aud', dualdb.setting('audience'),
		'client_id', dualdb.setting('audience'),
		'iat', v_now,
		'exp', v_now + extract(epoch FROM
			dualdb.setting('access_token_ttl')::interval)::bigint,
		'jti', dualdb.new_id()) || claims)::text);
END
$$;
COMMENT ON FUNCTION dualdb.jwt_sign(jsonb) IS
	'access token (RFC 9068) with these claims by the active signing key; iss, aud, client_id, iat, exp and jti are filled in where absent';
REVOKE ALL ON FUNCTION dualdb.jwt_sign(jsonb) FROM PUBLIC;
