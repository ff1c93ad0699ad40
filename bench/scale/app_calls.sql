-- What the app side's calls take within the server, for users in table pg_temp.chosen.
GRANT SELECT ON chosen TO dualdb_app_user;
GRANT INSERT ON sample TO dualdb_app_user;
DO $$
DECLARE
	v_start timestamptz;
	v_user record;
	v_ids text[] := ARRAY(SELECT c.user_id FROM chosen c LIMIT 20);
	v_project text;
BEGIN
	FOR v_user IN SELECT c.user_id, c.email, c.access_token FROM chosen c LOOP
		v_project := (SELECT p.id FROM app.projects p WHERE p.user_id = v_user.user_id);
		v_start := clock_timestamp();
		PERFORM dualdb.authenticate(v_user.access_token);
		CALL pg_temp.note('7 authenticate, a new token', v_start);
		v_start := clock_timestamp();
		PERFORM u.id FROM app.lookup_users(ARRAY[v_user.user_id]) u;
		CALL pg_temp.note('8 live look-up by id', v_start);
		v_start := clock_timestamp();
		PERFORM u.id FROM app.lookup_user_by_email(v_user.email) u;
		CALL pg_temp.note('8 live look-up by address', v_start);
		v_start := clock_timestamp();
		PERFORM u.id FROM app.users u WHERE u.id = ANY (v_ids);
		CALL pg_temp.note('9 directory, 20 users', v_start);
		v_start := clock_timestamp();
		PERFORM o.id, u.display_name FROM app.orders o JOIN app.users u ON u.id = o.user_id
		WHERE o.project_id = v_project ORDER BY o.id LIMIT 20;
		CALL pg_temp.note('9 join, the orders of a project', v_start);
		PERFORM set_config('role', 'dualdb_app_user', true);
		v_start := clock_timestamp();
		PERFORM o.id, u.display_name FROM app.orders o JOIN app.users u ON u.id = o.user_id;
		CALL pg_temp.note('9 join, own orders by row-level security', v_start);
		RESET ROLE;
	END LOOP;
END
$$;
