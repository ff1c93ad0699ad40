-- The roles that the setup functions make.

-- Roles belong to the whole server, so each is made only where it is missing; what
-- it may be is enforced every time.  An owner role is nobody's: no password, no
-- members, no session, and none of the roles is a member of another.
CREATE FUNCTION dualdb.setup_role(role text, kind text, description text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_is_owner boolean := role LIKE '%owner';
	v_problem text;
BEGIN
	IF to_regrole(quote_ident(role)) IS NULL THEN
		EXECUTE format('CREATE ROLE %I', role);
	END IF;
	EXECUTE format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS %s %s',
		role, CASE WHEN kind NOT LIKE '%REPLICATION' THEN 'NOREPLICATION' END, kind);
	EXECUTE format('COMMENT ON ROLE %I IS %L', role, 'dualdb: ' || description);

	SELECT coalesce(
		(SELECT format('must not be a member of role "%s"', m.roleid::regrole)
			FROM pg_auth_members m WHERE m.member = to_regrole(quote_ident(role)) LIMIT 1),
		(SELECT format('must not have role "%s" as a member', m.member::regrole)
			FROM pg_auth_members m WHERE m.roleid = to_regrole(quote_ident(role))
				AND (v_is_owner OR role IN ('dualdb_bridge', 'dualdb_replicator')) LIMIT 1),
		(SELECT format('must not be in use, but process %s is connected as it', a.pid)
			FROM pg_stat_activity a WHERE a.usename = role AND v_is_owner LIMIT 1))
	INTO v_problem;
	IF v_problem IS NOT NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_role_specification',
			MESSAGE = format('role "%s" %s', role, v_problem),
			HINT = 'Revoke the membership or end the session, and run the setup again.';
	END IF;
	IF v_is_owner THEN
		EXECUTE format('ALTER ROLE %I PASSWORD NULL', role);
		PERFORM dualdb.clear_default_privileges(role);
	END IF;
END
$$;
COMMENT ON FUNCTION dualdb.setup_role(text, text, text) IS
	'internal: make a role of dualdb''s, or bring it back to what it must be';
REVOKE ALL ON FUNCTION dualdb.setup_role(text, text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.clear_default_privileges(role text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_statement text;
BEGIN
	FOR v_statement IN
		SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I %s REVOKE ALL ON %s FROM %s',
			role, 'IN SCHEMA ' || d.defaclnamespace::regnamespace,
			CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES'
				WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END,
			CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END)
		FROM (SELECT e.defaclobjtype, e.defaclrole, e.defaclacl,
				nullif(e.defaclnamespace, 0) AS defaclnamespace
			FROM pg_default_acl e) d
			CROSS JOIN LATERAL (SELECT DISTINCT a.grantee FROM aclexplode(d.defaclacl) a) x
		WHERE d.defaclrole = to_regrole(quote_ident(role)) AND x.grantee <> d.defaclrole
	LOOP
		EXECUTE v_statement;
	END LOOP;
END
$$;
COMMENT ON FUNCTION dualdb.clear_default_privileges(text) IS
	'internal: what the role makes belongs to the role alone';
REVOKE ALL ON FUNCTION dualdb.clear_default_privileges(text) FROM PUBLIC;
