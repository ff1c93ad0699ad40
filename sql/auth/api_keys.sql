-- API keys.
--
-- The key's id is public and finds the row; the secret is stored as a keyed hash.
-- A key may do what its scopes say and its owner may do at the time of use.

CREATE OR REPLACE FUNCTION auth.add_api_key(
	user_id text, name text, scopes text[], expires_at timestamptz,
	allowed_networks cidr[], rotated_from text, OUT key_id text, OUT api_key text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	SELECT k.id, k.api_key INTO key_id, api_key FROM dualdb.new_api_key() k;
	INSERT INTO auth.api_keys (id, user_id, name, secret_hash, scopes, expires_at,
		allowed_networks, rotated_from)
	VALUES (key_id, add_api_key.user_id, add_api_key.name,
		dualdb.hash_token('api_key', api_key), add_api_key.scopes,
		add_api_key.expires_at, add_api_key.allowed_networks, add_api_key.rotated_from);
	PERFORM auth.record_event('authn_token_created', add_api_key.user_id, key_id);
END
$$;
COMMENT ON FUNCTION auth.add_api_key(text, text, text[], timestamptz, cidr[], text) IS
	'internal: make a key from arguments that have been checked';
REVOKE ALL ON FUNCTION auth.add_api_key(text, text, text[], timestamptz, cidr[], text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.create_api_key(
	user_id text, name text, scopes text[],
	expires_at timestamptz DEFAULT clock_timestamp() + interval '90 days',
	allowed_networks cidr[] DEFAULT NULL,
	OUT status text, OUT key_id text, OUT api_key text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dualdb.require_primary();
	status := CASE
		WHEN NOT auth.is_live_user(create_api_key.user_id) THEN 'not_found'
		WHEN name IS NULL OR octet_length(name) NOT BETWEEN 1 AND 200
			OR scopes IS NULL OR cardinality(scopes) > 100
			OR expires_at <= clock_timestamp() OR NOT isfinite(expires_at)
			OR octet_length(array_to_string(scopes, ' ')) > 4000
			OR EXISTS (SELECT FROM unnest(scopes) n WHERE NOT auth.permission_name_valid(n))
			THEN 'invalid_argument'
		ELSE 'ok'
	END;
	IF status = 'ok' THEN
		SELECT a.key_id, a.api_key INTO key_id, api_key
		FROM auth.add_api_key(user_id, name, scopes, expires_at, allowed_networks, NULL) a;
	END IF;
END
$$;
COMMENT ON FUNCTION auth.create_api_key(text, text, text[], timestamptz, cidr[]) IS
	'make an API key, shown only here; expires_at NULL: never. Status ok, not_found or invalid_argument';
REVOKE ALL ON FUNCTION auth.create_api_key(text, text, text[], timestamptz, cidr[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.create_api_key(text, text, text[], timestamptz, cidr[]) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.verify_api_key(
	api_key text, ip inet DEFAULT NULL,
	OUT status text, OUT user_id text, OUT key_id text, OUT scopes text[])
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_key record;
BEGIN
	SELECT k.id, k.user_id, k.scopes, k.last_used_at,
		k.revoked_at IS NOT NULL OR NOT u.is_active OR u.deleted_at IS NOT NULL AS revoked,
		k.expires_at <= clock_timestamp() AS expired,
		k.allowed_networks IS NULL OR EXISTS (SELECT FROM unnest(k.allowed_networks) n
			WHERE verify_api_key.ip <<= n) AS from_here
	INTO v_key
	FROM auth.api_keys k JOIN auth.users u ON u.id = k.user_id
	WHERE k.id = dualdb.api_key_id(verify_api_key.api_key)
		AND k.secret_hash = dualdb.hash_token('api_key', verify_api_key.api_key);
	status := CASE
		WHEN v_key.id IS NULL OR NOT v_key.from_here THEN 'invalid_credentials'
		WHEN v_key.revoked THEN 'revoked'
		WHEN v_key.expired THEN 'expired'
		ELSE 'ok'
	END;
	PERFORM dualdb.count_event(CASE status
			WHEN 'ok' THEN 'api_keys_verified' ELSE 'api_keys_refused' END);
	IF status <> 'ok' THEN
		PERFORM auth.record_refusal('authn_api_key_fail', v_key.user_id, v_key.id, ip, NULL);
		RETURN;
	END IF;

	user_id := v_key.user_id;
	key_id := v_key.id;
	scopes := auth.effective_scopes(v_key.user_id, v_key.scopes);
	-- once a minute, and not in this transaction: a busy key would be a hot row
	IF v_key.last_used_at IS NULL OR v_key.last_used_at < clock_timestamp() - interval '1 minute' THEN
		PERFORM auth.note_key_use(v_key.id, ip);
	END IF;
END
$$;
COMMENT ON FUNCTION auth.verify_api_key(text, inet) IS
	'whose key it is and what it may do now; status ok, invalid_credentials, revoked or expired';
REVOKE ALL ON FUNCTION auth.verify_api_key(text, inet) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.verify_api_key(text, inet) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.note_key_use(key_id text, ip inet) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF pg_is_in_recovery() OR dualdb.event_pending('api_key_used', key_id)
		OR dualdb.post_event('api_key_used', NULL, key_id, host(ip), NULL)
		OR current_setting('transaction_read_only')::boolean
	THEN
		RETURN;
	END IF;
	UPDATE auth.api_keys k SET last_used_at = clock_timestamp(), last_used_ip = note_key_use.ip
	WHERE k.id = (SELECT l.id FROM auth.api_keys l WHERE l.id = note_key_use.key_id
		FOR UPDATE SKIP LOCKED);
END
$$;
COMMENT ON FUNCTION auth.note_key_use(text, inet) IS
	'internal: a key has been used; never waits and never fails a verification';
REVOKE ALL ON FUNCTION auth.note_key_use(text, inet) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.effective_scopes(user_id text, scopes text[]) RETURNS text[]
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_owned text[] := auth.permissions_of(user_id);
BEGIN
	-- of the key's what the owner's cover, and of the owner's what the key's cover
	RETURN ARRAY(
		SELECT s.name FROM unnest(scopes) s (name)
		WHERE dualdb.permission_covered(array_to_string(v_owned, ' '), s.name)
		UNION
		SELECT o.name FROM unnest(v_owned) o (name)
		WHERE dualdb.permission_covered(array_to_string(scopes, ' '), o.name)
		ORDER BY 1);
END
$$;
COMMENT ON FUNCTION auth.effective_scopes(text, text[]) IS
	'internal: the intersection of a key''s scopes with what its owner may do';
REVOKE ALL ON FUNCTION auth.effective_scopes(text, text[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.exchange_api_key(
	api_key text, audience text DEFAULT NULL, ip inet DEFAULT NULL,
	OUT status text, OUT access_token text, OUT expires_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_key record;
	v_version integer;
	v_key_expires_at timestamptz;
BEGIN
	-- before the scopes are looked at: rights that are taken away meanwhile must
	-- not get under the new version
	SELECT u.token_version, k.expires_at INTO v_version, v_key_expires_at
	FROM auth.api_keys k JOIN auth.users u ON u.id = k.user_id
	WHERE k.id = dualdb.api_key_id(exchange_api_key.api_key);
	SELECT k.status, k.user_id, k.key_id, k.scopes INTO v_key
	FROM auth.verify_api_key(api_key, ip) k;
	status := v_key.status;
	IF status = 'ok' AND (audience = '' OR octet_length(audience) > 255) THEN
		status := 'invalid_argument';
	END IF;
	IF status <> 'ok' THEN
		RETURN;
	END IF;
	-- no longer than the key itself
	expires_at := date_trunc('second', least(v_key_expires_at,
		clock_timestamp() + dualdb.setting('access_token_ttl')::interval));
	-- the key stands for the session: revoking it revokes its tokens
	access_token := dualdb.jwt_sign(jsonb_strip_nulls(jsonb_build_object(
		'sub', v_key.user_id, 'sid', v_key.key_id, 'aud', audience,
		'scope', CASE WHEN octet_length(array_to_string(v_key.scopes, ' ')) <= 4000
			THEN array_to_string(v_key.scopes, ' ') ELSE '' END,
		'token_version', v_version,
		'exp', extract(epoch FROM expires_at)::bigint)));
END
$$;
COMMENT ON FUNCTION auth.exchange_api_key(text, text, inet) IS
	'an access token for a key, for the audience (default: the setting), so that the key itself goes nowhere else; status as verify_api_key(), or invalid_argument';
REVOKE ALL ON FUNCTION auth.exchange_api_key(text, text, inet) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.exchange_api_key(text, text, inet) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.rotate_api_key(
	key_id text, overlap interval DEFAULT '1 day',
	OUT status text, OUT new_key_id text, OUT api_key text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_key record;
	v_now timestamptz := clock_timestamp();
BEGIN
	PERFORM dualdb.require_primary();
	SELECT k.id, k.user_id, k.name, k.scopes, k.created_at, k.expires_at, k.allowed_networks
	INTO v_key
	FROM auth.api_keys k
	WHERE k.id = rotate_api_key.key_id AND k.revoked_at IS NULL
		AND (k.expires_at IS NULL OR k.expires_at > v_now)
	FOR UPDATE;
	status := CASE
		WHEN v_key.id IS NULL OR NOT auth.is_live_user(v_key.user_id) THEN 'not_found'
		WHEN overlap IS NULL OR overlap < interval '0' OR overlap > interval '90 days'
			THEN 'invalid_argument'
		ELSE 'ok'
	END;
	IF status <> 'ok' THEN
		RETURN;
	END IF;
	-- the new key lives as long as the old one was to
	SELECT a.key_id, a.api_key INTO new_key_id, api_key
	FROM auth.add_api_key(v_key.user_id, v_key.name, v_key.scopes,
		CASE WHEN isfinite(v_key.expires_at)
			THEN v_now + (v_key.expires_at - v_key.created_at) END, v_key.allowed_networks, v_key.id) a;
	UPDATE auth.api_keys k SET expires_at = least(k.expires_at, v_now + overlap)
	WHERE k.id = v_key.id;
END
$$;
COMMENT ON FUNCTION auth.rotate_api_key(text, interval) IS
	'a new key in place of one that goes on for the overlap; status ok, not_found or invalid_argument';
REVOKE ALL ON FUNCTION auth.rotate_api_key(text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.rotate_api_key(text, interval) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.revoke_api_key(key_id text, OUT status text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_user_id text;
BEGIN
	PERFORM dualdb.require_primary();
	UPDATE auth.api_keys k SET revoked_at = clock_timestamp()
	WHERE k.id = revoke_api_key.key_id AND k.revoked_at IS NULL
	RETURNING k.user_id INTO v_user_id;
	IF NOT FOUND THEN
		status := 'not_found';
		RETURN;
	END IF;
	PERFORM auth.add_revocation('session', revoke_api_key.key_id);
	PERFORM auth.record_event('authn_token_revoked', v_user_id, revoke_api_key.key_id);
	status := 'ok';
END
$$;
COMMENT ON FUNCTION auth.revoke_api_key(text) IS
	'end an API key and the tokens it was exchanged for; status ok or not_found';
REVOKE ALL ON FUNCTION auth.revoke_api_key(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.revoke_api_key(text) TO dualdb_auth_service;
