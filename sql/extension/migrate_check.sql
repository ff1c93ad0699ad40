-- Migration: the dry run.  Everything that a mapping does is read, nothing is written.

-- What is to become of a password hash at login.
CREATE FUNCTION dualdb.migrate_hash_kind(hash text) RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dualdb.password_needs_rehash(hash);
	RETURN coalesce(dualdb.password_hash_format(hash), 'unknown');
EXCEPTION
	WHEN program_limit_exceeded THEN
		RETURN 'too costly';
	WHEN invalid_parameter_value THEN
		RETURN 'unknown';
END
$$;
COMMENT ON FUNCTION dualdb.migrate_hash_kind(text) IS
	'internal: the format of a password hash, unknown, or too costly';
REVOKE ALL ON FUNCTION dualdb.migrate_hash_kind(text) FROM PUBLIC;

-- A finding of rows: how many, and the keys of the first ones; none is no finding.
CREATE FUNCTION dualdb.migrate_finding(
	name text, entry jsonb, status text, item text, condition text, detail text)
RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT %L, %L, count(*), %L || string_agg(left(q.key, 100), %L ORDER BY q.n) FILTER (WHERE q.n <= 5)
		FROM (SELECT %s AS key, row_number() OVER () AS n FROM q WHERE %s) q HAVING count(*) > 0',
		status, item, detail || ': ', ', ', dualdb.migrate_key(name, 'q'), condition)
$$;
COMMENT ON FUNCTION dualdb.migrate_finding(text, jsonb, text, text, text, text) IS
	'internal: SQL that counts the rows q of which something is to be said';
REVOKE ALL ON FUNCTION dualdb.migrate_finding(text, jsonb, text, text, text, text) FROM PUBLIC;

-- The key, every other unique index of columns that are mapped, and the address of users,
-- which is unique in a form of its own.
CREATE FUNCTION dualdb.migrate_check_unique(name text, entry jsonb, relation regclass, OUT query text)
RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT %L, %L, count(*), %L || string_agg(d.key, %L ORDER BY d.n) FILTER (WHERE d.n <= 5)
		FROM (SELECT left(min(%s), 100) AS key, row_number() OVER () AS n FROM q
			WHERE (%s) IS NOT NULL GROUP BY %s HAVING count(*) > 1) d HAVING count(*) > 0',
		'error', u.item, format('More than one row has the same %s: ', u.says), ', ', u.shown, u.value, u.value)
	FROM (
		SELECT 'duplicate' AS item, string_agg(quote_ident(a.attname), ', ' ORDER BY k.n) AS says,
			string_agg(format('q.%I', a.attname), ', ' ORDER BY k.n) AS value,
			dualdb.migrate_key($1, 'q') AS shown
		FROM pg_index i
			CROSS JOIN LATERAL unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY k (attnum, n)
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
		WHERE i.indrelid = relation AND i.indisunique AND NOT i.indisprimary
			AND i.indpred IS NULL AND i.indexprs IS NULL
		GROUP BY i.indexrelid
		HAVING bool_and(entry -> 'columns' ? a.attname::text)
		UNION ALL
		SELECT 'duplicate_id', array_to_string(t.key_columns, ', '), dualdb.migrate_key($1, 'q'), dualdb.migrate_key($1, 'q')
		FROM dualdb.migrate_targets() t WHERE t.name = $1
		UNION ALL
		SELECT 'duplicate_email', 'e-mail address', 'auth.normalize_email(q.email)', 'q.id'
		WHERE name = 'users' AND entry -> 'columns' ? 'email'
	) u
$$;
COMMENT ON FUNCTION dualdb.migrate_check_unique(text, jsonb, regclass) IS
	'internal: queries for rows that are not unique in the target';
REVOKE ALL ON FUNCTION dualdb.migrate_check_unique(text, jsonb, regclass) FROM PUBLIC;

-- Columns that must not be NULL, and CHECK constraints, which have the names of columns
-- as q has them, too.
CREATE FUNCTION dualdb.migrate_check_constraints(name text, entry jsonb, relation regclass, OUT query text)
RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT dualdb.migrate_finding(name, entry, 'error', 'null', format('q.%I IS NULL', a.attname),
		format('Column "%s" is NULL', a.attname))
	FROM pg_attribute a
	WHERE a.attrelid = relation AND a.attnum > 0 AND a.attnotnull AND entry -> 'columns' ? a.attname::text
	UNION ALL
	SELECT dualdb.migrate_finding(name, entry, 'error', 'constraint',
		format('NOT (%s)', pg_get_expr(c.conbin, c.conrelid)), format('Constraint "%s" refuses the row', c.conname))
	FROM pg_constraint c
	WHERE c.conrelid = relation AND c.contype = 'c' AND NOT EXISTS (
		SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum = ANY (c.conkey)
			AND NOT entry -> 'columns' ? a.attname::text)
	UNION ALL
	SELECT format('SELECT ''error'', ''null'', count(*), %L
		FROM %s s WHERE %s IS NULL AND %s HAVING count(*) > 0',
		format('Column of the source %s is NULL, which rows are read by', entry ->> 'key'), to_regclass(entry ->> 'from'),
		w.value, coalesce('(' || (entry ->> 'where') || ')', 'true'))
	FROM dualdb.migrate_walk(name, entry) w WHERE entry ? 'key'
	UNION ALL
	SELECT dualdb.migrate_finding(name, entry, 'error', 'id_taken', format('EXISTS (SELECT FROM %s t WHERE %s AND %s <> %s)
			AND NOT EXISTS (SELECT FROM dualdb.migration_rows l WHERE l.name = %L AND l.key = %s COLLATE "C")',
			relation, dualdb.migrate_match(name, dualdb.migrate_key(name, 'q'), 'q.' || t.place),
			dualdb.migrate_sum(entry, name, 't'), dualdb.migrate_sum(entry, name, 'q'), name, dualdb.migrate_key(name, 'q')),
		'Another row has the id here')
	FROM dualdb.migrate_targets() t WHERE t.name = $1
$$;
COMMENT ON FUNCTION dualdb.migrate_check_constraints(text, jsonb, regclass) IS
	'internal: queries for rows that constraints of the target refuse';
REVOKE ALL ON FUNCTION dualdb.migrate_check_constraints(text, jsonb, regclass) FROM PUBLIC;

-- Parents are looked for at the source, if the mapping has them, or else here.
CREATE FUNCTION dualdb.migrate_check_orphans(name text, entry jsonb, mapping jsonb, OUT query text)
RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT dualdb.migrate_finding($1, entry, CASE WHEN r.is_enforced THEN 'error' ELSE 'warning' END,
		'orphan', format('q.%I IS NOT NULL AND NOT EXISTS (SELECT FROM (%s) p WHERE p.id = q.%1$I)',
			r.column_name, p.ids), format('Column "%s" leads to none of %s', r.column_name, r.parent))
	FROM dualdb.migrate_references() r
		JOIN dualdb.migrate_targets() t ON t.name = r.parent
		CROSS JOIN LATERAL (SELECT coalesce(
			(SELECT format('SELECT CAST(%s AS text) AS id FROM %s s WHERE %s', c.expression,
				to_regclass(mapping -> r.parent ->> 'from'), coalesce(mapping -> r.parent ->> 'where', 'true'))
			FROM dualdb.migrate_columns(r.parent, mapping -> r.parent) c
			WHERE c.column_name = 'id' AND c.expression IS NOT NULL
				AND to_regclass(mapping -> r.parent ->> 'from') IS NOT NULL),
			'SELECT id FROM ' || coalesce(to_regclass(t.relation), to_regclass(
				CASE r.parent WHEN 'users' THEN 'app.users' END)))) p (ids)
	WHERE r.name = $1 AND entry -> 'columns' ? r.column_name AND p.ids IS NOT NULL
$$;
COMMENT ON FUNCTION dualdb.migrate_check_orphans(text, jsonb, jsonb) IS
	'internal: queries for rows that refer to rows which are not there';
REVOKE ALL ON FUNCTION dualdb.migrate_check_orphans(text, jsonb, jsonb) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_check_users(entry jsonb, OUT query text)
RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT dualdb.migrate_finding('users', entry, 'error', 'email_taken',
		'EXISTS (SELECT FROM auth.users u WHERE u.email_norm = auth.normalize_email(q.email) AND u.id <> q.id)',
		'Somebody else has the e-mail address here')
	UNION ALL
	SELECT dualdb.migrate_finding('users', entry, 'warning', 'email',
		'NOT auth.email_acceptable(q.email)', 'The e-mail address cannot be one')
	UNION ALL
	SELECT 'SELECT CASE WHEN k.kind IN (''unknown'', ''too costly'') THEN ''error'' ELSE ''ok'' END, ''hash_format'', sum(k.n),
			CASE k.kind WHEN ''unknown'' THEN ''Password hashes of an unknown format: these users need another password''
				WHEN ''too costly'' THEN ''Password hashes that cost more than is allowed: these users need another password''
				ELSE ''Password hashes of format '' || k.kind END
		FROM (SELECT dualdb.migrate_hash_kind(h.password_hash) AS kind, h.n
			FROM (SELECT q.password_hash, count(*) AS n FROM q WHERE q.password_hash IS NOT NULL GROUP BY 1) h) k
		GROUP BY k.kind'
	WHERE entry -> 'columns' ? 'password_hash'
	UNION ALL
	SELECT dualdb.migrate_finding('users', entry, 'warning', 'no_password',
		'q.password_hash IS NULL', 'There is no password hash, so no login by password')
	WHERE entry -> 'columns' ? 'password_hash'
$$;
COMMENT ON FUNCTION dualdb.migrate_check_users(jsonb) IS
	'internal: queries for addresses and password hashes of users';
REVOKE ALL ON FUNCTION dualdb.migrate_check_users(jsonb) FROM PUBLIC;

-- One reading of the source for a table, so that what is counted is of one moment; a
-- value that its column cannot take ends it.
CREATE FUNCTION dualdb.migrate_check_table(name text, entry jsonb, relation regclass, mapping jsonb,
	OUT status text, OUT item text, OUT row_count bigint, OUT detail text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_queries text;
BEGIN
	SELECT string_agg(c.query, E'\nUNION ALL\n') INTO v_queries
	FROM (
		SELECT u.query FROM dualdb.migrate_check_unique(name, entry, relation) u
		UNION ALL
		SELECT n.query FROM dualdb.migrate_check_constraints(name, entry, relation) n
		UNION ALL
		SELECT o.query FROM dualdb.migrate_check_orphans(name, entry, mapping) o
		UNION ALL
		SELECT s.query FROM dualdb.migrate_check_users(entry) s WHERE name = 'users'
		UNION ALL
		SELECT 'SELECT ''ok'', ''rows'', count(*), ''Rows to be migrated'' FROM q'
	) c;
	RETURN QUERY EXECUTE format('WITH q AS MATERIALIZED (%s)
		SELECT v.status, v.item, v.rows::bigint, v.detail FROM (%s) v (status, item, rows, detail)',
		dualdb.migrate_select(name, entry), v_queries);
EXCEPTION WHEN OTHERS THEN
	status := 'error';
	item := 'unreadable';
	row_count := NULL;
	detail := format('The rows cannot be read as mapped: %s.', dualdb.without_secrets(SQLERRM));
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_check_table(text, jsonb, regclass, jsonb) IS
	'internal: the dry run of a table';
REVOKE ALL ON FUNCTION dualdb.migrate_check_table(text, jsonb, regclass, jsonb) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_check(mapping jsonb,
	OUT status text, OUT name text, OUT item text, OUT row_count bigint, OUT detail text)
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
	PERFORM dualdb.migrate_prepare();
	RETURN QUERY SELECT 'error', f.name, 'mapping', NULL::bigint, f.detail
		FROM dualdb.migrate_faults(mapping) f;
	FOR v_here IN
		SELECT h.name, h.entry, h.relation FROM dualdb.migrate_here(mapping) h
		WHERE NOT EXISTS (SELECT FROM dualdb.migrate_faults(mapping) f WHERE f.name = h.name)
		ORDER BY h.position
	LOOP
		RETURN QUERY SELECT c.status, v_here.name, c.item, c.row_count, c.detail
			FROM dualdb.migrate_check_table(v_here.name, v_here.entry, v_here.relation, mapping) c
			ORDER BY CASE c.status WHEN 'error' THEN 1 WHEN 'warning' THEN 2 ELSE 3 END, c.item, c.detail;
	END LOOP;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_check(jsonb) IS
	'the dry run of a migration: writes nothing, and says what a mapping would meet';
REVOKE ALL ON FUNCTION dualdb.migrate_check(jsonb) FROM PUBLIC;
