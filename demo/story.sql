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
\connect :app_admin
SELECT keys, users, deleted FROM dualdb.sync();
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
\echo '== 5. aisales_auth: the refresh token is used once'
\echo
\connect :auth
SELECT status AS refresh, refresh_token <> :'refresh_token' AS new_token
FROM auth.refresh(:'refresh_token');
\echo '   The old one again, as a thief would: the session is over.'
SELECT (auth.refresh(:'refresh_token')).status AS old_token_again;
