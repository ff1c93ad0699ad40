-- psql -X -d "$AUTH_DATABASE_URL" -v email=ann@example.com -f psql.sql
\set QUIET on
\pset tuples_only on
\pset format unaligned

\prompt 'Password: ' password
SELECT status, user_id FROM auth.register_user(:'email', :'password') \gset
\echo registered: :status :user_id
SELECT status FROM auth.login(:'email', 'not the password') \gset
\echo wrong password: :status

SELECT status, access_token, refresh_token FROM auth.login(:'email', :'password') \gset
\echo logged in: :status
SELECT status, access_token, refresh_token FROM auth.refresh(:'refresh_token') \gset
\echo refreshed: :status

\getenv app APP_DATABASE_URL
\connect :app
BEGIN;
SELECT dualdb.authenticate(:'access_token') AS user_id \gset
INSERT INTO app.projects (user_id, name) VALUES (dualdb.user_id(), 'First project');
SELECT 'project: ' || p.name FROM app.projects p ORDER BY p.name;
COMMIT;
\echo authenticated: :user_id

SELECT 'afterwards: ' || coalesce(dualdb.user_id(), 'nobody') || ', ' || count(*)
FROM app.projects;
SELECT dualdb.authenticate('not a token');
\echo wrong token: :LAST_ERROR_SQLSTATE
