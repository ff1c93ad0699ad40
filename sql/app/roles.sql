-- Roles of the app database.

SELECT dualdb.setup_role('dualdb_app_owner', 'NOLOGIN',
	'owns schema app; no members');
SELECT dualdb.setup_role('dualdb_bridge_owner', 'NOLOGIN',
	'owns the bridge views in auth, the foreign tables and the mapping in app; no members');
SELECT dualdb.setup_role('dualdb_sync', 'NOLOGIN',
	'may run dualdb.sync()');
SELECT dualdb.setup_role('dualdb_app_service', 'NOLOGIN',
	'reads and writes all rows of schema app');
SELECT dualdb.setup_role('dualdb_app_user', 'NOLOGIN',
	'reads and writes the rows of the authenticated user''s projects');
SELECT dualdb.setup_role('dualdb_app_readonly', 'NOLOGIN',
	'reads all rows of schema app');
