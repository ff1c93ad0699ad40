-- What a call of the auth API takes within the server, with its commit; after chosen.sql.
DO $$
DECLARE
	v_start timestamptz;
	v_user record;
BEGIN
	FOR v_user IN SELECT c.email FROM chosen c LIMIT 20 LOOP
		v_start := clock_timestamp();
		PERFORM auth.login(v_user.email, 'correct horse battery staple');
		COMMIT;
		CALL pg_temp.note('1 login', v_start);
	END LOOP;
	FOR v_user IN SELECT c.user_id FROM chosen c LOOP
		v_start := clock_timestamp();
		PERFORM auth.start_session(v_user.user_id, '192.0.2.1', 'bench', '{pwd}');
		COMMIT;
		CALL pg_temp.note('2 login, all but the hash', v_start);
	END LOOP;
	FOR v_user IN SELECT c.refresh_token FROM chosen c LOOP
		v_start := clock_timestamp();
		PERFORM auth.refresh(v_user.refresh_token);
		COMMIT;
		CALL pg_temp.note('3 refresh', v_start);
	END LOOP;
	FOR v_user IN SELECT c.access_token FROM chosen c LOOP
		v_start := clock_timestamp();
		PERFORM dualdb.jwt_verify(v_user.access_token);
		CALL pg_temp.note('4 jwt_verify, a new token', v_start);
	END LOOP;
	FOR v_user IN SELECT c.api_key FROM chosen c LOOP
		v_start := clock_timestamp();
		PERFORM auth.verify_api_key(v_user.api_key);
		COMMIT;
		CALL pg_temp.note('5 verify_api_key', v_start);
	END LOOP;
END
$$;
