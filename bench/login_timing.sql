-- Login refusals, by user and by form of the password (target: medians of each form within 10 %)
\set QUIET on
\pset footer off
ALTER DATABASE aisales_auth SET dualdb.max_login_failures = 1000;
ALTER DATABASE aisales_auth SET dualdb.disable_after_failures = 0;
\connect
INSERT INTO auth.users (id, email, password_hash, is_active) VALUES
	('known', 'known@example.com', dualdb.hash_password('correct horse battery staple'), true),
	('inactive', 'inactive@example.com', dualdb.hash_password('correct horse battery staple'), false);
CREATE TEMP TABLE sample (kind text, ms double precision);
DO $$
DECLARE
	v_case record;
	v_start timestamptz;
BEGIN
	FOR v_round IN 1 .. 200 LOOP
		FOR v_case IN SELECT * FROM (VALUES
			('unknown user', 'nobody@example.com', 'correct horse battery staple'),
			('wrong password', 'known@example.com', 'wrong horse battery staple'),
			('inactive user', 'inactive@example.com', 'correct horse battery staple'),
			('unknown user, not NFC', 'nobody@example.com', U&'caf\0065\0301 horse battery'),
			('wrong password, not NFC', 'known@example.com', U&'caf\0065\0301 horse battery')) v (kind, email, password)
			ORDER BY random()
		LOOP
			v_start := clock_timestamp();
			PERFORM auth.login(v_case.email, v_case.password);
			INSERT INTO sample VALUES (v_case.kind,
				extract(epoch FROM clock_timestamp() - v_start) * 1000);
		END LOOP;
	END LOOP;
END
$$;
SELECT s.kind, count(*) AS samples,
	round(percentile_cont(0.5) WITHIN GROUP (ORDER BY s.ms)::numeric, 1) AS median_ms,
	round((percentile_cont(0.5) WITHIN GROUP (ORDER BY s.ms) / (SELECT percentile_cont(0.5)
		WITHIN GROUP (ORDER BY o.ms) FROM sample o WHERE o.kind = CASE WHEN s.kind LIKE '%NFC'
			THEN 'unknown user, not NFC' ELSE 'unknown user' END))::numeric, 3) AS ratio
FROM sample s GROUP BY s.kind ORDER BY s.kind;
