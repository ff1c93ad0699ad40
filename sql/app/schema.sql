-- The schema of the app side.

CREATE SCHEMA app AUTHORIZATION dualdb_app_owner;
COMMENT ON SCHEMA app IS 'dualdb: projects and what belongs to them';
