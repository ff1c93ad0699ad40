-- PostgREST on the app database; run there by a superuser.

-- PostgREST connects as authenticator, which may do nothing but become web
CREATE ROLE web NOLOGIN IN ROLE dualdb_app_user;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT web TO authenticator;
GRANT CONNECT ON DATABASE aisales_app TO authenticator;

-- what is served; with the rights of the caller, so that row-level security applies
CREATE SCHEMA api;
GRANT USAGE ON SCHEMA api TO web;
CREATE VIEW api.projects WITH (security_invoker) AS
	SELECT p.id, p.name, p.description FROM app.projects p;
GRANT SELECT ON api.projects TO web;

-- db-pre-request: who has no token is nobody, and a wrong one is an error
CREATE FUNCTION api.authenticate_request() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_token text := current_setting('request.headers')::json ->> 'x-access-token';
BEGIN
	IF v_token IS NOT NULL THEN
		PERFORM dualdb.authenticate(v_token);
	END IF;
END
$$;
REVOKE ALL ON FUNCTION api.authenticate_request() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.authenticate_request() TO web;
