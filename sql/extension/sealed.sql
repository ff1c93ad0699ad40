-- What is sealed, and under which master key.  All for functions of the auth database.

CREATE FUNCTION dualdb.master_keys(OUT key_id bytea, OUT is_current boolean)
RETURNS SETOF record
LANGUAGE c STABLE STRICT PARALLEL SAFE ROWS 2
AS 'MODULE_PATHNAME', 'dualdb_master_keys';
COMMENT ON FUNCTION dualdb.master_keys() IS
	'ids of the keys in the key file; the current one is the first, which is sealed under. An id does not tell the key';
REVOKE ALL ON FUNCTION dualdb.master_keys() FROM PUBLIC;

CREATE FUNCTION dualdb.new_hash_key() RETURNS bytea
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_new_hash_key';
COMMENT ON FUNCTION dualdb.new_hash_key() IS
	'new key for hash_token(), sealed for its row in auth.hash_keys';
REVOKE ALL ON FUNCTION dualdb.new_hash_key() FROM PUBLIC;

CREATE FUNCTION dualdb.reseal(place text, sealed bytea) RETURNS bytea
LANGUAGE c VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_reseal';
COMMENT ON FUNCTION dualdb.reseal(text, bytea) IS
	'the same secret sealed for the same place under the current master key; NULL when no key of the key file opens it there';
REVOKE ALL ON FUNCTION dualdb.reseal(text, bytea) FROM PUBLIC;

CREATE FUNCTION dualdb.sealed_columns(OUT name text, OUT id text, OUT sealed text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES ('hash_keys', 'id', 'sealed_key'),
		('signing_keys', 'kid', 'sealed_key'),
		('totp_factors', 'id', 'sealed_secret')
$$;
COMMENT ON FUNCTION dualdb.sealed_columns() IS
	'internal: tables of schema auth that hold sealed values; the value in row id of table t is sealed for the place auth.t.sealed/id';
REVOKE ALL ON FUNCTION dualdb.sealed_columns() FROM PUBLIC;

-- A superuser may call it anywhere: a view of such a name would run its owner's code.
CREATE FUNCTION dualdb.sealed_values(
	OUT table_name text, OUT key_id bytea, OUT sealed_values bigint)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_column record;
BEGIN
	FOR v_column IN SELECT c.name, c.sealed FROM dualdb.sealed_columns() c LOOP
		IF NOT EXISTS (SELECT FROM pg_class c
			WHERE c.oid = to_regclass('auth.' || v_column.name) AND c.relkind = 'r'
				AND c.relowner = to_regrole('dualdb_auth_owner'))
		THEN
			RAISE EXCEPTION USING
				ERRCODE = 'wrong_object_type',
				MESSAGE = format('auth.%s is not the table that setup_auth() made', v_column.name),
				HINT = 'Look at it, and restore the table from a backup.';
		END IF;
		-- the id is in the value's head: see seal.h
		RETURN QUERY EXECUTE format('SELECT %L::text, substr(t.%I, 2, 8), count(*)
			FROM ONLY auth.%I t WHERE t.%2$I IS NOT NULL GROUP BY 2',
			v_column.name, v_column.sealed, v_column.name);
	END LOOP;
END
$$;
COMMENT ON FUNCTION dualdb.sealed_values() IS
	'internal: how many values are sealed under which master key, in the tables of schema auth';
REVOKE ALL ON FUNCTION dualdb.sealed_values() FROM PUBLIC;
