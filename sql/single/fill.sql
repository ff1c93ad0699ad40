-- From one database to two: the directory has what the view showed.

-- who came back may have left a tombstone
INSERT INTO app.users (id, email, display_name, is_active)
SELECT m.id, m.email, m.display_name, m.is_active
FROM pg_temp.moved_users m ORDER BY m.email IS NULL
ON CONFLICT (id) DO NOTHING;
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
