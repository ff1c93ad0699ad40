-- Roles and permissions of the application.
--
-- A permission is resource:action; "*" stands for one whole segment and, at the
-- end, for all that follow.  The same matching is in src/permission.c, for tokens.

CREATE OR REPLACE FUNCTION auth.permission_name_valid(name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(octet_length(name) <= 200
	AND name ~ '^([A-Za-z0-9_.-]+|\*)(:([A-Za-z0-9_.-]+|\*))*$', false);
COMMENT ON FUNCTION auth.permission_name_valid(text) IS
	'internal: is the text a permission? its characters are those of a scope (RFC 6749 section 3.3)';
REVOKE ALL ON FUNCTION auth.permission_name_valid(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.permissions_of(user_id text) RETURNS text[]
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN ARRAY(SELECT DISTINCT p.name
		FROM auth.users u
			JOIN auth.user_roles ur ON ur.user_id = u.id
			JOIN auth.role_permissions rp ON rp.role_id = ur.role_id
			JOIN auth.permissions p ON p.id = rp.permission_id
		WHERE u.id = permissions_of.user_id AND u.is_active AND u.deleted_at IS NULL
		ORDER BY p.name);
END
$$;
COMMENT ON FUNCTION auth.permissions_of(text) IS
	'internal: what a user may do; an inactive one may do nothing';
REVOKE ALL ON FUNCTION auth.permissions_of(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.permission_claims(user_id text) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- before the rights: those that are taken away meanwhile must not get under
	-- the new version
	v_version integer := (SELECT u.token_version FROM auth.users u
		WHERE u.id = permission_claims.user_id);
	v_scope text := array_to_string(auth.permissions_of(user_id), ' ');
	v_roles jsonb := coalesce((SELECT jsonb_agg(r.name ORDER BY r.name)
		FROM auth.user_roles ur JOIN auth.roles r ON r.id = ur.role_id
		WHERE ur.user_id = permission_claims.user_id), '[]');
BEGIN
	-- what is too much for a token is not in it: less is allowed, not more
	RETURN jsonb_build_object(
		'roles', CASE WHEN octet_length(v_roles::text) <= 3000 THEN v_roles ELSE '[]' END,
		'scope', CASE WHEN octet_length(v_scope) <= 4000 THEN v_scope ELSE '' END,
		'token_version', v_version);
END
$$;
COMMENT ON FUNCTION auth.permission_claims(text) IS
	'internal: claims roles, scope and token_version of a user''s tokens';
REVOKE ALL ON FUNCTION auth.permission_claims(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.has_permission(user_id text, permission text)
RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN coalesce(dualdb.permission_covered(
		array_to_string(auth.permissions_of($1), ' '), $2), false);
END
$$;
COMMENT ON FUNCTION auth.has_permission(text, text) IS
	'may the user do this now? false for an unknown or inactive user';
REVOKE ALL ON FUNCTION auth.has_permission(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.has_permission(text, text) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.create_role(
	role text, permissions text[], OUT status text, OUT role_id text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_role_id text;
BEGIN
	PERFORM dualdb.require_primary();
	IF role IS NULL OR role !~ '^[A-Za-z0-9_.-]{1,100}$' OR permissions IS NULL
		OR EXISTS (SELECT FROM unnest(permissions) n WHERE NOT auth.permission_name_valid(n))
	THEN
		status := 'invalid_argument';
		RETURN;
	END IF;
	INSERT INTO auth.roles AS r (name) VALUES (create_role.role)
	ON CONFLICT (name) DO UPDATE SET name = r.name
	RETURNING r.id INTO v_role_id;
	INSERT INTO auth.permissions (name)
	SELECT DISTINCT n FROM unnest(permissions) n ORDER BY n
	ON CONFLICT (name) DO NOTHING;

	DELETE FROM auth.role_permissions rp WHERE rp.role_id = v_role_id;
	INSERT INTO auth.role_permissions (role_id, permission_id)
	SELECT v_role_id, p.id FROM auth.permissions p WHERE p.name = ANY (create_role.permissions);
	PERFORM auth.record_event('authz_admin', NULL, v_role_id);
	PERFORM auth.revoke_access_tokens(ur.user_id)
	FROM auth.user_roles ur WHERE ur.role_id = v_role_id;
	status := 'ok';
	role_id := v_role_id;
END
$$;
COMMENT ON FUNCTION auth.create_role(text, text[]) IS
	'make a role with these permissions, or give an existing one these and no others; status ok or invalid_argument';
REVOKE ALL ON FUNCTION auth.create_role(text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.create_role(text, text[]) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.grant_role(user_id text, role text, OUT status text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dualdb.require_primary();
	INSERT INTO auth.user_roles (user_id, role_id)
	SELECT u.id, r.id FROM auth.users u, auth.roles r
	WHERE u.id = grant_role.user_id AND u.deleted_at IS NULL AND r.name = grant_role.role
	ON CONFLICT ON CONSTRAINT user_roles_pkey DO UPDATE SET granted_at = now();
	IF NOT FOUND THEN
		status := 'not_found';
		RETURN;
	END IF;
	PERFORM auth.record_event('authz_change', grant_role.user_id, grant_role.role);
	PERFORM auth.revoke_access_tokens(grant_role.user_id);
	status := 'ok';
END
$$;
COMMENT ON FUNCTION auth.grant_role(text, text) IS
	'give a user a role; status ok or not_found';
REVOKE ALL ON FUNCTION auth.grant_role(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.grant_role(text, text) TO dualdb_auth_service;

CREATE OR REPLACE FUNCTION auth.revoke_role(user_id text, role text, OUT status text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dualdb.require_primary();
	DELETE FROM auth.user_roles ur USING auth.roles r
	WHERE r.id = ur.role_id AND r.name = revoke_role.role
		AND ur.user_id = revoke_role.user_id;
	IF NOT FOUND THEN
		status := 'not_found';
		RETURN;
	END IF;
	PERFORM auth.record_event('authz_change', revoke_role.user_id, revoke_role.role);
	PERFORM auth.revoke_access_tokens(revoke_role.user_id);
	status := 'ok';
END
$$;
COMMENT ON FUNCTION auth.revoke_role(text, text) IS
	'take a role from a user; status ok or not_found';
REVOKE ALL ON FUNCTION auth.revoke_role(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.revoke_role(text, text) TO dualdb_auth_service;
