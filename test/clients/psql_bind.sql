-- psql 16 or newer: secrets as bind parameters, so that no statement's text has them.
-- psql -X -d "$AUTH_DATABASE_URL" -v email=ann@example.com -f psql_bind.sql
\set QUIET on
\pset tuples_only on
\pset format unaligned

\prompt 'Password: ' password
SELECT status, access_token FROM auth.login($1, $2) \bind :email :password \gset
\echo logged in: :status

\getenv app APP_DATABASE_URL
\connect :app
BEGIN;
SELECT dualdb.authenticate($1) AS user_id \bind :access_token \gset
SELECT 'project: ' || p.name FROM app.projects p ORDER BY p.name;
COMMIT;
\echo authenticated: :user_id
