-- The main story, told by the servers themselves.  Every step that must be
-- refused is checked to have been.
\set QUIET on
\pset footer off
\pset null '(none)'
\set email 'ann' :run '@example.com'
\connect :auth

\echo
\echo '== 1. aisales_auth: a user registers and logs in'
\echo
SELECT status, user_id FROM auth.register_user(:'email', 'correct horse battery staple', 'Ann');
SELECT * FROM auth.login(:'email', 'correct horse battery staple', '192.0.2.7', 'demo') \gset
SELECT :'status' AS status, left(:'access_token', 30) || '...' AS access_token,
	left(:'refresh_token', 12) || '...' AS refresh_token, :'expires_at'::timestamptz AS expires_at;
SELECT :'status' <> 'ok' AS failed \gset
\if :failed
	\quit 1
\endif

\echo '   A wrong password and an unknown user get the same answer:'
SELECT (auth.login(:'email', 'wrong horse battery staple')).status AS wrong_password,
	(auth.login('nobody@example.com', 'wrong horse battery staple')).status AS unknown_user;

\echo '== 2. aisales_app: users and public keys come over the bridge'
\echo
\connect :app
\echo '   The application asks for a user of this moment:'
SELECT * FROM app.lookup_user_by_email(:'email');
\connect :app_admin
\echo '   The sync worker keeps a directory of them; it need not be waited for:'
SELECT keys + users + deleted AS rows_that_the_worker_left, complete FROM dualdb.sync();
SELECT lag < interval '1 minute' AS in_time, failures FROM app.sync_status;
\echo '   All that this side has to verify tokens with:'
SELECT kid, issuer, encode(public_key, 'hex') AS public_key FROM dualdb.trusted_keys ORDER BY kid;

\echo '== 3. aisales_app: the token says who is asking; nothing secret is here'
\echo
\connect :app_user
BEGIN;
SELECT dualdb.authenticate(:'access_token') AS authenticated, dualdb.session_id();
INSERT INTO app.projects (user_id, name) VALUES (dualdb.user_id(), 'Demo shop')
RETURNING id AS project_id \gset
INSERT INTO app.orders (project_id, user_id, total)
SELECT :'project_id', dualdb.user_id(), 10 * n FROM generate_series(1, 5) n;
\echo '   A page of her orders, joined with the local directory:'
SELECT p.name AS project, o.total, o.currency, u.display_name AS ordered_by
FROM app.orders o
	JOIN app.projects p ON p.id = o.project_id
	JOIN app.users u ON u.id = o.user_id
ORDER BY o.id LIMIT 3;
COMMIT;
\echo '   The identity ended with the transaction, and with it her rows:'
SELECT dualdb.user_id(), count(*) AS orders_visible FROM app.orders;

\echo '   The application, which may see all rows, sees hers alone when it takes this role:'
\connect :app
BEGIN;
SET LOCAL ROLE dualdb_app_user;
SELECT dualdb.authenticate(:'access_token') AS authenticated \gset
SELECT count(*) AS orders_visible FROM app.orders;
COMMIT;
\connect :app_user

\echo '   A token with one character changed is refused:'
\set ON_ERROR_STOP off
SELECT dualdb.authenticate(overlay(:'access_token'
	PLACING CASE substr(:'access_token', 200, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM 200));
\set refused :ERROR
\set ON_ERROR_STOP on
\if :refused
\else
	\echo 'a changed token was accepted'
	\quit 1
\endif

\echo
\echo '== 4. The bridge role reads its narrow view and nothing else'
\echo
\connect :bridge
SELECT id, email, display_name, is_active FROM bridge.user_lookup WHERE email_norm = :'email';
\echo '   It reaches for the password hash and is refused:'
\set ON_ERROR_STOP off
SELECT u.password_hash FROM auth.users u;
\set refused :ERROR
\set ON_ERROR_STOP on
\if :refused
\else
	\echo 'the bridge role has read password hashes'
	\quit 1
\endif

\echo
\echo '== 5. aisales_auth: one refresh token after the other'
\echo
\connect :auth
SELECT status AS first_refresh, refresh_token AS second_token FROM auth.refresh(:'refresh_token') \gset
SELECT status AS again_status, refresh_token AS again_token FROM auth.refresh(:'refresh_token') \gset
\echo '   The same token twice within seconds, as racing tabs do: the same successor.'
SELECT :'first_refresh' AS refresh, :'again_status' AS again, :'second_token' = :'again_token' AS same_successor;
SELECT refresh_token AS third_token FROM auth.refresh(:'second_token') \gset
\echo '   The first one once more, as a thief would: the session is over.'
SELECT (auth.refresh(:'refresh_token')).status AS old_token_again \gset
SELECT :'old_token_again' AS old_token_again, (auth.refresh(:'third_token')).status AS newest_token;

\echo '== 6. A permission takes effect, and stops having it'
\echo
SELECT (auth.create_role('clerk', '{orders:*}')).status AS create_role \gset
SELECT :'create_role' AS create_role, auth.grant_role(:'user_id', 'clerk');
SELECT access_token AS clerk_token FROM auth.login(:'email', 'correct horse battery staple') \gset
\connect :app_admin
SELECT complete AS synced FROM dualdb.sync();
\connect :app_user
BEGIN;
SELECT dualdb.authenticate(:'clerk_token') AS clerk_id \gset
SELECT dualdb.has_role('clerk'), dualdb.has_permission('orders:write') AS orders_write,
	dualdb.has_permission('users:write') AS users_write;
COMMIT;
\connect :auth
SELECT auth.revoke_role(:'user_id', 'clerk');
\connect :app_admin
SELECT complete AS synced FROM dualdb.sync();
\connect :app_user
\echo '   One sync later the token of before is refused:'
\set ON_ERROR_STOP off
SELECT dualdb.authenticate(:'clerk_token');
\set refused :ERROR
\set ON_ERROR_STOP on
\if :refused
\else
	\echo 'a revoked token was accepted'
	\quit 1
\endif

\echo
\echo '== 7. An API key never leaves aisales_auth: it is exchanged for a token'
\echo
\connect :auth
SELECT api_key FROM auth.create_api_key(:'user_id', 'reporting', '{reports:read}') \gset
SELECT status, left(:'api_key', 22) || '...' AS api_key, left(access_token, 12) || '...' AS access_token, expires_at
FROM auth.exchange_api_key(:'api_key');

\echo '== 8. Guessing is throttled, though the guesser rolls every guess back'
\echo
BEGIN; SELECT status AS s1 FROM auth.login(:'email', 'guess 1') \gset
ROLLBACK; BEGIN; SELECT status AS s2 FROM auth.login(:'email', 'guess 2') \gset
ROLLBACK; BEGIN; SELECT status AS s3 FROM auth.login(:'email', 'guess 3') \gset
ROLLBACK; BEGIN; SELECT status AS s4 FROM auth.login(:'email', 'guess 4') \gset
ROLLBACK; BEGIN; SELECT status AS s5 FROM auth.login(:'email', 'guess 5') \gset
ROLLBACK; BEGIN; SELECT status AS s6 FROM auth.login(:'email', 'guess 6') \gset
ROLLBACK; BEGIN; SELECT status AS s7, retry_after FROM auth.login(:'email', 'guess 7') \gset
ROLLBACK;
SELECT :'s1' AS guess_1, :'s6' AS guess_6, :'s7' AS guess_7, :retry_after AS retry_after_seconds;
