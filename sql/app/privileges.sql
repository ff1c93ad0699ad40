-- What the app roles may do in this database, apart from row-level security.

ALTER DEFAULT PRIVILEGES FOR ROLE dualdb_app_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE dualdb_bridge_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

GRANT USAGE ON SCHEMA app TO dualdb_app_service, dualdb_app_user,
	dualdb_app_readonly, dualdb_sync, pg_monitor;
-- it makes what it shows there itself, so that nobody's default privileges apply
GRANT USAGE, CREATE ON SCHEMA app TO dualdb_bridge_owner;

GRANT EXECUTE ON FUNCTION
	dualdb.authenticate(text), dualdb.authenticate_session(text),
	dualdb.jwt_verify(text, text), dualdb.jwks()
	TO dualdb_app_service, dualdb_app_user, dualdb_app_readonly;
GRANT EXECUTE ON FUNCTION dualdb.owns_project(text), dualdb.own_project_ids() TO dualdb_app_user;
GRANT EXECUTE ON FUNCTION dualdb.sync(integer) TO dualdb_sync;
-- who reads a view calls its functions
GRANT EXECUTE ON FUNCTION dualdb.statistic(text), dualdb.statistics_since() TO pg_monitor;
