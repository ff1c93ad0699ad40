-- From one database to two: the directory has what the view showed.

DO $$
DECLARE
	v_column record;
	v_names text;
BEGIN
	-- those of dualdb.add_directory_column()
	FOR v_column IN
		SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type
		FROM pg_attribute a
		WHERE a.attrelid = 'pg_temp.moved_users'::regclass AND a.attnum > 4
		ORDER BY a.attnum
	LOOP
		PERFORM dualdb.take_user_column(v_column.name, v_column.type);
	END LOOP;
	SELECT string_agg(quote_ident(a.attname), ', ') INTO v_names
	FROM pg_attribute a
	WHERE a.attrelid = 'pg_temp.moved_users'::regclass AND a.attnum > 0;
	-- who came back may have left a tombstone
	EXECUTE format('INSERT INTO app.users (%s)
		SELECT %s FROM pg_temp.moved_users m ORDER BY m.email IS NULL
		ON CONFLICT (id) DO NOTHING', v_names, v_names);
END
$$;
ANALYZE app.users;

DO $$
DECLARE
	v_statement text;
BEGIN
	FOR v_statement IN SELECT g.statement FROM pg_temp.moved_grants g LOOP
		EXECUTE v_statement;
	END LOOP;
END
$$;
