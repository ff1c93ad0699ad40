-- Migration: the way back.  What has been made, changed or deleted here since it was
-- copied is made, changed or deleted at the source.

CREATE FUNCTION dualdb.migrate_back_collect(name text, entry jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_relation text := (SELECT t.relation FROM dualdb.migrate_targets() t WHERE t.name = $1);
BEGIN
	EXECUTE format('INSERT INTO pg_temp.going_back (name, dualdb_key, dualdb_place, kind)
		SELECT %L, p.key, p.place, CASE WHEN p.here AND p.there THEN ''update'' WHEN p.here THEN ''insert''
			ELSE ''delete'' END
		FROM (%s) p
		WHERE p.here AND p.there AND p.came AND p.target_sum <> p.known_sum AND p.target_sum <> p.source_sum
			OR p.here AND NOT p.there AND NOT p.came OR p.there AND NOT p.here AND p.came',
		name, dualdb.migrate_pairs(name, entry));
	EXECUTE format('UPDATE pg_temp.going_back r SET kind = ''refused'' FROM %s t
		WHERE r.name = %L AND r.kind = ''insert'' AND %s AND NOT (%s)', v_relation, name,
		dualdb.migrate_match(name, 'r.dualdb_key', 'r.dualdb_place'), dualdb.migrate_back_fits(name, entry));
	IF name = 'users' AND entry -> 'columns' ? 'password_hash' THEN
		-- a login that only computes the hash anew leaves the old application's as good
		INSERT INTO pg_temp.going_back (name, dualdb_key, kind)
		SELECT l.name, l.key, 'password'
		FROM dualdb.migration_rows l JOIN auth.users u ON u.id = l.key COLLATE "default"
		WHERE l.name = 'users' AND u.password_changed_at > l.hash_copied_at;
	END IF;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_back_collect(text, jsonb) IS
	'internal: what is to be written back to the source of a table, in pg_temp.going_back';
REVOKE ALL ON FUNCTION dualdb.migrate_back_collect(text, jsonb) FROM PUBLIC;

-- Row s of the source by the key of v; the array lets a foreign server look for these
-- rows alone.
CREATE FUNCTION dualdb.migrate_back_match(name text, entry jsonb, kind text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_columns record;
	v_keys text[];
BEGIN
	SELECT string_agg(format('s.%I = CAST(%s AS %s)', c.source_column, x.value, x.type), ' AND ' ORDER BY k.n) AS matches,
		(array_agg(format('s.%s = ANY (%%L::%s[])', replace(quote_ident(c.source_column), '%', '%%'), x.type)
			ORDER BY k.n))[1] AS one_of,
		(array_agg(replace(x.value, 'v.', 'r.') ORDER BY k.n))[1] AS value
	INTO v_columns
	FROM dualdb.migrate_targets() t
		CROSS JOIN LATERAL unnest(t.key_columns) WITH ORDINALITY k (name, n)
		JOIN dualdb.migrate_columns($1, entry) c ON c.column_name = k.name
		JOIN pg_attribute a ON a.attrelid = to_regclass(entry ->> 'from') AND a.attname = c.source_column
		CROSS JOIN LATERAL (SELECT format_type(a.atttypid, NULL), CASE cardinality(t.key_columns)
			WHEN 1 THEN 'v.dualdb_key' ELSE format('v.dualdb_key::jsonb ->> %s', k.n - 1) END) x (type, value)
	WHERE t.name = $1;
	EXECUTE format('SELECT array_agg(%s) FROM pg_temp.going_back r WHERE r.name = $1 AND r.kind = $2',
		v_columns.value) INTO v_keys USING name, kind;
	RETURN v_columns.matches || ' AND ' || format(v_columns.one_of, coalesce(v_keys, '{}'));
END
$$;
COMMENT ON FUNCTION dualdb.migrate_back_match(text, jsonb, text) IS
	'internal: SQL that finds rows of a source';
REVOKE ALL ON FUNCTION dualdb.migrate_back_match(text, jsonb, text) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_back_delete(name text, entry jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('DELETE FROM %s s USING pg_temp.going_back v WHERE v.name = %L AND v.kind = ''delete'' AND %s',
		to_regclass(entry ->> 'from'), name, dualdb.migrate_back_match(name, entry, 'delete'));
	DELETE FROM dualdb.migration_rows l USING pg_temp.going_back r
	WHERE r.name = $1 AND r.kind = 'delete' AND l.name = $1 AND l.key = r.dualdb_key;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_back_delete(text, jsonb) IS
	'internal: delete at the source what has been deleted here';
REVOKE ALL ON FUNCTION dualdb.migrate_back_delete(text, jsonb) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_back_write(name text, entry jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_relation text := (SELECT t.relation FROM dualdb.migrate_targets() t WHERE t.name = $1);
	v_source regclass := to_regclass(entry ->> 'from');
	v_password text := (SELECT c.source_column FROM dualdb.migrate_columns(name, entry) c
		WHERE $1 = 'users' AND c.column_name = 'password_hash');
	v_rows text;
	v_names record;
BEGIN
	SELECT string_agg(quote_ident(b.source_column), ', ') AS inserted,
		string_agg(format('CAST(%s AS %s) AS %I', b.expression, b.type, b.source_column), ', ') AS values,
		string_agg(format('%I = v.%1$I', b.source_column), ', ')
			FILTER (WHERE b.source_column IS DISTINCT FROM v_password AND NOT EXISTS (
				SELECT FROM dualdb.migrate_columns($1, entry) c JOIN dualdb.migrate_targets() t ON t.name = $1
				WHERE c.source_column = b.source_column AND c.column_name = ANY (t.key_columns))) AS updated
	INTO v_names
	FROM dualdb.migrate_back_columns(name, entry) b;
	v_rows := format('SELECT r.dualdb_key, %s FROM pg_temp.going_back r JOIN %s t ON %s WHERE r.name = %L AND r.kind = ',
		v_names.values, v_relation, dualdb.migrate_match(name, 'r.dualdb_key', 'r.dualdb_place'), name);
	IF v_names.updated IS NOT NULL THEN
		EXECUTE format('UPDATE %s s SET %s FROM (%s) v WHERE %s', v_source, v_names.updated,
			v_rows || '''update''', dualdb.migrate_back_match(name, entry, 'update'));
	END IF;
	IF v_password IS NOT NULL THEN
		EXECUTE format('UPDATE %s s SET %I = v.%2$I FROM (%s) v WHERE %s', v_source, v_password,
			v_rows || '''password''', dualdb.migrate_back_match(name, entry, 'password'));
	END IF;
	EXECUTE format('INSERT INTO %s (%s) SELECT %2$s FROM (%s) v', v_source, v_names.inserted, v_rows || '''insert''');
	PERFORM dualdb.migrate_back_note(name, entry, v_relation);
END
$$;
COMMENT ON FUNCTION dualdb.migrate_back_write(text, jsonb) IS
	'internal: write to the source what has been made or changed here';
REVOKE ALL ON FUNCTION dualdb.migrate_back_write(text, jsonb) FROM PUBLIC;

-- From here on these rows are as if they had come from the source.
CREATE FUNCTION dualdb.migrate_back_note(name text, entry jsonb, relation text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('INSERT INTO dualdb.migration_rows (name, key, place, row_sum, hash_sum)
		SELECT DISTINCT ON (r.dualdb_key) r.name, r.dualdb_key, r.dualdb_place, %s, %s
		FROM pg_temp.going_back r JOIN %s t ON %s
		WHERE r.name = %L AND r.kind IN (''insert'', ''update'')
		ON CONFLICT (name, key) DO UPDATE SET place = excluded.place, row_sum = excluded.row_sum,
			copied_at = excluded.copied_at',
		dualdb.migrate_sum(entry, name, 't'), CASE WHEN name = 'users' AND entry -> 'columns' ? 'password_hash'
			THEN 'hashtextextended(t.password_hash, 0)' ELSE 'NULL' END,
		relation, dualdb.migrate_match(name, 'r.dualdb_key', 'r.dualdb_place'), name);
	IF name = 'users' THEN
		UPDATE dualdb.migration_rows l SET hash_sum = hashtextextended(u.password_hash, 0),
			hash_copied_at = clock_timestamp()
		FROM pg_temp.going_back r JOIN auth.users u ON u.id = r.dualdb_key COLLATE "default"
		WHERE r.name = 'users' AND r.kind = 'password' AND l.name = 'users' AND l.key = r.dualdb_key;
	END IF;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_back_note(text, jsonb, text) IS
	'internal: note what has been written to the source';
REVOKE ALL ON FUNCTION dualdb.migrate_back_note(text, jsonb, text) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_back_all(mapping jsonb, dry_run boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_here record;
BEGIN
	CREATE TEMPORARY TABLE pg_temp.going_back (name text, dualdb_key text COLLATE "C", dualdb_place text, kind text)
		ON COMMIT DROP;
	FOR v_here IN SELECT h.name, h.entry FROM dualdb.migrate_here(mapping) h
		WHERE h.entry -> 'back' IS DISTINCT FROM 'false'
	LOOP
		PERFORM dualdb.migrate_back_collect(v_here.name, v_here.entry);
	END LOOP;
	IF dry_run THEN
		RETURN;
	END IF;
	PERFORM dualdb.migrate_back_delete(h.name, h.entry)
	FROM (SELECT x.name, x.entry FROM dualdb.migrate_here(mapping) x
		WHERE EXISTS (SELECT FROM pg_temp.going_back r WHERE r.name = x.name AND r.kind = 'delete')
		ORDER BY x.position DESC) h;
	PERFORM dualdb.migrate_back_write(h.name, h.entry)
	FROM (SELECT x.name, x.entry FROM dualdb.migrate_here(mapping) x
		WHERE EXISTS (SELECT FROM pg_temp.going_back r WHERE r.name = x.name AND r.kind IN ('insert', 'update', 'password'))
		ORDER BY x.position) h;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_back_all(jsonb, boolean) IS
	'internal: write back all tables';
REVOKE ALL ON FUNCTION dualdb.migrate_back_all(jsonb, boolean) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_back(mapping jsonb, dry_run boolean DEFAULT false,
	OUT name text, OUT item text, OUT row_count bigint)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET extra_float_digits = 1
SET bytea_output = 'hex'
SET client_min_messages = warning
AS $$
DECLARE
	v_fault record;
BEGIN
	PERFORM dualdb.migrate_require(mapping);
	SELECT f.name, f.detail INTO v_fault FROM dualdb.migrate_back_faults(mapping) f LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('the mapping of table "%s" cannot be used for the way back', v_fault.name),
			DETAIL = v_fault.detail;
	END IF;
	DROP TABLE IF EXISTS pg_temp.going_back;
	BEGIN
		PERFORM dualdb.migrate_back_all(mapping, dry_run);
	EXCEPTION WHEN OTHERS THEN
		-- the detail would be a whole row, password hash included
		RAISE EXCEPTION USING
			ERRCODE = SQLSTATE,
			MESSAGE = format('nothing has been written back: %s', dualdb.without_secrets(SQLERRM));
	END;
	RETURN QUERY SELECT r.name, r.kind, count(*)
		FROM pg_temp.going_back r JOIN dualdb.migrate_targets() t ON t.name = r.name
		GROUP BY t.position, r.name, r.kind ORDER BY t.position, r.kind;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_back(jsonb, boolean) IS
	'write to the source what has been made, changed or deleted here since it was copied; returns how many rows, of which those refused are not written';
REVOKE ALL ON FUNCTION dualdb.migrate_back(jsonb, boolean) FROM PUBLIC;
