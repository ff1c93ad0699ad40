-- The directory of an app database.  In one database with auth it is a view:
-- single/directory.sql.

CREATE TABLE IF NOT EXISTS app.users
(
	id text PRIMARY KEY,
	email text,
	display_name text,
	is_active boolean NOT NULL
);
CREATE INDEX IF NOT EXISTS users_email_idx ON app.users (lower(email COLLATE "C"));
COMMENT ON TABLE app.users IS
	'local directory of users, kept by dualdb.sync(); who is gone stays as an inactive row without name and address';
GRANT SELECT ON app.users TO dualdb_app_service, dualdb_app_readonly;
-- names for everybody; addresses are not needed to show who did something
GRANT SELECT (id, display_name, is_active) ON app.users TO dualdb_app_user;
-- written by bridge.sync() alone
GRANT SELECT, INSERT, UPDATE ON app.users TO dualdb_bridge_owner;
