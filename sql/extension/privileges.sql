-- Default privileges of whoever installs this are not meant for it.
DO $$
DECLARE
	v_statement text;
BEGIN
	FOR v_statement IN
		SELECT format('REVOKE ALL ON %s %s FROM %s', o.kind, o.object, x.grantee::regrole)
		FROM (
			SELECT 'ROUTINE' AS kind, p.oid::regprocedure::text AS object, p.proowner AS owner, p.proacl AS acl
			FROM pg_proc p WHERE p.pronamespace = 'dualdb'::regnamespace
			UNION ALL
			SELECT 'TABLE', c.oid::regclass::text, c.relowner, c.relacl
			FROM pg_class c WHERE c.relnamespace = 'dualdb'::regnamespace AND c.relkind IN ('r', 'v')
			UNION ALL
			SELECT 'SCHEMA', n.nspname, n.nspowner, n.nspacl
			FROM pg_namespace n WHERE n.nspname = 'dualdb'
		) o CROSS JOIN LATERAL (SELECT DISTINCT a.grantee FROM aclexplode(o.acl) a) x
		WHERE x.grantee NOT IN (0, o.owner)
	LOOP
		EXECUTE v_statement;
	END LOOP;
END
$$;
