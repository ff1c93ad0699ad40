-- Migration: a batch of rows from the source.
--
-- A row is new or has changed where its checksum is not the one that was noted when it
-- was copied last; what has been changed here meanwhile stays, unless the source has
-- another row now.  Even then nobody who was deactivated or deleted here comes back, nor
-- a password for which another one was chosen here.  A row is noted when the target has it as the source does, and put
-- off to the next pass when not: its project is yet to come, or its address is taken.

CREATE FUNCTION dualdb.migrate_next_key(name text, entry jsonb, after_key text, batch_size integer)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_walk record;
	v_key text;
BEGIN
	SELECT w.value, w.type, w.above, w.ordering INTO v_walk FROM dualdb.migrate_walk(name, entry) w;
	EXECUTE format('SELECT (%s)::text FROM %s s WHERE %s', v_walk.value, to_regclass(entry ->> 'from'),
			coalesce('(' || (entry ->> 'where') || ')', 'true'))
		|| CASE WHEN after_key IS NULL THEN ''
			ELSE format(' AND %s %s CAST(%L AS %s)', v_walk.value, v_walk.above, after_key, v_walk.type) END
		|| format(' ORDER BY %s %s OFFSET %s LIMIT 1', v_walk.value, v_walk.ordering, batch_size - 1)
		INTO v_key;
	RETURN v_key;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_next_key(text, jsonb, text, integer) IS
	'internal: where a batch ends; NULL when it is the last one';
REVOKE ALL ON FUNCTION dualdb.migrate_next_key(text, jsonb, text, integer) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_read(name text, entry jsonb, after_key text, last_key text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_rows bigint;
BEGIN
	EXECUTE format('CREATE TEMPORARY TABLE pg_temp.migrating ON COMMIT DROP AS
		SELECT q.*, %s AS dualdb_key, %s AS dualdb_sum, %s AS dualdb_hash FROM (%s) q',
		dualdb.migrate_key(name, 'q'), dualdb.migrate_sum(entry, name, 'q'),
		CASE WHEN name = 'users' AND entry -> 'columns' ? 'password_hash'
			THEN 'hashtextextended(q.password_hash, 0)' ELSE 'NULL::bigint' END,
		dualdb.migrate_select(name, entry, after_key, last_key));
	GET DIAGNOSTICS v_rows = ROW_COUNT;
	RETURN v_rows;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_read(text, jsonb, text, text) IS
	'internal: read a batch; returns its rows, which are in pg_temp.migrating';
REVOKE ALL ON FUNCTION dualdb.migrate_read(text, jsonb, text, text) FROM PUBLIC;

-- A batch goes by the indexes of the tables, whatever the planner knows of some that
-- were empty a moment ago.
CREATE FUNCTION dualdb.migrate_compare(name text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $$
DECLARE
	v_rows bigint;
BEGIN
	EXECUTE format('CREATE TEMPORARY TABLE pg_temp.changed ON COMMIT DROP AS
		SELECT m.*, l.row_sum AS dualdb_known_sum, l.hash_sum AS dualdb_known_hash,
			coalesce(l.place, %s) AS dualdb_place,
			l.copied_at AS dualdb_copied_at, l.hash_copied_at AS dualdb_hash_copied_at
		FROM pg_temp.migrating m
			LEFT JOIN dualdb.migration_rows l ON l.name = %L AND l.key = m.dualdb_key COLLATE "C"
		WHERE (l.row_sum, l.hash_sum) IS DISTINCT FROM (m.dualdb_sum, m.dualdb_hash)',
		(SELECT coalesce('m.' || t.place, 'NULL::text') FROM dualdb.migrate_targets() t WHERE t.name = $1),
		name);
	GET DIAGNOSTICS v_rows = ROW_COUNT;
	RETURN v_rows;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_compare(text) IS
	'internal: those rows of a batch that are new or have changed, in pg_temp.changed; returns how many';
REVOKE ALL ON FUNCTION dualdb.migrate_compare(text) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_allowed(name text, entry jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(string_agg(x.condition, ' AND '), 'true')
	FROM (
		SELECT format('EXISTS (SELECT FROM %s p WHERE p.id = m.%I)', t.relation, r.column_name)
		FROM dualdb.migrate_references() r JOIN dualdb.migrate_targets() t ON t.name = r.parent
		WHERE r.name = $1 AND r.is_enforced
		UNION ALL
		SELECT format('m.%I IS NOT NULL', a.attname)
		FROM dualdb.migrate_targets() t JOIN pg_attribute a ON a.attrelid = to_regclass(t.relation)
		WHERE t.name = $1 AND a.attnotnull AND entry -> 'columns' ? a.attname::text
	) x (condition)
$$;
COMMENT ON FUNCTION dualdb.migrate_allowed(text, jsonb) IS
	'internal: SQL that is true for the rows m that a target can take now';
REVOKE ALL ON FUNCTION dualdb.migrate_allowed(text, jsonb) FROM PUBLIC;

-- Columns that are not mapped stay as they are anyway.
CREATE FUNCTION dualdb.migrate_revives(name text, entry jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce('t.updated_at > m.dualdb_copied_at AND (' || string_agg(x.condition, ' OR ') || ')', 'false')
	FROM (VALUES ('is_active', 'm.is_active AND NOT t.is_active'),
		('deleted_at', 'm.deleted_at IS NULL AND t.deleted_at IS NOT NULL')) x (column_name, condition)
	WHERE $1 = 'users' AND entry -> 'columns' ? x.column_name
$$;
COMMENT ON FUNCTION dualdb.migrate_revives(text, jsonb) IS
	'internal: SQL that is true where a row m would bring back a user t who was deactivated or deleted here';
REVOKE ALL ON FUNCTION dualdb.migrate_revives(text, jsonb) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_update(name text, entry jsonb, relation text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $$
BEGIN
	-- a trigger forgets that an address has been verified when it is another one; when
	-- it is the source that says so, the second time finds the address as it is
	FOR v_time IN 1 .. CASE name WHEN 'users' THEN 2 ELSE 1 END LOOP
		EXECUTE format('UPDATE %s t SET (%s) = ROW(%s) FROM pg_temp.changed m
			WHERE m.dualdb_known_sum <> m.dualdb_sum AND %s AND %s AND %s <> m.dualdb_sum
				AND NOT (%s)',
			relation, dualdb.migrate_list(entry, name, '%'), dualdb.migrate_list(entry, name, 'm.%'),
			dualdb.migrate_match(name, 'm.dualdb_key', 'm.dualdb_place'),
			dualdb.migrate_allowed(name, entry) || CASE name WHEN 'users'
				THEN ' AND NOT EXISTS (SELECT FROM auth.users o
					WHERE o.email_norm = auth.normalize_email(m.email) AND o.id <> m.id)'
				ELSE '' END, dualdb.migrate_sum(entry, name, 't'), dualdb.migrate_revives(name, entry));
	END LOOP;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_update(text, jsonb, text) IS
	'internal: rows of a batch that were here and have changed at the source';
REVOKE ALL ON FUNCTION dualdb.migrate_update(text, jsonb, text) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_hash(hash text, wrap_hashes boolean) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE WHEN wrap_hashes AND dualdb.migrate_hash_kind(hash) NOT IN ('unknown', 'too costly')
		THEN dualdb.wrap_password_hash(hash) ELSE hash END;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_hash(text, boolean) IS
	'internal: a password hash as it is to be stored';
REVOKE ALL ON FUNCTION dualdb.migrate_hash(text, boolean) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_update_hashes(wrap_hashes boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $$
BEGIN
	EXECUTE 'UPDATE auth.users t SET password_hash = dualdb.migrate_hash(m.password_hash, $1)
		FROM pg_temp.changed m
		WHERE t.id = m.id AND m.dualdb_known_sum IS NOT NULL
			AND m.dualdb_known_hash IS DISTINCT FROM m.dualdb_hash
			AND (t.password_changed_at > m.dualdb_hash_copied_at) IS NOT TRUE' USING wrap_hashes;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_update_hashes(boolean) IS
	'internal: password hashes of a batch that are others at the source; what a login has made of the old one goes, what was chosen here stays';
REVOKE ALL ON FUNCTION dualdb.migrate_update_hashes(boolean) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_insert(name text, entry jsonb, relation text, wrap_hashes boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $$
DECLARE
	v_columns record;
BEGIN
	SELECT string_agg(quote_ident(c.key), ', ') AS names,
		string_agg(format(CASE WHEN $1 = 'users' AND c.key = 'password_hash'
			THEN 'dualdb.migrate_hash(m.%I, $1)' ELSE 'm.%I' END, c.key), ', ') AS values
	INTO v_columns
	FROM jsonb_object_keys(entry -> 'columns') c (key);
	-- what is here already has been updated, and is in conflict
	EXECUTE format('INSERT INTO %s (%s) SELECT %s FROM pg_temp.changed m WHERE %s%s ON CONFLICT DO NOTHING',
		relation, v_columns.names, v_columns.values, dualdb.migrate_allowed(name, entry),
		-- who came before and is not here has been deleted here
		CASE name WHEN 'users' THEN ' AND m.dualdb_known_sum IS NULL' ELSE '' END) USING wrap_hashes;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_insert(text, jsonb, text, boolean) IS
	'internal: rows of a batch that are not here';
REVOKE ALL ON FUNCTION dualdb.migrate_insert(text, jsonb, text, boolean) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_note(name text, entry jsonb, relation text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $$
DECLARE
	v_place text := (SELECT t.place FROM dualdb.migrate_targets() t WHERE t.name = $1);
	v_rows bigint;
BEGIN
	EXECUTE format('INSERT INTO dualdb.migration_rows (name, key, place, row_sum, hash_sum, hash_copied_at)
		SELECT DISTINCT ON (m.dualdb_key) %L, m.dualdb_key, %s, m.dualdb_sum, m.dualdb_hash, %s
		FROM pg_temp.changed m JOIN %s t ON %s
		WHERE %s = m.dualdb_sum
		ON CONFLICT (name, key) DO UPDATE SET place = excluded.place, row_sum = excluded.row_sum,
			hash_sum = excluded.hash_sum, copied_at = excluded.copied_at,
			hash_copied_at = excluded.hash_copied_at',
		name, coalesce('m.' || v_place, 'NULL'),
		CASE name WHEN 'users' THEN 'CASE WHEN m.dualdb_known_hash IS NOT DISTINCT FROM m.dualdb_hash
				OR t.password_changed_at > m.dualdb_hash_copied_at
			THEN coalesce(m.dualdb_hash_copied_at, clock_timestamp()) ELSE clock_timestamp() END'
			ELSE 'clock_timestamp()' END,
		relation,
		dualdb.migrate_match(name, 'm.dualdb_key', 'm.' || v_place), dualdb.migrate_sum(entry, name, 't'));
	GET DIAGNOSTICS v_rows = ROW_COUNT;
	RETURN v_rows;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_note(text, jsonb, text) IS
	'internal: note the rows of a batch that the target has as the source does; returns how many';
REVOKE ALL ON FUNCTION dualdb.migrate_note(text, jsonb, text) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_batch(
	name text, entry jsonb, after_key text, batch_size integer, wrap_hashes boolean,
	OUT last_key text, OUT rows_read bigint, OUT written bigint, OUT put_off bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_relation text := (SELECT t.relation FROM dualdb.migrate_targets() t WHERE t.name = $1);
	v_changed bigint;
BEGIN
	last_key := dualdb.migrate_next_key(name, entry, after_key, batch_size);
	rows_read := dualdb.migrate_read(name, entry, after_key, last_key);
	v_changed := dualdb.migrate_compare(name);
	written := 0;
	IF v_changed > 0 THEN
		PERFORM dualdb.migrate_update(name, entry, v_relation);
		IF name = 'users' AND entry -> 'columns' ? 'password_hash' THEN
			PERFORM dualdb.migrate_update_hashes(wrap_hashes);
		END IF;
		PERFORM dualdb.migrate_insert(name, entry, v_relation, wrap_hashes);
		written := dualdb.migrate_note(name, entry, v_relation);
	END IF;
	put_off := v_changed - written;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_batch(text, jsonb, text, integer, boolean) IS
	'internal: copy a batch of rows; last_key is NULL after the last one';
REVOKE ALL ON FUNCTION dualdb.migrate_batch(text, jsonb, text, integer, boolean) FROM PUBLIC;
