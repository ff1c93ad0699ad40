-- Roles of the auth database.

SELECT dualdb.setup_role('dualdb_auth_owner', 'NOLOGIN',
	'owns schema auth; no members');
SELECT dualdb.setup_role('dualdb_bridge_owner', 'NOLOGIN',
	'owns the bridge views in auth, the foreign tables and the mapping in app; no members');
SELECT dualdb.setup_role('dualdb_auth_service', 'NOLOGIN',
	'may call the auth API; no table access');
SELECT dualdb.setup_role('dualdb_auth_orm', 'NOLOGIN',
	'may read and write the auth tables, for an existing ORM; the weaker choice');
SELECT dualdb.setup_role('dualdb_bridge', 'LOGIN NOINHERIT',
	'the app database connects as this role and may read the bridge views');
-- one for each session of the app servers that looks users up, and one for the sync
-- of each: how many that are is the operator's to say
DO $$
BEGIN
	IF (SELECT r.rolconnlimit FROM pg_roles r WHERE r.rolname = 'dualdb_bridge') < 0 THEN
		ALTER ROLE dualdb_bridge CONNECTION LIMIT 60;
	END IF;
END
$$;
