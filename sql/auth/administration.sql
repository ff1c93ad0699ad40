-- What administrators and the law ask for: deactivate, export, erase, purge.

CREATE OR REPLACE FUNCTION auth.is_live_user(user_id text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN EXISTS (SELECT FROM auth.users u
		WHERE u.id = $1 AND u.is_active AND u.deleted_at IS NULL);
END
$$;
COMMENT ON FUNCTION auth.is_live_user(text) IS
	'internal: is there such a user, active and not deleted?';
REVOKE ALL ON FUNCTION auth.is_live_user(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.set_user_active(
	user_id text, active boolean, OUT status text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dualdb.require_primary();
	IF active IS NULL THEN
		status := 'invalid_argument';
		RETURN;
	END IF;
	UPDATE auth.users u SET is_active = active
	WHERE u.id = set_user_active.user_id AND u.deleted_at IS NULL;
	IF NOT FOUND THEN
		status := 'not_found';
		RETURN;
	END IF;
	IF NOT active THEN
		PERFORM auth.end_sessions(set_user_active.user_id, NULL, 'global', 'deactivated');
		PERFORM auth.revoke_access_tokens(set_user_active.user_id);
		DELETE FROM auth.one_time_tokens t WHERE t.user_id = set_user_active.user_id;
	END IF;
	PERFORM auth.record_event(CASE WHEN active THEN 'user_activated' ELSE 'user_deactivated' END,
		set_user_active.user_id);
	status := 'ok';
END
$$;
COMMENT ON FUNCTION auth.set_user_active(text, boolean) IS
	'let a user log in or not; false ends every session and token. Status ok, not_found or invalid_argument';
REVOKE ALL ON FUNCTION auth.set_user_active(text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.set_user_active(text, boolean) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.export_user(
	user_id text, OUT status text, OUT data jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	SELECT jsonb_build_object(
		'user', to_jsonb(u) - ARRAY['password_hash', 'change_xid', 'token_version'],
		'roles', (SELECT coalesce(jsonb_agg(r.name ORDER BY r.name), '[]')
			FROM auth.user_roles ur JOIN auth.roles r ON r.id = ur.role_id
			WHERE ur.user_id = u.id),
		'sessions', (SELECT coalesce(jsonb_agg(to_jsonb(s) ORDER BY s.created_at), '[]')
			FROM auth.sessions s WHERE s.user_id = u.id),
		'api_keys', (SELECT coalesce(jsonb_agg(to_jsonb(k) - 'secret_hash' ORDER BY k.created_at), '[]')
			FROM auth.api_keys k WHERE k.user_id = u.id),
		'second_factor', auth.has_second_factor(u.id),
		'events', (SELECT coalesce(jsonb_agg(to_jsonb(a) ORDER BY a.at), '[]')
			FROM auth.audit_log a WHERE a.user_id = u.id))
	INTO data
	FROM auth.users u WHERE u.id = export_user.user_id;
	status := CASE WHEN data IS NULL THEN 'not_found' ELSE 'ok' END;
END
$$;
COMMENT ON FUNCTION auth.export_user(text) IS
	'all that is stored about a user, without secrets (GDPR articles 15 and 20); status ok or not_found';
REVOKE ALL ON FUNCTION auth.export_user(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.export_user(text) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.erase_user(
	user_id text, OUT status text, OUT sessions integer, OUT api_keys integer,
	OUT events integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_email text;
BEGIN
	PERFORM dualdb.require_primary();
	SELECT u.email INTO v_email FROM auth.users u
	WHERE u.id = erase_user.user_id FOR UPDATE;
	IF NOT FOUND THEN
		status := 'not_found';
		RETURN;
	END IF;
	PERFORM auth.clear_failures(auth.login_identifier(v_email));
	PERFORM auth.clear_totp_failures(erase_user.user_id);
	PERFORM auth.revoke_access_tokens(erase_user.user_id);
	PERFORM auth.add_revocation('session', k.id) FROM auth.api_keys k
	WHERE k.user_id = erase_user.user_id;
	DELETE FROM auth.sessions s WHERE s.user_id = erase_user.user_id;
	GET DIAGNOSTICS sessions = ROW_COUNT;
	DELETE FROM auth.api_keys k WHERE k.user_id = erase_user.user_id;
	GET DIAGNOSTICS api_keys = ROW_COUNT;
	-- what happened stays, from where it did goes
	PERFORM dualdb.scrub_events(erase_user.user_id);
	UPDATE auth.audit_log a SET ip = NULL, user_agent = NULL
	WHERE a.user_id = erase_user.user_id;
	GET DIAGNOSTICS events = ROW_COUNT;
	-- the row's end leaves a tombstone for the app database
	DELETE FROM auth.users u WHERE u.id = erase_user.user_id;
	PERFORM auth.record_event('user_deleted', erase_user.user_id);
	status := 'ok';
END
$$;
COMMENT ON FUNCTION auth.erase_user(text) IS
	'delete a user and all that is theirs (GDPR article 17); returns how many sessions, keys and log entries that concerned. Status ok or not_found';
REVOKE ALL ON FUNCTION auth.erase_user(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.erase_user(text) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.purge_expired(
	max_rows integer DEFAULT 10000, OUT status text, OUT rows_deleted bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- by the indexes: a table's start is full of what the calls before have deleted.  Where
-- there is none, a scan that is off looks so costly that it would be compiled.
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
	v_statement text;
	v_rows bigint;
BEGIN
	PERFORM dualdb.require_primary();
	rows_deleted := 0;
	IF max_rows IS NULL OR max_rows < 1 THEN
		status := 'invalid_argument';
		RETURN;
	END IF;
	-- ended sessions stay a day longer than their tokens, so that reuse is seen
	FOREACH v_statement IN ARRAY ARRAY[
		'auth.one_time_tokens WHERE expires_at < $1',
		'auth.sessions WHERE expires_at < $1',
		'auth.sessions WHERE ended_at < $1 - interval ''1 day''',
		'auth.refresh_tokens WHERE expires_at < $1',
		'auth.api_keys WHERE least(expires_at, revoked_at) < $1 - interval ''90 days''',
		'auth.login_failures WHERE last_at < $1 - interval ''90 days''
			AND (in_all < dualdb.setting(''disable_after_failures'')::integer
				OR dualdb.setting(''disable_after_failures'') = ''0'')',
		'dualdb.revocations WHERE origin = ''local'' AND expires_at < $1',
		'dualdb.trusted_keys WHERE origin = ''local'' AND not_after < $1',
		'auth.signing_keys WHERE status IN (''retired'', ''revoked'') AND retired_at < $1 - interval ''90 days''']
	LOOP
		EXECUTE format('DELETE FROM %1$s WHERE ctid = ANY (ARRAY(
				SELECT ctid FROM %1$s WHERE %2$s LIMIT $2 FOR UPDATE SKIP LOCKED))',
				split_part(v_statement, ' WHERE ', 1),
				substr(v_statement, strpos(v_statement, ' WHERE ') + 7))
			USING clock_timestamp(), max_rows - rows_deleted;
		GET DIAGNOSTICS v_rows = ROW_COUNT;
		rows_deleted := rows_deleted + v_rows;
	END LOOP;
	-- last, for logins wait until it is committed; what cannot be locked in time is for
	-- the next call
	BEGIN
		PERFORM FROM dualdb.maintain_partitions('auth.audit_log');
	EXCEPTION WHEN lock_not_available THEN NULL;
	END;
	status := 'ok';
END
$$;
COMMENT ON FUNCTION auth.purge_expired(integer) IS
	'delete up to so many rows that have no effect any more; call it daily. Status ok or invalid_argument';
REVOKE ALL ON FUNCTION auth.purge_expired(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.purge_expired(integer) TO dualdb_auth_service;
