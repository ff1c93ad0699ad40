-- verify_setup(): does the server do what the design relies on?

CREATE FUNCTION dualdb.verify_server(
	OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH preload AS (
		SELECT 'dualdb' = ANY (regexp_split_to_array(
				current_setting('shared_preload_libraries'), '\s*,\s*')) AS done,
			dualdb.failures_shared() AS shared
	)
	SELECT CASE WHEN p.done THEN 'ok' ELSE 'warning' END, 'preload',
		CASE WHEN p.done THEN 'The library is preloaded.'
			ELSE 'The library is not preloaded: the first statement of a session can be logged with its literals'
				|| CASE WHEN p.shared THEN '.' ELSE '; a client that rolls back undoes the count of its failed logins and the end of a session by reuse; and password hashes are computed without limit.' END
			END,
		CASE WHEN NOT p.done THEN 'Add dualdb to shared_preload_libraries in postgresql.conf and restart.' END
	FROM preload p
	UNION ALL
	SELECT CASE WHEN s.setting = 'none' OR p.done THEN 'ok' ELSE 'warning' END, 'log_statement',
		format('log_statement is %s.', s.setting),
		CASE WHEN s.setting <> 'none' AND NOT p.done
			THEN 'Preload the library, which takes the literals out, or set log_statement to none.' END
	FROM pg_settings s, preload p WHERE s.name = 'log_statement'
	UNION ALL
	SELECT CASE WHEN s.setting = '0' OR p.done THEN 'ok' ELSE 'error' END, s.name,
		format('%s is %s.', s.name, s.setting),
		CASE WHEN s.setting <> '0' AND NOT p.done
			THEN format('ALTER DATABASE %I SET %s = 0, which the setup function does, or preload the library.',
				current_database(), s.name) END
	FROM pg_settings s, preload p
	WHERE s.name IN ('log_parameter_max_length', 'log_parameter_max_length_on_error')
	UNION ALL
	SELECT CASE WHEN s.setting::integer >= 8 THEN 'ok' ELSE 'warning' END, s.name,
		format('%s is %s; the flush worker needs one.', s.name, s.setting),
		CASE WHEN s.setting::integer < 8 THEN 'Set max_worker_processes to 8 or more.' END
	FROM pg_settings s WHERE s.name = 'max_worker_processes'
$$;
COMMENT ON FUNCTION dualdb.verify_server() IS 'internal: verify_setup() of the server';
REVOKE ALL ON FUNCTION dualdb.verify_server() FROM PUBLIC;

CREATE FUNCTION dualdb.verify_auth(
	OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	item := 'key_file';
	BEGIN
		PERFORM dualdb.hash_token('verify_setup', '');
		status := 'ok';
		detail := 'The key file can be used.';
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS detail = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
		status := 'error';
	END;
	RETURN NEXT;

	item := 'signing_key';
	hint := NULL;
	BEGIN
		PERFORM dualdb.jwt_sign('{"sub": "verify_setup"}');
		status := 'ok';
		detail := 'Tokens can be signed.';
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS detail = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
		status := 'error';
	END;
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION dualdb.verify_auth() IS 'internal: verify_setup() of an auth database';
REVOKE ALL ON FUNCTION dualdb.verify_auth() FROM PUBLIC;

CREATE FUNCTION dualdb.verify_app(
	OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN k.n > 0 THEN 'ok' ELSE 'error' END, 'trusted_keys',
		format('%s keys are trusted.', k.n),
		CASE WHEN k.n = 0 THEN 'Run SELECT dualdb.sync(), and have a scheduler do so.' END
	FROM (SELECT count(*) AS n FROM dualdb.trusted_keys) k
$$;
COMMENT ON FUNCTION dualdb.verify_app() IS 'internal: verify_setup() of an app database';
REVOKE ALL ON FUNCTION dualdb.verify_app() FROM PUBLIC;

CREATE FUNCTION dualdb.verify_setup(
	OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY SELECT v.status, v.item, v.detail, v.hint FROM dualdb.verify_server() v;
	IF dualdb.setup_version('auth') > 0 THEN
		RETURN QUERY SELECT v.status, v.item, v.detail, v.hint FROM dualdb.verify_auth() v;
	END IF;
	IF dualdb.setup_version('app') > 0 THEN
		RETURN QUERY SELECT v.status, v.item, v.detail, v.hint FROM dualdb.verify_app() v;
	END IF;
END
$$;
COMMENT ON FUNCTION dualdb.verify_setup() IS
	'does the server do what the design relies on? status ok, warning or error, and a hint that mends it';
REVOKE ALL ON FUNCTION dualdb.verify_setup() FROM PUBLIC;
