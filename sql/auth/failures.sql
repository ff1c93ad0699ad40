-- Failed attempts, by keyed hash of what was tried.
--
-- Shared memory counts them where it can.  Elsewhere the table does, in the
-- caller's transaction, under the row's lock.

CREATE OR REPLACE FUNCTION auth.stored_failures(
	identifier bytea, OUT in_a_row integer, OUT in_all integer, OUT last_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT dualdb.failures_shared() THEN
		INSERT INTO auth.login_failures AS f (identifier, in_a_row, in_all, last_at)
		VALUES (stored_failures.identifier, 0, 0, now())
		ON CONFLICT ON CONSTRAINT login_failures_pkey DO UPDATE SET in_all = f.in_all;
	END IF;
	SELECT f.in_a_row, f.in_all, f.last_at INTO in_a_row, in_all, last_at
	FROM auth.login_failures f WHERE f.identifier = stored_failures.identifier;
END
$$;
COMMENT ON FUNCTION auth.stored_failures(bytea) IS
	'internal: what the table has of an identifier; without shared memory also locks it';
REVOKE ALL ON FUNCTION auth.stored_failures(bytea) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.count_failure(identifier bytea) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT dualdb.failures_shared() THEN
		UPDATE auth.login_failures f
		SET in_a_row = CASE
				WHEN f.in_a_row >= dualdb.setting('max_login_failures')::integer THEN 1
				ELSE f.in_a_row + 1 END,
			in_all = f.in_all + 1, last_at = clock_timestamp()
		WHERE f.identifier = count_failure.identifier;
	END IF;
END
$$;
COMMENT ON FUNCTION auth.count_failure(bytea) IS
	'internal: count a failure where no memory is shared';
REVOKE ALL ON FUNCTION auth.count_failure(bytea) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.clear_failures(identifier bytea) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- the worker deletes the row: a lock on it would be in the worker's way
	IF dualdb.failures_shared() THEN
		PERFORM dualdb.clear_failures(identifier);
	ELSE
		DELETE FROM auth.login_failures f WHERE f.identifier = clear_failures.identifier;
	END IF;
END
$$;
COMMENT ON FUNCTION auth.clear_failures(bytea) IS
	'internal: a success; forget the failures';
REVOKE ALL ON FUNCTION auth.clear_failures(bytea) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.try_password(
	email text, password text, hash text, OUT outcome text, OUT retry_after integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_identifier bytea := auth.login_identifier(email);
	v_stored record;
BEGIN
	SELECT s.in_a_row, s.in_all, s.last_at INTO v_stored
	FROM auth.stored_failures(v_identifier) s;
	SELECT t.outcome, t.retry_after INTO outcome, retry_after
	FROM dualdb.try_password(v_identifier, v_stored.in_a_row, v_stored.in_all,
		v_stored.last_at, password, hash, auth.costliest_hashes()) t;
	IF outcome = 'mismatch' THEN
		PERFORM auth.count_failure(v_identifier);
	END IF;
END
$$;
COMMENT ON FUNCTION auth.try_password(text, text, text) IS
	'internal: compare a password for an address; outcome match, mismatch, throttled or busy. auth.clear_failures() follows when the match is good for something';
REVOKE ALL ON FUNCTION auth.try_password(text, text, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.login_identifier(email text) RETURNS bytea
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN dualdb.hash_token('login', coalesce(auth.normalize_email(email), ''));
END
$$;
COMMENT ON FUNCTION auth.login_identifier(text) IS
	'internal: what the failures of an address are counted under';
REVOKE ALL ON FUNCTION auth.login_identifier(text) FROM PUBLIC;
