-- Who sees which rows.
--
-- dualdb_app_user: the rows of the authenticated user's projects.  There are no
-- sub-queries, which distributed tables cannot have: dualdb.owns_project() reads the
-- user's projects once per statement.
-- dualdb_app_service and dualdb_app_readonly: all rows.

DO $$
DECLARE
	v_table text;
	v_mine text;
BEGIN
	FOREACH v_table IN ARRAY ARRAY['projects', 'orders', 'messages',
		'integrations', 'products', 'reports', 'model_trainings', 'api_logs']
	LOOP
		v_mine := CASE v_table
			WHEN 'projects' THEN 'user_id = dualdb.user_id()'
			ELSE 'dualdb.owns_project(project_id)'
		END;
		EXECUTE format('ALTER TABLE app.%I ENABLE ROW LEVEL SECURITY', v_table);

		EXECUTE format('DROP POLICY IF EXISTS own_projects ON app.%I', v_table);
		EXECUTE format('CREATE POLICY own_projects ON app.%I TO dualdb_app_user
			USING (%s) WITH CHECK (%s)', v_table, v_mine, v_mine);
		EXECUTE format('DROP POLICY IF EXISTS all_rows ON app.%I', v_table);
		EXECUTE format('CREATE POLICY all_rows ON app.%I
			TO dualdb_app_service, dualdb_app_readonly
			USING (true) WITH CHECK (true)', v_table);

		EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON app.%I
			TO dualdb_app_service, dualdb_app_user', v_table);
		EXECUTE format('GRANT SELECT ON app.%I TO dualdb_app_readonly', v_table);
	END LOOP;
END
$$;
