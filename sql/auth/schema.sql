-- Schemas of the auth database.

CREATE SCHEMA auth AUTHORIZATION dualdb_auth_owner;
COMMENT ON SCHEMA auth IS 'dualdb: users, sessions, tokens and the functions for them';

CREATE SCHEMA bridge AUTHORIZATION dualdb_bridge_owner;
COMMENT ON SCHEMA bridge IS 'dualdb: all that the app database may see of the auth database';
