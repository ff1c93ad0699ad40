-- Migration: is everything here, as the source has it?

-- Rows of the source and of the target side by side, by key; without password hashes,
-- which are compared by themselves.
CREATE FUNCTION dualdb.migrate_pairs(name text, entry jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT coalesce(q.key, t.key) AS key, q.key IS NOT NULL AS there, t.key IS NOT NULL AS here,
			l.key IS NOT NULL AS came, q.row_sum AS source_sum, t.row_sum AS target_sum, l.row_sum AS known_sum,
			q.hash AS source_hash, t.hash AS target_hash, l.hash_sum AS known_hash, t.place
		FROM (SELECT %1$s COLLATE "C" AS key, %2$s AS row_sum, %3$s AS hash FROM (%4$s) q) q
			FULL JOIN (SELECT %5$s COLLATE "C" AS key, %6$s AS row_sum, %7$s AS hash, %8$s AS place
				FROM %9$s t) t ON t.key = q.key
			LEFT JOIN dualdb.migration_rows l ON l.name = %10$L AND l.key = coalesce(q.key, t.key)',
		dualdb.migrate_key(name, 'q'), dualdb.migrate_sum(entry, name, 'q'), h.source,
		dualdb.migrate_select(name, entry), dualdb.migrate_key(name, 't'),
		dualdb.migrate_sum(entry, name, 't'), h.target, coalesce('t.' || t.place, 'NULL::text'), t.relation, name)
	FROM dualdb.migrate_targets() t
		CROSS JOIN LATERAL (SELECT CASE WHEN t.name = 'users' AND entry -> 'columns' ? 'password_hash'
				THEN 'q.password_hash' ELSE 'NULL::text' END,
			CASE WHEN t.name = 'users' AND entry -> 'columns' ? 'password_hash'
				THEN 't.password_hash' ELSE 'NULL::text' END) h (source, target)
	WHERE t.name = $1
$$;
COMMENT ON FUNCTION dualdb.migrate_pairs(text, jsonb) IS
	'internal: SQL of the rows of source and target side by side';
REVOKE ALL ON FUNCTION dualdb.migrate_pairs(text, jsonb) FROM PUBLIC;

-- The checksum of a table is the sum of those of its rows, in whatever order.  Rows
-- that did not come from the source are not counted among the target's.
CREATE FUNCTION dualdb.migrate_verify_table(name text, entry jsonb,
	OUT status text, OUT source_rows bigint, OUT target_rows bigint,
	OUT source_sum numeric, OUT target_sum numeric, OUT detail text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_found record;
BEGIN
	EXECUTE format('SELECT count(*) FILTER (WHERE p.there) AS source_rows,
			count(*) FILTER (WHERE p.here AND p.there) AS target_rows,
			coalesce(sum(p.source_sum), 0) AS source_sum,
			coalesce(sum(p.target_sum) FILTER (WHERE p.there), 0) AS target_sum,
			count(*) FILTER (WHERE p.there AND NOT p.here) AS missing,
			count(*) FILTER (WHERE p.there AND p.here AND p.source_sum <> p.target_sum
				AND p.source_sum IS DISTINCT FROM p.known_sum) AS changed_there,
			count(*) FILTER (WHERE p.there AND p.here AND p.source_sum <> p.target_sum
				AND p.source_sum = p.known_sum) AS changed_here,
			count(*) FILTER (WHERE p.here AND p.came AND NOT p.there) AS gone_there,
			count(*) FILTER (WHERE p.here AND NOT p.came AND NOT p.there) AS made_here,
			count(*) FILTER (WHERE p.there AND p.here AND p.source_hash IS DISTINCT FROM p.target_hash
				AND hashtextextended(p.source_hash, 0) IS DISTINCT FROM p.known_hash) AS hash_changed,
			count(*) FILTER (WHERE p.there AND p.here AND p.source_hash IS DISTINCT FROM p.target_hash
				AND hashtextextended(p.source_hash, 0) = p.known_hash) AS rehashed
		FROM (%s) p', dualdb.migrate_pairs(name, entry)) INTO v_found;
	source_rows := v_found.source_rows;
	target_rows := v_found.target_rows;
	source_sum := v_found.source_sum;
	target_sum := v_found.target_sum;
	status := CASE WHEN v_found.missing + v_found.changed_there + v_found.gone_there + v_found.hash_changed > 0
			THEN 'error'
		WHEN v_found.changed_here > 0 THEN 'warning' ELSE 'ok' END;
	SELECT string_agg(x.rows || ' ' || x.says, ', ') INTO detail
	FROM (VALUES (v_found.missing, 'missing here'), (v_found.changed_there, 'not up to date'),
		(v_found.gone_there, 'gone at the source'), (v_found.hash_changed, 'with another password hash at the source'),
		(v_found.changed_here, 'changed here'), (v_found.made_here, 'made here'),
		(v_found.rehashed, 'with a password hash of its own here')) x (rows, says)
	WHERE x.rows > 0;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_verify_table(text, jsonb) IS
	'internal: compare a table with its source';
REVOKE ALL ON FUNCTION dualdb.migrate_verify_table(text, jsonb) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_verify(mapping jsonb,
	OUT status text, OUT name text, OUT source_rows bigint, OUT target_rows bigint,
	OUT source_sum numeric, OUT target_sum numeric, OUT detail text)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET extra_float_digits = 1
SET bytea_output = 'hex'
AS $$
DECLARE
	v_here record;
BEGIN
	PERFORM dualdb.migrate_require(mapping);
	FOR v_here IN SELECT h.name, h.entry FROM dualdb.migrate_here(mapping) h ORDER BY h.position LOOP
		RETURN QUERY SELECT v.status, v_here.name, v.source_rows, v.target_rows, v.source_sum, v.target_sum, v.detail
			FROM dualdb.migrate_verify_table(v_here.name, v_here.entry) v;
	END LOOP;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_verify(jsonb) IS
	'compare what has been migrated with its source: rows, and checksums of their columns; changes nothing';
REVOKE ALL ON FUNCTION dualdb.migrate_verify(jsonb) FROM PUBLIC;
