-- Every privilege of dualdb's roles and of PUBLIC in this database, a line each.
\set ECHO none
\set QUIET on
\pset format unaligned
\pset tuples_only on
SET search_path = pg_catalog;

CREATE TEMP VIEW ours AS
	SELECT n.oid, n.nspname FROM pg_namespace n
	WHERE n.nspname IN ('dualdb', 'auth', 'bridge', 'app', 'public');
CREATE TEMP TABLE acl (kind text, object text, owner oid, acl aclitem[]);
INSERT INTO acl
SELECT 'database', 'this one', d.datdba, coalesce(d.datacl, acldefault('d', d.datdba))
FROM pg_database d WHERE d.datname = current_database()
UNION ALL
SELECT 'schema', n.nspname::text, n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))
FROM pg_namespace n JOIN ours o ON o.oid = n.oid
UNION ALL
SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'f' THEN 'foreign table' ELSE 'table' END,
	c.oid::regclass::text, c.relowner, coalesce(c.relacl, acldefault('r', c.relowner))
FROM pg_class c JOIN ours o ON o.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'f') AND c.relname !~ '^(audit_log|api_logs)_2'
UNION ALL
SELECT 'column', format('%s.%s', a.attrelid::regclass, a.attname), c.relowner, a.attacl
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN ours o ON o.oid = c.relnamespace
WHERE a.attacl IS NOT NULL
UNION ALL
SELECT 'function', p.oid::regprocedure::text, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
FROM pg_proc p JOIN ours o ON o.oid = p.pronamespace
WHERE NOT EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
	WHERE d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND e.extname <> 'dualdb')
UNION ALL
SELECT 'type', t.oid::regtype::text, t.typowner, coalesce(t.typacl, acldefault('T', t.typowner))
FROM pg_type t JOIN ours o ON o.oid = t.typnamespace
WHERE t.typtype IN ('d', 'e') OR t.typtype = 'c'
	AND (SELECT c.relkind FROM pg_class c WHERE c.oid = t.typrelid) = 'c'
UNION ALL
SELECT 'language', l.lanname, l.lanowner, coalesce(l.lanacl, acldefault('l', l.lanowner))
FROM pg_language l WHERE l.lanpltrusted
UNION ALL
SELECT 'foreign data wrapper', w.fdwname, w.fdwowner, coalesce(w.fdwacl, acldefault('F', w.fdwowner))
FROM pg_foreign_data_wrapper w
UNION ALL
SELECT 'server', s.srvname, s.srvowner, coalesce(s.srvacl, acldefault('S', s.srvowner))
FROM pg_foreign_server s;

\echo # roles: attributes and memberships
SELECT r.rolname, CASE WHEN r.rolcanlogin THEN 'login' ELSE 'nologin' END,
	CASE WHEN r.rolinherit THEN 'inherit' ELSE 'noinherit' END,
	r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls AS powers, r.rolconnlimit
FROM pg_roles r WHERE r.rolname LIKE 'dualdb%' ORDER BY r.rolname;
SELECT 'member', m.member::regrole, 'of', m.roleid::regrole
FROM pg_auth_members m WHERE m.member::regrole::text LIKE 'dualdb%';

\echo # owners
SELECT DISTINCT a.kind, a.object, CASE WHEN r.rolsuper THEN 'superuser' ELSE r.rolname END
FROM acl a JOIN pg_roles r ON r.oid = a.owner
WHERE a.kind NOT IN ('column', 'database', 'language') AND a.object <> 'public'
ORDER BY 1, 2;

\echo # privileges of others than the owner
SELECT a.kind, a.object, coalesce(r.rolname, 'PUBLIC'), string_agg(x.privilege_type
	|| CASE WHEN x.is_grantable THEN ' with grant option' ELSE '' END, ', ' ORDER BY x.privilege_type)
FROM acl a CROSS JOIN aclexplode(a.acl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
WHERE x.grantee <> a.owner AND (r.rolname IS NULL OR r.rolname LIKE 'dualdb%' OR r.rolname = 'pg_monitor')
GROUP BY a.kind, a.object, r.rolname
ORDER BY a.kind, a.object COLLATE "C", coalesce(r.rolname, 'PUBLIC') COLLATE "C";

\echo # settings of the bridge role here
SELECT unnest(s.setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
WHERE d.datname = current_database() AND s.setrole = 'dualdb_bridge'::regrole;
