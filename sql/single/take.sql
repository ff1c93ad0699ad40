-- From one database to two: what the view app.users shows, and who may read it, is
-- kept for the table; then the view goes.  Whoever reads the directory from there
-- to the end of the transaction waits.

CREATE TEMPORARY TABLE pg_temp.moved_users ON COMMIT DROP AS
	SELECT u.* FROM app.users u;
-- dualdb's own roles have what app/directory grants
CREATE TEMPORARY TABLE pg_temp.moved_grants ON COMMIT DROP AS
	SELECT format('GRANT SELECT%s ON app.users TO %s', g.columns,
		CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END) AS statement
	FROM (
		SELECT '' AS columns, c.relacl AS acl FROM pg_class c
		WHERE c.oid = 'app.users'::regclass
		UNION ALL
		SELECT format(' (%I)', a.attname), a.attacl FROM pg_attribute a
		WHERE a.attrelid = 'app.users'::regclass
	) g CROSS JOIN LATERAL aclexplode(g.acl) x
	WHERE x.privilege_type = 'SELECT' AND x.grantee::regrole::text !~ '^dualdb_';

DO $$
DECLARE
	v_detail text;
BEGIN
	DROP FUNCTION IF EXISTS app.lookup_users(text[]), app.lookup_user_by_email(text);
	DROP VIEW app.users;
EXCEPTION WHEN dependent_objects_still_exist THEN
	GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL;
	RAISE EXCEPTION USING
		ERRCODE = 'dependent_objects_still_exist',
		MESSAGE = 'view app.users cannot become a table because other objects depend on it or on the look-ups',
		DETAIL = v_detail,
		HINT = 'Drop these objects, run the setup again, and make them again.';
END
$$;
