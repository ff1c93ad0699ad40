-- Tokens and keys inside the server: what one call takes (targets: authenticate, same token, 2 us; verify_api_key 30 us)
\set QUIET on
\pset footer off
INSERT INTO auth.users (id, email, password_hash) VALUES ('bench', 'bench@example.com', NULL);
SELECT api_key FROM auth.create_api_key('bench', 'bench', '{a:b}') \gset
CREATE TEMP TABLE sample (what text, us double precision);
CREATE TEMP TABLE token AS
	SELECT dualdb.jwt_sign(jsonb_build_object('sub', 'bench', 'n', n)) AS token FROM generate_series(1, 2000) n;
SELECT set_config('bench.key', :'api_key', false) \g /dev/null
DO $$
DECLARE
	v_start timestamptz;
	v_token text := (SELECT t.token FROM token t LIMIT 1);
	v_key text := current_setting('bench.key');
	v_row record;
	v_calls constant integer := 20000;
BEGIN
	v_start := clock_timestamp();
	FOR v_row IN SELECT t.token FROM token t LOOP
		PERFORM dualdb.jwt_verify(v_row.token);
	END LOOP;
	INSERT INTO sample VALUES ('jwt_verify, a new token each time',
		extract(epoch FROM clock_timestamp() - v_start) * 1e6 / 2000);
	v_start := clock_timestamp();
	FOR v_n IN 1 .. v_calls LOOP PERFORM dualdb.authenticate(v_token); END LOOP;
	INSERT INTO sample VALUES ('authenticate, the same token',
		extract(epoch FROM clock_timestamp() - v_start) * 1e6 / v_calls);
	v_start := clock_timestamp();
	FOR v_n IN 1 .. v_calls LOOP PERFORM dualdb.user_id(); END LOOP;
	INSERT INTO sample VALUES ('user_id',
		extract(epoch FROM clock_timestamp() - v_start) * 1e6 / v_calls);
	v_start := clock_timestamp();
	FOR v_n IN 1 .. v_calls LOOP PERFORM 1 FROM abs(v_n); END LOOP;
	INSERT INTO sample VALUES ('an empty call, for comparison',
		extract(epoch FROM clock_timestamp() - v_start) * 1e6 / v_calls);
	v_start := clock_timestamp();
	FOR v_n IN 1 .. 2000 LOOP PERFORM auth.verify_api_key(v_key); END LOOP;
	INSERT INTO sample VALUES ('verify_api_key',
		extract(epoch FROM clock_timestamp() - v_start) * 1e6 / 2000);
END
$$;
SELECT s.what, round(s.us::numeric, 2) AS microseconds FROM sample s;
