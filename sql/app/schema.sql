-- Schemas of the app database.

CREATE SCHEMA app AUTHORIZATION dualdb_app_owner;
COMMENT ON SCHEMA app IS 'dualdb: projects and what belongs to them';

CREATE SCHEMA bridge AUTHORIZATION dualdb_bridge_owner;
COMMENT ON SCHEMA bridge IS 'dualdb: foreign tables of the auth database and the pull through them';
