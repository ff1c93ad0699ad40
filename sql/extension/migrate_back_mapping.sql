-- Migration: what a mapping means for the way back.

-- Columns of the source, and what is written to them: those that the mapping names,
-- and what its "back" computes from a row of the target.
CREATE FUNCTION dualdb.migrate_back_columns(name text, entry jsonb,
	OUT source_column text, OUT type text, OUT expression text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT a.attname, format_type(a.atttypid, a.atttypmod), x.expression
	FROM (
		SELECT c.source_column, 't.' || quote_ident(c.column_name)
		FROM dualdb.migrate_columns(name, entry) c
		WHERE c.source_column IS NOT NULL AND NOT coalesce(entry -> 'back' ? c.source_column, false)
		UNION ALL
		SELECT b.key, format('(%s)', b.value) FROM jsonb_each_text(entry -> 'back') b
	) x (source_column, expression)
		JOIN pg_attribute a ON a.attrelid = to_regclass(entry ->> 'from') AND a.attname = x.source_column
	ORDER BY a.attnum
$$;
COMMENT ON FUNCTION dualdb.migrate_back_columns(text, jsonb) IS
	'internal: the columns of a source that the way back fills, and what with';
REVOKE ALL ON FUNCTION dualdb.migrate_back_columns(text, jsonb) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_fits(value text, type text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('SELECT CAST($1 AS %s)', type) USING value;
	RETURN true;
EXCEPTION WHEN data_exception THEN
	RETURN false;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_fits(text, text) IS
	'internal: is the value one of a type?';
REVOKE ALL ON FUNCTION dualdb.migrate_fits(text, text) FROM PUBLIC;

-- What cannot be written back as it is mapped.
CREATE FUNCTION dualdb.migrate_back_faults(mapping jsonb, OUT name text, OUT detail text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH here AS (
		SELECT h.name, h.entry, h.source, count(*) OVER (PARTITION BY h.source) AS n
		FROM dualdb.migrate_here(mapping) h WHERE h.entry -> 'back' IS DISTINCT FROM 'false'
	)
	SELECT h.name, format('%s is the source of another table, too: one of them needs "back": false.', h.source)
	FROM here h WHERE h.n > 1
	UNION ALL
	SELECT h.name, format('Column "%s" of %s is mapped more than once: "back" must say what to write there.',
		b.source_column, h.source)
	FROM here h CROSS JOIN LATERAL dualdb.migrate_back_columns(h.name, h.entry) b
	GROUP BY h.name, h.source, b.source_column HAVING count(*) > 1
	UNION ALL
	SELECT h.name, format('"back" fills column "%s", which %s does not have.', k.key, h.source)
	FROM here h CROSS JOIN LATERAL jsonb_object_keys(CASE WHEN jsonb_typeof(h.entry -> 'back') = 'object'
		THEN h.entry -> 'back' END) k (key)
	WHERE k.key NOT IN (SELECT b.source_column FROM dualdb.migrate_back_columns(h.name, h.entry) b)
	UNION ALL
	SELECT h.name, format('Column "%s" is not mapped to a column of %s, so no row is found there: "back": false leaves the table out.',
		k.name, h.source)
	FROM here h JOIN dualdb.migrate_targets() t ON t.name = h.name
		CROSS JOIN LATERAL unnest(t.key_columns) k (name)
	WHERE NOT EXISTS (SELECT FROM dualdb.migrate_columns(h.name, h.entry) c
		WHERE c.column_name = k.name AND c.source_column IS NOT NULL)
$$;
COMMENT ON FUNCTION dualdb.migrate_back_faults(jsonb) IS
	'internal: what is wrong with a mapping for the way back';
REVOKE ALL ON FUNCTION dualdb.migrate_back_faults(jsonb) FROM PUBLIC;

-- Where a new row leads, too: ids that are made here are texts of UUIDs, which a column
-- of numbers does not take.
CREATE FUNCTION dualdb.migrate_back_fits(name text, entry jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(string_agg(format('coalesce(dualdb.migrate_fits(t.%I, %L), true)', c.column_name,
		format_type(a.atttypid, NULL)), ' AND '), 'true')
	FROM dualdb.migrate_columns(name, entry) c
		JOIN pg_attribute a ON a.attrelid = to_regclass(entry ->> 'from') AND a.attname = c.source_column
		JOIN dualdb.migrate_targets() t ON t.name = $1
	WHERE c.column_name = ANY (t.key_columns) OR EXISTS (SELECT FROM dualdb.migrate_references() r
		WHERE r.name = $1 AND r.column_name = c.column_name)
$$;
COMMENT ON FUNCTION dualdb.migrate_back_fits(text, jsonb) IS
	'internal: SQL that is true for the rows t whose ids the source can take';
REVOKE ALL ON FUNCTION dualdb.migrate_back_fits(text, jsonb) FROM PUBLIC;
