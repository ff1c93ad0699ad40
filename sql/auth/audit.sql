-- The audit log, and the writing down of what shared memory holds.

CREATE OR REPLACE FUNCTION auth.record_event(
	event text, user_id text, object_id text DEFAULT NULL,
	ip inet DEFAULT NULL, user_agent text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO auth.audit_log (event, user_id, object_id, ip, user_agent)
	VALUES (record_event.event, record_event.user_id, record_event.object_id,
		record_event.ip, left(record_event.user_agent, 255));
END
$$;
COMMENT ON FUNCTION auth.record_event(text, text, text, inet, text) IS
	'internal: log something that the transaction does';
REVOKE ALL ON FUNCTION auth.record_event(text, text, text, inet, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.record_refusal(
	event text, user_id text, object_id text DEFAULT NULL,
	ip inet DEFAULT NULL, user_agent text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- where nothing can be written, a refusal is still a refusal
	IF pg_is_in_recovery()
		OR dualdb.post_event(event, user_id, object_id, host(ip), user_agent)
		OR current_setting('transaction_read_only')::boolean
	THEN
		RETURN;
	END IF;
	PERFORM auth.record_event(event, user_id, object_id, ip, user_agent);
END
$$;
COMMENT ON FUNCTION auth.record_refusal(text, text, text, inet, text) IS
	'internal: log a refusal, whatever becomes of the transaction';
REVOKE ALL ON FUNCTION auth.record_refusal(text, text, text, inet, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.session_is_ending(session_id text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN dualdb.event_pending('authn_token_reuse', session_id)
		OR dualdb.event_pending('session_end_delayed', session_id);
END
$$;
COMMENT ON FUNCTION auth.session_is_ending(text) IS
	'internal: has the session been ended by reuse, and the table does not know yet?';
REVOKE ALL ON FUNCTION auth.session_is_ending(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.flush() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_rows bigint;
	v_written bigint := 0;
BEGIN
	PERFORM dualdb.require_primary();
	-- one at a time, or an event would be written twice; by a row that nobody
	-- else can lock
	PERFORM v.version FROM auth.schema_version v WHERE v.version = 1 FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN 0;
	END IF;

	WITH pending AS MATERIALIZED (
		SELECT p.identifier, p.in_a_row, p.in_all, p.last_at FROM dualdb.pending_failures() p
	), forgotten AS (
		DELETE FROM auth.login_failures f USING pending p
		WHERE f.identifier = p.identifier AND p.in_all = 0
		RETURNING 1
	), kept AS (
		INSERT INTO auth.login_failures (identifier, in_a_row, in_all, last_at)
		SELECT p.identifier, p.in_a_row, p.in_all, p.last_at FROM pending p WHERE p.in_all > 0
		ON CONFLICT (identifier) DO UPDATE SET in_a_row = excluded.in_a_row,
			in_all = excluded.in_all, last_at = excluded.last_at
		RETURNING 1
	)
	SELECT count(*) INTO v_rows FROM pending;
	v_written := v_written + v_rows;

	WITH pending AS MATERIALIZED (
		SELECT p.at, p.kind, p.user_id, p.object_id, p.ip, p.user_agent FROM dualdb.pending_events() p
	), reused AS MATERIALIZED (
		SELECT DISTINCT p.object_id, p.at FROM pending p
		WHERE p.kind IN ('authn_token_reuse', 'session_end_delayed')
	), free AS MATERIALIZED (
		-- who has locked a session now may yet roll back that it has ended
		SELECT s.id FROM auth.sessions s WHERE s.id IN (SELECT r.object_id FROM reused r)
		FOR UPDATE SKIP LOCKED
	), ended AS (
		UPDATE auth.sessions s SET ended_at = r.at, end_reason = 'reuse_detected'
		FROM reused r JOIN free f ON f.id = r.object_id
		WHERE s.id = r.object_id AND s.ended_at IS NULL
		RETURNING 1
	), delayed AS MATERIALIZED (
		SELECT dualdb.post_event('session_end_delayed', NULL, r.object_id, NULL, NULL)
		FROM reused r
		WHERE EXISTS (SELECT FROM auth.sessions s WHERE s.id = r.object_id AND s.ended_at IS NULL)
			AND NOT EXISTS (SELECT FROM free f WHERE f.id = r.object_id)
	), used AS (
		UPDATE auth.api_keys k SET last_used_at = p.at, last_used_ip = p.ip::inet
		FROM (SELECT DISTINCT ON (e.object_id) e.object_id, e.at, e.ip FROM pending e
			WHERE e.kind = 'api_key_used' ORDER BY e.object_id, e.at DESC) p
		WHERE k.id = p.object_id
			AND k.id IN (SELECT l.id FROM auth.api_keys l WHERE l.id = p.object_id FOR UPDATE SKIP LOCKED)
		RETURNING 1
	), logged AS (
		INSERT INTO auth.audit_log (at, event, user_id, object_id, ip, user_agent)
		SELECT p.at, p.kind, p.user_id, p.object_id, p.ip::inet, p.user_agent
		FROM pending p WHERE p.kind NOT IN ('api_key_used', 'session_end_delayed')
		RETURNING 1
	)
	SELECT count(*) + 0 * (SELECT count(*) FROM delayed) INTO v_rows FROM pending;
	v_written := v_written + v_rows;

	UPDATE auth.refresh_tokens t SET successor = NULL
	WHERE t.id IN (SELECT l.id FROM auth.refresh_tokens l
		WHERE l.successor IS NOT NULL
			AND l.used_at < clock_timestamp() - dualdb.setting('refresh_grace')::interval
		FOR UPDATE SKIP LOCKED);
	GET DIAGNOSTICS v_rows = ROW_COUNT;
	RETURN v_written + v_rows;
END
$$;
COMMENT ON FUNCTION auth.flush() IS
	'write failures and events from shared memory to the tables, and wipe successors whose grace is over; returns how many. The worker calls it every second';
REVOKE ALL ON FUNCTION auth.flush() FROM PUBLIC;
