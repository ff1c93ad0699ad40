-- What the users in the directory of a throw-away app database have there: a project
-- each, and ten orders in it.
\set QUIET on
\set ON_ERROR_STOP on
-- All that is referred to is there: foreign keys are not checked, as by pg_restore.
SET session_replication_role = replica;
SET synchronous_commit = off;

DO $$
DECLARE
	v_last text := '';
	v_users bigint := 0;
	v_ids text[];
BEGIN
	LOOP
		v_ids := ARRAY(SELECT u.id FROM app.users u WHERE u.id > v_last ORDER BY u.id LIMIT 10000);
		EXIT WHEN v_ids = '{}';
		WITH made AS (
			INSERT INTO app.projects (user_id, name)
			SELECT i.id, 'Project of ' || i.id FROM unnest(v_ids) i (id)
			RETURNING id, user_id
		)
		INSERT INTO app.orders (project_id, user_id, status, total, created_at, updated_at)
		SELECT m.id, m.user_id, (ARRAY['new', 'paid', 'sent'])[n % 3 + 1], round((1000 * random())::numeric, 2),
			now() - n * interval '30 days', now() - n * interval '30 days'
		FROM made m, generate_series(1, 10) n;
		v_last := v_ids[cardinality(v_ids)];
		v_users := v_users + cardinality(v_ids);
		COMMIT;
		IF v_users / 10000 % 10 = 0 THEN
			RAISE INFO 'orders of % users', v_users;
		END IF;
	END LOOP;
END
$$;
RESET session_replication_role;
VACUUM (ANALYZE);
