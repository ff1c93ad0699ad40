-- Verifying tokens, and the identity that a valid one gives.
--
-- The identity is memory of one backend, hence PARALLEL RESTRICTED throughout.

CREATE FUNCTION dualdb.jwt_verify(token text, audience text DEFAULT NULL)
RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'dualdb_jwt_verify';
COMMENT ON FUNCTION dualdb.jwt_verify(text, text) IS
	'claims of a valid access token for the audience (default: the setting); any other token is error 28000';
REVOKE ALL ON FUNCTION dualdb.jwt_verify(text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.jwks() RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'dualdb_jwks';
COMMENT ON FUNCTION dualdb.jwks() IS
	'the trusted public keys as a JWK Set (RFC 7517)';
REVOKE ALL ON FUNCTION dualdb.jwks() FROM PUBLIC;

CREATE FUNCTION dualdb.authenticate(token text) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dualdb_authenticate';
COMMENT ON FUNCTION dualdb.authenticate(text) IS
	'become the user of a valid access token until the transaction ends; returns the user id';
REVOKE ALL ON FUNCTION dualdb.authenticate(text) FROM PUBLIC;

CREATE FUNCTION dualdb.authenticate_session(token text) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dualdb_authenticate_session';
COMMENT ON FUNCTION dualdb.authenticate_session(text) IS
	'become the user of a valid access token until the session ends or the token expires; returns the user id';
REVOKE ALL ON FUNCTION dualdb.authenticate_session(text) FROM PUBLIC;

CREATE FUNCTION dualdb.user_id() RETURNS text
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'dualdb_user_id';
COMMENT ON FUNCTION dualdb.user_id() IS
	'id of the authenticated user; NULL when there is none';

CREATE FUNCTION dualdb.session_id() RETURNS text
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'dualdb_session_id';
COMMENT ON FUNCTION dualdb.session_id() IS
	'id of the login session behind the token; NULL when there is none';

CREATE FUNCTION dualdb.claims() RETURNS jsonb
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'dualdb_claims';
COMMENT ON FUNCTION dualdb.claims() IS
	'claims of the token that authenticated the caller; NULL when there is none';

CREATE FUNCTION dualdb.has_role(role text) RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'dualdb_has_role';
COMMENT ON FUNCTION dualdb.has_role(text) IS
	'is the role among the roles of the token? false when not authenticated';

CREATE FUNCTION dualdb.has_permission(permission text) RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'dualdb_has_permission';
COMMENT ON FUNCTION dualdb.has_permission(text) IS
	'does the scope of the token cover the permission? false when not authenticated';

CREATE FUNCTION dualdb.permission_covered(scope text, permission text)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_permission_covered';
COMMENT ON FUNCTION dualdb.permission_covered(text, text) IS
	'does a scope, names separated by spaces, cover the permission?';
REVOKE ALL ON FUNCTION dualdb.permission_covered(text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.own_project_ids() RETURNS text[]
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'dualdb_own_project_ids';
COMMENT ON FUNCTION dualdb.own_project_ids() IS
	'the projects of the authenticated user in app.projects, for conditions that the planner makes of owns_project()';
REVOKE ALL ON FUNCTION dualdb.own_project_ids() FROM PUBLIC;

CREATE FUNCTION dualdb.owns_project_support(internal) RETURNS internal
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_owns_project_support';
COMMENT ON FUNCTION dualdb.owns_project_support(internal) IS
	'internal: lets the planner use an index for owns_project()';
REVOKE ALL ON FUNCTION dualdb.owns_project_support(internal) FROM PUBLIC;

CREATE FUNCTION dualdb.owns_project(project_id text) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 10
SUPPORT dualdb.owns_project_support
AS 'MODULE_PATHNAME', 'dualdb_owns_project';
COMMENT ON FUNCTION dualdb.owns_project(text) IS
	'is this a project of the authenticated user in app.projects? false when there is none';
REVOKE ALL ON FUNCTION dualdb.owns_project(text) FROM PUBLIC;
