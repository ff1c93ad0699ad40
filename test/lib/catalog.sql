-- Everything that a fresh, a repeated and a restored setup must agree on, as text.
\set ECHO none
\set QUIET on
\pset format unaligned
\pset tuples_only on
SET search_path = pg_catalog;

CREATE FUNCTION pg_temp.acl(acl aclitem[]) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(format('%s=%s%s', coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC'),
		a.privilege_type, CASE WHEN a.is_grantable THEN '*' ELSE '' END), ' '
		ORDER BY a.grantee::regrole::text COLLATE "C", a.privilege_type)
	FROM aclexplode(acl) a
$$;
CREATE TEMP VIEW ours AS
	SELECT n.oid, n.nspname, n.nspowner, n.nspacl FROM pg_namespace n
	WHERE n.nspname IN ('dualdb', 'auth', 'bridge', 'app');

\echo == schemas
SELECT n.nspname, n.nspowner::regrole, pg_temp.acl(n.nspacl), obj_description(n.oid, 'pg_namespace')
FROM ours n ORDER BY n.nspname;

\echo == relations
SELECT c.oid::regclass, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.reloptions,
	c.relowner::regrole, pg_temp.acl(coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))),
	obj_description(c.oid, 'pg_class')
FROM pg_class c JOIN ours n ON n.oid = c.relnamespace
ORDER BY c.oid::regclass::text COLLATE "C";

\echo == columns
SELECT a.attrelid::regclass, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod),
	a.attcollation::regcollation, a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attgenerated,
	pg_temp.acl(a.attacl), a.attfdwoptions, col_description(a.attrelid, a.attnum)
FROM pg_attribute a
	JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'v', 'f')
	JOIN ours n ON n.oid = c.relnamespace
	LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid::regclass::text COLLATE "C", a.attnum;

\echo == constraints, indexes, triggers, policies, views
SELECT k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN ours n ON n.oid = k.connamespace
ORDER BY k.conrelid::regclass::text COLLATE "C", k.conname COLLATE "C";
SELECT pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN ours n ON n.oid = c.relnamespace
ORDER BY pg_get_indexdef(i.indexrelid) COLLATE "C";
SELECT pg_get_triggerdef(t.oid), t.tgenabled
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN ours n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal ORDER BY pg_get_triggerdef(t.oid) COLLATE "C";
SELECT p.polrelid::regclass, p.polname, p.polcmd, p.polpermissive,
	ARRAY(SELECT r::regrole::text FROM unnest(p.polroles) r ORDER BY 1),
	pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
FROM pg_policy p ORDER BY p.polrelid::regclass::text COLLATE "C", p.polname COLLATE "C";
SELECT c.oid::regclass, pg_get_viewdef(c.oid)
FROM pg_class c JOIN ours n ON n.oid = c.relnamespace
WHERE c.relkind = 'v' ORDER BY c.oid::regclass::text COLLATE "C";

\echo == functions and types
SELECT pg_get_functiondef(p.oid), p.proowner::regrole, pg_temp.acl(coalesce(p.proacl, acldefault('f', p.proowner))), obj_description(p.oid, 'pg_proc')
FROM pg_proc p JOIN ours n ON n.oid = p.pronamespace
ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT t.oid::regtype, t.typowner::regrole, pg_temp.acl(t.typacl), obj_description(t.oid, 'pg_type')
FROM pg_type t JOIN ours n ON n.oid = t.typnamespace
WHERE t.typtype = 'c' ORDER BY t.oid::regtype::text COLLATE "C";

\echo == default privileges, foreign servers, extensions
SELECT d.defaclrole::regrole, d.defaclnamespace::regnamespace, d.defaclobjtype, pg_temp.acl(d.defaclacl)
FROM pg_default_acl d ORDER BY d.defaclrole::regrole::text, d.defaclobjtype;
SELECT s.srvname, s.srvowner::regrole, pg_temp.acl(s.srvacl), ARRAY(SELECT unnest(s.srvoptions) ORDER BY 1)
FROM pg_foreign_server s ORDER BY s.srvname;
SELECT m.srvname, m.usename, ARRAY(SELECT unnest(m.umoptions) ORDER BY 1) FROM pg_user_mappings m ORDER BY 1, 2;
SELECT e.extname, e.extnamespace::regnamespace, ARRAY(SELECT unnest(e.extconfig)::regclass::text)
FROM pg_extension e ORDER BY e.extname;

\echo == what PUBLIC may still do
SELECT n.nspname, pg_temp.acl(n.nspacl) FROM pg_namespace n WHERE n.nspname = 'public';
SELECT l.lanname, pg_temp.acl(coalesce(l.lanacl, acldefault('l', l.lanowner))) FROM pg_language l ORDER BY l.lanname;
SELECT p.oid::regprocedure, pg_temp.acl(p.proacl) FROM pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace
	AND pg_temp.acl(p.proacl) <> pg_temp.acl(acldefault('f', p.proowner))
ORDER BY p.oid::regprocedure::text COLLATE "C";
