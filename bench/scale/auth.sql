-- Users of a throw-away auth database, :users of them, with what belongs to them: rows
-- as the functions write them, but that nobody knows the secrets behind most hashes.
--
-- user1@example.com and so on have the password "correct horse battery staple".
-- Each has a role, an API key, three events in the log, and a session that has been
-- refreshed twice; every third has a session that has ended, every tenth a second
-- factor, a token by mail, failed logins.  Some rows of each kind are for the purge.
\set QUIET on
\set ON_ERROR_STOP on
SELECT set_config('scale.users', :'users', false) \g /dev/null
SELECT auth.create_role('role' || r, ARRAY['orders:read', 'orders:write', 'area' || r || ':*'])
FROM generate_series(1, 20) r \g /dev/null
-- months of before the setup
SELECT dualdb.add_partition('auth.audit_log', m.month, m.month + interval '1 month')
FROM (SELECT (date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => n)) AT TIME ZONE 'UTC'
	FROM generate_series(1, 3) n) m (month)
WHERE NOT EXISTS (SELECT FROM dualdb.log_partitions('auth.audit_log') p WHERE p.lower = m.month) \g /dev/null

-- All that is referred to is there: foreign keys are not checked, as by pg_restore.
SET session_replication_role = replica;
SET synchronous_commit = off;

CREATE TEMP TABLE batch
(
	n integer,
	user_id text DEFAULT dualdb.new_id(),
	session_id text DEFAULT dualdb.new_id(),
	key_id text DEFAULT (dualdb.new_api_key()).id
) ON COMMIT DELETE ROWS;

CREATE FUNCTION pg_temp.some_hash() RETURNS bytea LANGUAGE sql VOLATILE
RETURN uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
CREATE FUNCTION pg_temp.ago(days double precision) RETURNS timestamptz LANGUAGE sql VOLATILE
RETURN now() - days * interval '1 day';

CREATE FUNCTION pg_temp.add_users(hash text) RETURNS void LANGUAGE sql VOLATILE AS $$
	INSERT INTO auth.users (id, email, password_hash, display_name, email_verified_at,
		created_at, updated_at, deleted_at)
	SELECT b.user_id, format('user%s@example.com', b.n), hash, format('First%s Last%s', b.n % 5000, b.n),
		pg_temp.ago(80), pg_temp.ago(80), pg_temp.ago(10), CASE WHEN b.n % 200 = 199 THEN pg_temp.ago(10) END
	FROM batch b;
	INSERT INTO auth.user_roles (user_id, role_id)
	SELECT b.user_id, r.id FROM batch b
		JOIN auth.roles r ON r.name IN ('role' || b.n % 20 + 1, CASE WHEN b.n % 5 = 0 THEN 'role1' END);
	INSERT INTO auth.deleted_users (id) SELECT dualdb.new_id() FROM batch b WHERE b.n % 10 = 0;
$$;

CREATE FUNCTION pg_temp.add_sessions() RETURNS void LANGUAGE sql VOLATILE AS $$
	INSERT INTO auth.sessions (id, user_id, created_at, refreshed_at, expires_at, ended_at, end_reason, ip, user_agent)
	SELECT CASE k.kind WHEN 'live' THEN b.session_id ELSE dualdb.new_id() END, b.user_id,
		pg_temp.ago(k.age), pg_temp.ago(k.age - 20 * random()), pg_temp.ago(k.age - 90),
		CASE k.kind WHEN 'ended' THEN pg_temp.ago(random() / 2) END, CASE k.kind WHEN 'ended' THEN 'logout' END,
		'192.0.2.0'::inet + b.n % 256, 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'
	FROM batch b, (VALUES ('live', 1, 25), ('ended', 3, 40), ('expired', 5, 100)) k (kind, every, age)
	WHERE b.n % k.every = 0;
	-- a chain: two that have been used, and the one that has not
	INSERT INTO auth.refresh_tokens (session_id, token_hash, created_at, expires_at, used_at)
	SELECT b.session_id, pg_temp.some_hash(), pg_temp.ago(t.age), pg_temp.ago(t.age - 30),
		CASE WHEN t.age > 10 THEN pg_temp.ago(t.age - 5) END
	FROM batch b, (VALUES (25), (20), (10)) t (age);
	INSERT INTO auth.refresh_tokens (session_id, token_hash, created_at, expires_at)
	SELECT s.id, pg_temp.some_hash(), s.created_at, s.created_at + interval '30 days'
	FROM batch b JOIN auth.sessions s ON s.user_id = b.user_id AND s.id <> b.session_id;
	INSERT INTO auth.one_time_tokens (user_id, purpose, token_hash, email_norm, created_at, expires_at)
	SELECT b.user_id, 'email', pg_temp.some_hash(), format('user%s@example.com', b.n), pg_temp.ago(b.n / 10 % 2 * 2),
		pg_temp.ago(b.n / 10 % 2 * 2 - 1)
	FROM batch b WHERE b.n % 10 = 0;
$$;

CREATE FUNCTION pg_temp.add_keys() RETURNS void LANGUAGE sql VOLATILE AS $$
	INSERT INTO auth.api_keys (id, user_id, name, secret_hash, scopes, created_at, expires_at, last_used_at)
	SELECT b.key_id, b.user_id, 'key of user ' || b.n, pg_temp.some_hash(), '{orders:read,orders:write}',
		pg_temp.ago(60), pg_temp.ago(-30), pg_temp.ago(random())
	FROM batch b;
	-- every twentieth has been rotated, and the old one was revoked long ago
	INSERT INTO auth.api_keys (id, user_id, name, secret_hash, scopes, created_at, expires_at, revoked_at)
	SELECT 'old' || b.key_id, b.user_id, 'old key of user ' || b.n, pg_temp.some_hash(), '{orders:read}',
		pg_temp.ago(300), pg_temp.ago(200), pg_temp.ago(210)
	FROM batch b WHERE b.n % 20 = 0;
	UPDATE auth.api_keys k SET rotated_from = 'old' || k.id
	FROM batch b WHERE k.id = b.key_id AND b.n % 20 = 0;
	INSERT INTO auth.totp_factors (user_id, sealed_secret, confirmed_at)
	SELECT b.user_id, pg_temp.some_hash() || pg_temp.some_hash(), pg_temp.ago(50)
	FROM batch b WHERE b.n % 10 = 1;
	INSERT INTO auth.recovery_codes (user_id, code_hash)
	SELECT b.user_id, pg_temp.some_hash() FROM batch b, generate_series(1, 10) WHERE b.n % 10 = 1;
$$;

CREATE FUNCTION pg_temp.add_events() RETURNS void LANGUAGE sql VOLATILE AS $$
	INSERT INTO auth.login_failures (identifier, in_a_row, in_all, last_at)
	SELECT pg_temp.some_hash(), 1, 1 + b.n / 10 % 3, pg_temp.ago(b.n / 10 % 2 * 100 + random())
	FROM batch b WHERE b.n % 10 = 0;
	INSERT INTO auth.audit_log (at, event, user_id, object_id, ip, user_agent)
	SELECT pg_temp.ago(60 * random()), 'authn_login_success', b.user_id, b.session_id, '192.0.2.0'::inet + b.n % 256,
		'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'
	FROM batch b, generate_series(1, 3);
	-- longer than they live otherwise, to be there when all is made
	INSERT INTO dualdb.revocations (kind, id, expires_at)
	SELECT 'session', dualdb.new_id(), now() + interval '1 day' FROM batch b WHERE b.n % 10 = 0;
$$;

DO $$
DECLARE
	v_users constant integer := current_setting('scale.users')::integer;
	v_hash constant text := dualdb.hash_password('correct horse battery staple');
BEGIN
	FOR v_first IN 1 .. v_users BY 10000 LOOP
		INSERT INTO batch (n) SELECT n FROM generate_series(v_first, least(v_first + 9999, v_users)) n;
		PERFORM pg_temp.add_users(v_hash);
		PERFORM pg_temp.add_sessions();
		PERFORM pg_temp.add_keys();
		PERFORM pg_temp.add_events();
		COMMIT;
		IF v_first / 10000 % 10 = 9 THEN
			RAISE INFO '% of % users', v_first + 9999, v_users;
		END IF;
	END LOOP;
END
$$;
RESET session_replication_role;
VACUUM (ANALYZE);
