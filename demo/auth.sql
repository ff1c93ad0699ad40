-- The auth database, and a login for the application's auth side.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dualdb;
\pset tuples_only on
SELECT dualdb.setup_auth();

SELECT 'CREATE ROLE demo_auth LOGIN' WHERE to_regrole('demo_auth') IS NULL \gexec
ALTER ROLE demo_auth PASSWORD :'password';
GRANT dualdb_auth_service TO demo_auth;
