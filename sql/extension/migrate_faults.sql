-- Migration: what is wrong with a mapping, before any row is looked at.

CREATE FUNCTION dualdb.migrate_entry_faults(
	name text, entry jsonb, relation regclass, source regclass, OUT detail text)
RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('Relation "%s" does not exist.', entry ->> 'from') WHERE source IS NULL
	UNION ALL
	SELECT 'There are no columns in the mapping.'
	WHERE jsonb_typeof(entry -> 'columns') IS DISTINCT FROM 'object' OR entry -> 'columns' = '{}'
	UNION ALL
	SELECT format('Unknown key "%s".', k.key) FROM jsonb_object_keys(entry) k (key)
	WHERE k.key NOT IN ('from', 'key', 'where', 'columns', 'back')
	UNION ALL
	SELECT format('%s has no column "%s" to be filled.', relation, c.column_name)
	FROM dualdb.migrate_columns(name, entry) c WHERE c.type IS NULL
	UNION ALL
	SELECT format('Column "%s" is mapped to %s, which is neither a column of %s nor {"sql": ...} nor {"value": ...}.',
		c.column_name, entry -> 'columns' -> c.column_name, source)
	FROM dualdb.migrate_columns(name, entry) c
	WHERE c.expression IS NULL AND source IS NOT NULL
	UNION ALL
	SELECT format('Column "%s" is not mapped; it has no default, and must not be NULL.', a.attname)
	FROM dualdb.migrate_targets() t JOIN pg_attribute a ON a.attrelid = $3
	WHERE t.name = $1 AND a.attnum > 0 AND NOT a.attisdropped
		AND (a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' OR a.attname = ANY (t.key_columns))
		AND NOT entry -> 'columns' ? a.attname::text
	UNION ALL
	SELECT 'There is no column to go along: "key" must name one of the source, best one with an index.'
	WHERE source IS NOT NULL
		AND NOT EXISTS (SELECT FROM dualdb.migrate_walk(name, entry) w WHERE w.value IS NOT NULL)
$$;
COMMENT ON FUNCTION dualdb.migrate_entry_faults(text, jsonb, regclass, regclass) IS
	'internal: what is wrong with the mapping of a table';
REVOKE ALL ON FUNCTION dualdb.migrate_entry_faults(text, jsonb, regclass, regclass) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_faults(mapping jsonb, OUT name text, OUT detail text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_here record;
BEGIN
	IF jsonb_typeof(mapping) IS DISTINCT FROM 'object' THEN
		detail := 'The mapping is not a JSON object.';
		RETURN NEXT;
		RETURN;
	END IF;
	RETURN QUERY SELECT k.key, format('Nothing can be migrated to a table "%s".', k.key)
		FROM jsonb_object_keys(mapping) k (key)
		WHERE k.key NOT IN (SELECT t.name FROM dualdb.migrate_targets() t);
	FOR v_here IN SELECT h.name, h.entry, h.relation, h.source FROM dualdb.migrate_here(mapping) h LOOP
		name := v_here.name;
		IF jsonb_typeof(v_here.entry) <> 'object' THEN
			detail := 'The mapping of the table is not a JSON object.';
			RETURN NEXT;
			CONTINUE;
		END IF;
		RETURN QUERY SELECT v_here.name, f.detail
			FROM dualdb.migrate_entry_faults(v_here.name, v_here.entry, v_here.relation, v_here.source) f;
	END LOOP;
	IF NOT EXISTS (SELECT FROM dualdb.migrate_here(mapping)) THEN
		name := NULL;
		detail := 'The mapping has no table of this database.';
		RETURN NEXT;
	END IF;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_faults(jsonb) IS
	'internal: what is wrong with a mapping';
REVOKE ALL ON FUNCTION dualdb.migrate_faults(jsonb) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_require(mapping jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_fault record;
BEGIN
	PERFORM dualdb.migrate_prepare();
	SELECT f.name, f.detail INTO v_fault FROM dualdb.migrate_faults(mapping) f LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = concat('the mapping', ' of table "' || v_fault.name || '"', ' cannot be used'),
			DETAIL = v_fault.detail,
			HINT = 'SELECT * FROM dualdb.migrate_check(mapping) lists everything that is wrong.';
	END IF;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_require(jsonb) IS
	'internal: an error where a mapping cannot be used';
REVOKE ALL ON FUNCTION dualdb.migrate_require(jsonb) FROM PUBLIC;
