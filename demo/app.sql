-- The app database, a login for the application's app side, which is one of its users'
-- as well when it chooses, and one that row-level security always applies to.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dualdb;
\pset tuples_only on
SELECT dualdb.setup_app();

SELECT format('CREATE ROLE %I LOGIN', r) FROM unnest(ARRAY['demo_app', 'demo_user']) r
WHERE to_regrole(r) IS NULL \gexec
ALTER ROLE demo_app PASSWORD :'password';
ALTER ROLE demo_user PASSWORD :'password';
GRANT dualdb_app_service, dualdb_app_user TO demo_app;
GRANT dualdb_app_user TO demo_user;
