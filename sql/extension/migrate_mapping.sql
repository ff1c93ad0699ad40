-- Migration: a mapping, and the SQL that it stands for.
--
-- {"users": {"from": "legacy.users", "key": "id", "where": "NOT is_test",
--   "columns": {"id": "id", "email": "mail", "display_name": {"sql": "first || ' ' || last"},
--     "is_active": {"value": true}},
--   "back": {"first": "split_part(display_name, ' ', 1)"}}}
--
-- Conditions and expressions are SQL that is run as the superuser who migrates.

-- The tables of the mapping that this database has; another part of it may be for
-- another database.
CREATE FUNCTION dualdb.migrate_here(mapping jsonb,
	OUT "position" integer, OUT name text, OUT entry jsonb, OUT relation regclass,
	OUT source regclass)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 13
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT t.position, t.name, e.value, to_regclass(t.relation), to_regclass(e.value ->> 'from')
	FROM jsonb_each(mapping) e JOIN dualdb.migrate_targets() t ON t.name = e.key
	WHERE split_part(t.relation, '.', 1) = ANY (CASE dualdb.setup_mode()
		WHEN 'single' THEN '{auth,app}'::text[] ELSE ARRAY[dualdb.setup_mode()] END)
$$;
COMMENT ON FUNCTION dualdb.migrate_here(jsonb) IS
	'internal: the tables of a mapping that are migrated in this database';
REVOKE ALL ON FUNCTION dualdb.migrate_here(jsonb) FROM PUBLIC;

-- Whatever a column is not found by is NULL.
CREATE FUNCTION dualdb.migrate_columns(name text, entry jsonb,
	OUT column_name text, OUT type text, OUT source_column text, OUT expression text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.key, format_type(a.atttypid, a.atttypmod), s.attname,
		CASE WHEN s.attname IS NOT NULL THEN format('s.%I', s.attname)
			WHEN c.value ? 'sql' THEN '(' || (c.value ->> 'sql') || ')'
			WHEN c.value ? 'value' THEN quote_nullable(c.value ->> 'value') END
	FROM dualdb.migrate_targets() t
		CROSS JOIN LATERAL jsonb_each(CASE WHEN jsonb_typeof(entry -> 'columns') = 'object'
			THEN entry -> 'columns' END) c
		LEFT JOIN pg_attribute a ON a.attrelid = to_regclass(t.relation) AND a.attname = c.key
			AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		LEFT JOIN pg_attribute s ON s.attrelid = to_regclass(entry ->> 'from')
			AND jsonb_typeof(c.value) = 'string' AND s.attname = c.value #>> '{}'
			AND s.attnum > 0 AND NOT s.attisdropped
	WHERE t.name = $1
	ORDER BY c.key COLLATE "C"
$$;
COMMENT ON FUNCTION dualdb.migrate_columns(text, jsonb) IS
	'internal: the columns that a mapping fills, and what with';
REVOKE ALL ON FUNCTION dualdb.migrate_columns(text, jsonb) FROM PUBLIC;

-- The column of the source that a pass goes along: compared byte by byte where it is
-- text, as a collation of the source need not be one of this server.
CREATE FUNCTION dualdb.migrate_walk(name text, entry jsonb,
	OUT value text, OUT type text, OUT above text, OUT upto text, OUT ordering text)
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE w.is_text WHEN true THEN format('s.%I::text', w.attname) ELSE format('s.%I', w.attname) END,
		CASE w.is_text WHEN true THEN 'text' ELSE w.type END,
		CASE w.is_text WHEN true THEN 'OPERATOR(pg_catalog.~>~)' ELSE '>' END,
		CASE w.is_text WHEN true THEN 'OPERATOR(pg_catalog.~<=~)' ELSE '<=' END,
		CASE w.is_text WHEN true THEN 'USING OPERATOR(pg_catalog.~<~)' ELSE '' END
	FROM (SELECT a.attname, format_type(a.atttypid, NULL) AS type, y.typcategory = 'S' AS is_text
		FROM dualdb.migrate_targets() t
			JOIN pg_attribute a ON a.attrelid = to_regclass(entry ->> 'from')
				AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = coalesce(entry ->> 'key', CASE WHEN jsonb_typeof(
					entry -> 'columns' -> t.key_columns[1]) = 'string'
					THEN entry -> 'columns' ->> t.key_columns[1] END)
			JOIN pg_type y ON y.oid = a.atttypid
		WHERE t.name = $1) w
$$;
COMMENT ON FUNCTION dualdb.migrate_walk(text, jsonb) IS
	'internal: how to go through the rows of a source in order';
REVOKE ALL ON FUNCTION dualdb.migrate_walk(text, jsonb) FROM PUBLIC;

-- The rows of the source as the target is to have them, after one key and up to
-- another; NULL is no limit.
CREATE FUNCTION dualdb.migrate_select(
	name text, entry jsonb, after_key text DEFAULT NULL, last_key text DEFAULT NULL)
RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT %s FROM %s s WHERE %s',
			string_agg(format('CAST(%s AS %s) AS %I', c.expression, c.type, c.column_name), ', '
				ORDER BY c.column_name COLLATE "C"),
			to_regclass(entry ->> 'from'), coalesce('(' || (entry ->> 'where') || ')', 'true'))
		|| CASE WHEN after_key IS NULL THEN ''
			ELSE format(' AND %s %s CAST(%L AS %s)', w.value, w.above, after_key, w.type) END
		|| CASE WHEN last_key IS NULL THEN ''
			ELSE format(' AND %s %s CAST(%L AS %s)', w.value, w.upto, last_key, w.type) END
	FROM dualdb.migrate_columns($1, entry) c, dualdb.migrate_walk($1, entry) w
	GROUP BY w.value, w.above, w.upto, w.type
$$;
COMMENT ON FUNCTION dualdb.migrate_select(text, jsonb, text, text) IS
	'internal: SQL that reads rows of a source';
REVOKE ALL ON FUNCTION dualdb.migrate_select(text, jsonb, text, text) FROM PUBLIC;

-- The columns by which rows are compared.  A login replaces a password hash, which
-- has a checksum of its own, and a trigger stamps users.
CREATE FUNCTION dualdb.migrate_list(entry jsonb, name text, template text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(replace(template, '%', quote_ident(c.key)), ', ' ORDER BY c.key COLLATE "C")
	FROM jsonb_object_keys(entry -> 'columns') c (key)
	WHERE NOT (name = 'users' AND c.key IN ('password_hash', 'updated_at'))
$$;
COMMENT ON FUNCTION dualdb.migrate_list(jsonb, text, text) IS
	'internal: the columns by which migrated rows are compared, each in place of %';
REVOKE ALL ON FUNCTION dualdb.migrate_list(jsonb, text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_sum(entry jsonb, name text, alias text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('hashtextextended(ROW(%s)::text, 0)', dualdb.migrate_list(entry, name, alias || '.%'))
$$;
COMMENT ON FUNCTION dualdb.migrate_sum(jsonb, text, text) IS
	'internal: SQL of the checksum of a row';
REVOKE ALL ON FUNCTION dualdb.migrate_sum(jsonb, text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_key(name text, alias text) RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE cardinality(t.key_columns) WHEN 1 THEN format('%s.%I', alias, t.key_columns[1])
		ELSE format('jsonb_build_array(%1$s.%2$I, %1$s.%3$I)::text', alias,
			t.key_columns[1], t.key_columns[2]) END
	FROM dualdb.migrate_targets() t WHERE t.name = $1
$$;
COMMENT ON FUNCTION dualdb.migrate_key(text, text) IS
	'internal: SQL of the key of a row';
REVOKE ALL ON FUNCTION dualdb.migrate_key(text, text) FROM PUBLIC;

-- By the primary key, of which the place is the first column where there is one.
CREATE FUNCTION dualdb.migrate_match(name text, key text, place text) RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN t.place IS NULL THEN '' ELSE format('t.%I = %s AND ', t.place, $3) END
		|| CASE cardinality(t.key_columns) WHEN 1 THEN format('t.%I = %s', t.key_columns[1], $2)
			ELSE format('t.%I = %s::jsonb ->> 0 AND t.%I = %2$s::jsonb ->> 1',
				t.key_columns[1], $2, t.key_columns[2]) END
	FROM dualdb.migrate_targets() t WHERE t.name = $1
$$;
COMMENT ON FUNCTION dualdb.migrate_match(text, text, text) IS
	'internal: SQL that finds the row t of a key and a place';
REVOKE ALL ON FUNCTION dualdb.migrate_match(text, text, text) FROM PUBLIC;
