-- The master key: how it is rotated while everything goes on.
--
-- The key file holds the new key beside the old one; what is sealed under the old
-- one is sealed anew, some rows at a time.  Hashes of tokens stay: the key that
-- they are made with is one of the sealed values.

CREATE OR REPLACE FUNCTION auth.add_hash_key() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO auth.hash_keys AS h (sealed_key) VALUES (dualdb.new_hash_key())
	ON CONFLICT (id) DO UPDATE SET sealed_key = excluded.sealed_key, created_at = now()
$$;
COMMENT ON FUNCTION auth.add_hash_key() IS
	'internal: make the key that tokens are hashed under, in place of one that is there';
REVOKE ALL ON FUNCTION auth.add_hash_key() FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.replace_hash_key(OUT status text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dualdb.require_primary();
	PERFORM auth.add_hash_key();
	-- what nobody can find any more and no other function would end
	DELETE FROM auth.one_time_tokens;
	DELETE FROM auth.recovery_codes;
	DELETE FROM auth.login_failures;
	PERFORM auth.record_event('hash_key_replaced', NULL);
	status := 'ok';
END
$$;
COMMENT ON FUNCTION auth.replace_hash_key() IS
	'hash tokens under a new key from now on: refresh tokens, API keys, recovery codes and tokens by mail of before are void, and failed logins forgotten. For a master key that is lost, or known to others together with a backup';
REVOKE ALL ON FUNCTION auth.replace_hash_key() FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.reseal(
	max_rows integer DEFAULT 10000, OUT status text, OUT rows_resealed bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_others bytea[];
	v_column record;
	v_rows bigint;
BEGIN
	PERFORM dualdb.require_primary();
	rows_resealed := 0;
	IF max_rows IS NULL OR max_rows < 1 THEN
		status := 'invalid_argument';
		RETURN;
	END IF;
	v_others := ARRAY(SELECT k.key_id FROM dualdb.master_keys() k WHERE NOT k.is_current);
	FOR v_column IN SELECT c.name, c.id, c.sealed FROM dualdb.sealed_columns() c LOOP
		-- a value that has been altered does not open, and is not in the others' way
		EXECUTE format('UPDATE auth.%1$I t SET %3$I = r.sealed
			FROM (SELECT o.id, o.sealed
				FROM (SELECT l.%2$I AS id,
						dualdb.reseal(''auth.%1$s.%3$s/'' || l.%2$I, l.%3$I) AS sealed
					FROM auth.%1$I l WHERE substr(l.%3$I, 2, 8) = ANY ($1)
					FOR UPDATE SKIP LOCKED) o
				WHERE o.sealed IS NOT NULL LIMIT $2) r
			WHERE t.%2$I = r.id', v_column.name, v_column.id, v_column.sealed)
			USING v_others, max_rows - rows_resealed;
		GET DIAGNOSTICS v_rows = ROW_COUNT;
		rows_resealed := rows_resealed + v_rows;
	END LOOP;
	status := 'ok';
END
$$;
COMMENT ON FUNCTION auth.reseal(integer) IS
	'seal up to so many values anew that are sealed under another key of the key file than the current one; call it until it finds none, and see master_key_usage(). Status ok or invalid_argument';
REVOKE ALL ON FUNCTION auth.reseal(integer) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.master_key_usage(
	OUT key_id text, OUT state text, OUT hash_keys bigint, OUT signing_keys bigint,
	OUT totp_factors bigint)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT encode(coalesce(k.key_id, v.key_id), 'hex'),
		CASE WHEN k.is_current THEN 'current' WHEN k.key_id IS NULL THEN 'missing' ELSE 'other' END,
		coalesce(sum(v.sealed_values) FILTER (WHERE v.table_name = 'hash_keys'), 0)::bigint,
		coalesce(sum(v.sealed_values) FILTER (WHERE v.table_name = 'signing_keys'), 0)::bigint,
		coalesce(sum(v.sealed_values) FILTER (WHERE v.table_name = 'totp_factors'), 0)::bigint
	FROM dualdb.master_keys() k FULL JOIN dualdb.sealed_values() v ON v.key_id = k.key_id
	GROUP BY k.is_current, k.key_id, v.key_id
	ORDER BY k.is_current DESC NULLS LAST, 1
$$;
COMMENT ON FUNCTION auth.master_key_usage() IS
	'the master keys, and how many values are sealed under each: current, other (in the key file, too; it can go from there when nothing is under it) or missing (not in the key file)';
REVOKE ALL ON FUNCTION auth.master_key_usage() FROM PUBLIC;
