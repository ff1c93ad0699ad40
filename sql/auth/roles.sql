-- Roles of the auth database.

SELECT dualdb.setup_role('dualdb_auth_owner', 'NOLOGIN',
	'owns schema auth; no members');
SELECT dualdb.setup_role('dualdb_bridge_owner', 'NOLOGIN',
	'owns the bridge views in auth, the foreign tables and the mapping in app; no members');
SELECT dualdb.setup_role('dualdb_auth_service', 'NOLOGIN',
	'may call the auth API; no table access');
SELECT dualdb.setup_role('dualdb_auth_orm', 'NOLOGIN',
	'may read and write the auth tables, for an existing ORM; the weaker choice');
SELECT dualdb.setup_role('dualdb_bridge', 'LOGIN NOINHERIT CONNECTION LIMIT 30',
	'the app database connects as this role and may read the bridge views');
