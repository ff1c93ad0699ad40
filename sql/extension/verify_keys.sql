-- verify_setup(): the key file, and what is sealed under its keys.

CREATE FUNCTION dualdb.key_file_exposed() RETURNS text
LANGUAGE c STABLE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dualdb_key_file_exposed';
COMMENT ON FUNCTION dualdb.key_file_exposed() IS
	'internal: a directory above the key file that others can write to; NULL when there is none';
REVOKE ALL ON FUNCTION dualdb.key_file_exposed() FROM PUBLIC;

-- One row, for the key file that cannot be used; none for one that can.
CREATE FUNCTION dualdb.verify_key_file_use(OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM k.key_id FROM dualdb.master_keys() k;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	detail := format('%s%s.', detail, ': "' || nullif(dualdb.setting('key_file'), '') || '"');
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION dualdb.verify_key_file_use() IS
	'internal: why the key file cannot be used, if it cannot';
REVOKE ALL ON FUNCTION dualdb.verify_key_file_use() FROM PUBLIC;

CREATE FUNCTION dualdb.verify_key_file(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'error', 'key_file', f.detail, f.hint FROM (
		SELECT u.detail, u.hint FROM dualdb.verify_key_file_use() u
		UNION ALL
		SELECT format('Others can write to directory "%s", which the key file is in.', e.directory),
			format('chmod go-w %1$s; chown %2$s %1$s; or move the key file to a directory of the server''s user alone.',
				e.directory, 'root')
		FROM dualdb.key_file_exposed() e (directory) WHERE e.directory IS NOT NULL
		UNION ALL
		SELECT format('The key file is in tablespace "%s".', t.spcname),
			'Move the file out of it, ALTER SYSTEM SET dualdb.key_file to where it is, and SELECT pg_reload_conf();'
		FROM pg_tablespace t
		WHERE starts_with(dualdb.setting('key_file'), nullif(pg_tablespace_location(t.oid), '') || '/')) f
	WHERE 'auth' = ANY (sides)
$$;
COMMENT ON FUNCTION dualdb.verify_key_file(text[]) IS
	'internal: verify_setup() of the key file';
REVOKE ALL ON FUNCTION dualdb.verify_key_file(text[]) FROM PUBLIC;

-- Ids of keys tell nothing of the keys.
CREATE FUNCTION dualdb.verify_sealed(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT 'auth' = ANY (sides) OR EXISTS (SELECT FROM dualdb.verify_key_file_use()) THEN
		RETURN;
	END IF;
	RETURN QUERY
		SELECT 'warning', 'other_keys',
			format('The key file holds key %s besides the current one; values that are sealed under it: %s.',
				encode(k.key_id, 'hex'), coalesce(sum(v.sealed_values), 0)),
			CASE WHEN count(v.key_id) > 0 THEN 'SELECT * FROM auth.reseal();'
				ELSE 'Go on with the rotation of the master key, or write a key file without this key.' END
		FROM dualdb.master_keys() k LEFT JOIN dualdb.sealed_values() v ON v.key_id = k.key_id
		WHERE NOT k.is_current
		GROUP BY k.key_id;
	RETURN QUERY
		SELECT 'error', 'sealed_values',
			format('Values of auth.%s are sealed under key %s, which is not in the key file: %s.',
				v.table_name, encode(v.key_id, 'hex'), v.sealed_values),
			'Restore the key file that holds this key, or add it to the one that is there and SELECT * FROM auth.reseal();'
		FROM dualdb.sealed_values() v
		-- what is too short for an id has been altered, and is no matter of keys
		WHERE octet_length(v.key_id) = 8
			AND v.key_id <> ALL (ARRAY(SELECT k.key_id FROM dualdb.master_keys() k));
END
$$;
COMMENT ON FUNCTION dualdb.verify_sealed(text[]) IS
	'internal: verify_setup() of the master keys that values are sealed under';
REVOKE ALL ON FUNCTION dualdb.verify_sealed(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_keys(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT 'auth' = ANY (sides) THEN
		RETURN;
	END IF;
	status := 'error';
	item := 'signing_key';
	IF EXISTS (SELECT FROM dualdb.verify_key_file_use()) THEN
		detail := 'No token can be signed without the key file.';
		hint := 'Do what the hint of key_file says.';
		RETURN NEXT;
		RETURN;
	END IF;
	BEGIN
		-- nor would it read another table than ours
		PERFORM v.key_id FROM dualdb.sealed_values() v;
		PERFORM dualdb.jwt_sign('{"sub": "verify_setup"}');
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS detail = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
		IF SQLSTATE IN ('55000', 'XX001') THEN
			hint := 'SELECT auth.rotate_signing_key();';
		END IF;
		RETURN NEXT;
	END;
	item := 'hash_key';
	BEGIN
		PERFORM dualdb.hash_token('verify_setup', '');
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS detail = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
		RETURN NEXT;
	END;
END
$$;
COMMENT ON FUNCTION dualdb.verify_keys(text[]) IS
	'internal: verify_setup() of the keys that tokens are signed and hashed with';
REVOKE ALL ON FUNCTION dualdb.verify_keys(text[]) FROM PUBLIC;
