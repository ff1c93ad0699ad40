-- One database: the directory is a view of auth.users, the look-ups are local.
--
-- They belong to the owner of the bridge views, who can read these columns and no
-- others.  The columns are those of the table that app/directory makes.

DO $$
DECLARE
	v_more text;
	v_nulls text;
BEGIN
	SELECT string_agg(format(', CASE WHEN u.deleted_at IS NULL THEN u.%I END AS %1$I', c.name), ''
			ORDER BY c.position),
		string_agg(', NULL', '')
	INTO v_more, v_nulls
	FROM auth.directory_columns c;
	EXECUTE format('CREATE OR REPLACE VIEW app.users AS
		SELECT u.id, CASE WHEN u.deleted_at IS NULL THEN u.email END AS email,
			CASE WHEN u.deleted_at IS NULL THEN u.display_name END AS display_name,
			u.is_active AND u.deleted_at IS NULL AS is_active%s
		FROM auth.users u
		UNION ALL
		-- without a condition, so that a join still goes by both primary keys
		SELECT d.id, NULL::text, NULL::text, false%s
		FROM auth.deleted_users d', v_more, v_nulls);
END
$$;
COMMENT ON VIEW app.users IS
	'directory of users; who is gone stays as an inactive row without name and address';
REVOKE ALL ON app.users FROM PUBLIC;
GRANT SELECT ON app.users TO dualdb_app_service, dualdb_app_readonly;
GRANT SELECT (id, display_name, is_active) ON app.users TO dualdb_app_user;

CREATE OR REPLACE FUNCTION app.lookup_users(ids text[]) RETURNS SETOF app.users
LANGUAGE sql STABLE SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT d.*
	FROM auth.users u JOIN app.users d ON d.id = u.id
	WHERE u.id = ANY (ids) AND u.deleted_at IS NULL
$$;
COMMENT ON FUNCTION app.lookup_users(text[]) IS
	'the users of these ids as the auth tables have them now; who is gone is not among them';
REVOKE ALL ON FUNCTION app.lookup_users(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.lookup_users(text[]) TO dualdb_app_service, dualdb_app_readonly;

CREATE OR REPLACE FUNCTION app.lookup_user_by_email(email text) RETURNS SETOF app.users
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT d.*
	FROM auth.users u JOIN app.users d ON d.id = u.id
	WHERE u.email_norm = auth.normalize_email(lookup_user_by_email.email)
		AND u.deleted_at IS NULL
$$;
COMMENT ON FUNCTION app.lookup_user_by_email(text) IS
	'the user of an e-mail address as the auth tables have them now';
REVOKE ALL ON FUNCTION app.lookup_user_by_email(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.lookup_user_by_email(text)
	TO dualdb_app_service, dualdb_app_readonly;
