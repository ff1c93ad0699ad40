-- verify_setup(): what it verifies.

-- Every item, the side that it is about, and what is true when it is ok.
CREATE FUNCTION dualdb.verify_items_everywhere(OUT item text, OUT side text, OUT says text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 40
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES
	('preload', 'server', 'The library is preloaded.'),
	('log_statement', 'server', 'Statements are logged without their literals, or not at all.'),
	('statement_logging', 'server', 'Slow and failing statements are logged without their literals, or not at all.'),
	('log_parameter_max_length', 'server', 'Bind parameters stay out of the log.'),
	('debug_print', 'server', 'Trees of statements stay out of the log.'),
	('statement_statistics', 'server', 'Statistics of statements hold no literals.'),
	('replication_role', 'server', 'Triggers fire in every session.'),
	('max_worker_processes', 'server', 'There is room for background workers.'),
	('durability', 'server', 'What has been committed survives a crash.'),
	('password_encryption', 'server', 'Database passwords are stored for SCRAM.'),
	('tls', 'server', 'TLS is on where the server is reached by network, at version 1.2 or newer.'),
	('standby_slots', 'server', 'Every replication slot has its standby.'),
	('slot_wal', 'server', 'A standby that is gone does not fill the disk.'),
	('rewind', 'server', 'A former primary can come back as a standby.'),
	('synchronous_standbys', 'server', 'The loss of one server neither stops commits nor loses logins.'),
	('primary_conninfo', 'server', 'A standby proves its primary by TLS, with no password among the settings.'),
	('standby_feedback', 'server', 'Vacuum leaves the queries of a standby alone.'),
	('standby_slot', 'server', 'A standby has a slot.'),
	('schemas', 'server', 'No schema is in the way.'),
	('migration', 'server', 'No migration is unfinished.'),
	('partitions', 'server', 'The logs have partitions of this month and the next, and a default one.'),
	('forwarded_tokens', 'server', 'Tokens are passed on between the nodes of a sharded database, and nowhere else.'),
	('role_missing', 'server', 'Every role is there.'),
	('role_attributes', 'server', 'Roles have the attributes that they need, and no others.'),
	('role_password', 'server', 'No role has a password that it must not have.'),
	('role_members', 'server', 'Owner roles and the bridge role are nobody''s.'),
	('who_can_become', 'server', 'No login role can become an owner role or the bridge role.'),
	('mixed_logins', 'server', 'Each login role works in one of the two databases.'),
	('orm_logins', 'server', 'No login role reads the tables of the auth database.'),
	('powerful_roles', 'server', 'No role passes the privileges by.'),
	('database_owner', 'server', 'The database belongs to a superuser.'),
	('bridge_connect', 'server', 'The bridge role may connect to the auth database alone.'),
	('hba_file', 'server', 'pg_hba.conf has no errors.'),
	('hba_trust', 'server', 'Nobody comes in without authentication.'),
	('hba_replication', 'server', 'Replication is for named roles.'),
	('hba_replicator', 'server', 'The replication role comes into no database.'),
	('hba_replicator_tls', 'server', 'The replication role comes over the network by TLS alone.'),
	('hba_bridge_elsewhere', 'server', 'pg_hba.conf lets the bridge role into the auth database alone.'),
	('hba_bridge_method', 'server', 'The bridge role is authenticated without a password in clear.'),
	('hba_bridge_tls', 'server', 'The bridge role comes over the network by TLS alone.'),
	('hba_bridge_reject', 'server', 'pg_hba.conf rejects the bridge role everywhere else.'),
	('ident_map', 'server', 'One operating system user is the bridge role.'),
	('database_privileges', 'server', 'Who may connect and make temporary tables is as setup leaves it.'),
	('schema_privileges', 'server', 'Privileges on schemas are as setup leaves them.'),
	('relation_privileges', 'server', 'Privileges on tables and views are as setup leaves them.'),
	('column_privileges', 'server', 'Privileges on columns are as setup leaves them.'),
	('function_privileges', 'server', 'Privileges on functions are as setup leaves them.'),
	('missing_privileges', 'server', 'Every role may do what it needs.'),
	('default_privileges', 'server', 'What the owner roles make is their own.'),
	('catalog_privileges', 'server', 'Privileges on the system catalog are those of initdb.'),
	('owners', 'server', 'Every object belongs to its owner role.'),
	('definitions', 'server', 'Functions are those of setup.'),
	('lent_rights', 'server', 'No view or function of others lends the application an owner''s rights.'),
	('definer_search_path', 'server', 'Functions that run as their owner have a search_path of their own.'),
	('triggers', 'server', 'Every trigger is there and enabled, and no other one.')
$$;
COMMENT ON FUNCTION dualdb.verify_items_everywhere() IS
	'internal: what verify_setup() verifies in every database';
REVOKE ALL ON FUNCTION dualdb.verify_items_everywhere() FROM PUBLIC;

CREATE FUNCTION dualdb.verify_items_of_sides(OUT item text, OUT side text, OUT says text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 40
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES
	('hba_bridge_way', 'auth', 'pg_hba.conf lets the bridge role into this database.'),
	('bridge_settings', 'auth', 'The bridge role has its settings in this database.'),
	('bridge_views', 'auth', 'The bridge views are barriers.'),
	('bridge_reach', 'auth', 'The bridge role reaches its views and nothing else.'),
	('language_privileges', 'auth', 'Nobody runs anonymous code blocks.'),
	('catalog_functions', 'auth', 'Functions of the server that nobody needs here are not for PUBLIC.'),
	('large_objects', 'auth', 'Nobody shares large objects.'),
	('publications', 'auth', 'No publication has a table of schema auth.'),
	('subscriptions', 'auth', 'No subscription writes into this database.'),
	('logical_slots', 'auth', 'Nobody decodes the changes of this database.'),
	('key_file', 'auth', 'The key file can be used, by the server''s user alone.'),
	('signing_key', 'auth', 'Tokens can be signed.'),
	('hash_key', 'auth', 'Tokens can be hashed.'),
	('other_keys', 'auth', 'The key file holds the current master key alone.'),
	('sealed_values', 'auth', 'Everything is sealed under a key of the key file.'),
	('trusted_keys', 'app', 'There are keys to verify tokens with, all of the auth database''s.'),
	('row_security', 'app', 'Row-level security is on.'),
	('policies', 'app', 'The policies are those of setup.'),
	('secret_columns', 'app', 'No column has the name of a secret.'),
	('secret_values', 'app', 'No sampled row holds a password hash, token or key.'),
	('secret_settings', 'app', 'No setting holds a secret.'),
	('secret_options', 'app', 'No foreign server or user mapping holds a secret.'),
	('secret_texts', 'app', 'No function and no comment holds a secret.'),
	('server_missing', 'bridge', 'The foreign server is there.'),
	('server_owner', 'bridge', 'The foreign server belongs to a superuser.'),
	('server_usage', 'bridge', 'Nobody may use the foreign server.'),
	('server_options', 'bridge', 'The foreign server has the options that it needs, and no harmful ones.'),
	('server_tls', 'bridge', 'The bridge stays on this machine, or verifies the server by TLS.'),
	('server_credentials', 'bridge', 'The bridge needs no stored password.'),
	('user_mapping', 'bridge', 'One mapping leads over the bridge, without a password.'),
	('other_servers', 'bridge', 'No other foreign server leads to the auth database.'),
	('foreign_tables', 'bridge', 'Foreign tables read the bridge views, and are in schema bridge.'),
	('wrapper_usage', 'bridge', 'Nobody else can make foreign servers.'),
	('dblink', 'bridge', 'Extension dblink is not here.'),
	('sync', 'bridge', 'The last sync was a moment ago.'),
	('sync_worker', 'bridge', 'A worker syncs, or a scheduler is to.'),
	('max_feed_age', 'bridge', 'Tokens are refused when revocations have not arrived for long.'),
	('auth_left_over', 'bridge', 'Schema auth is not here.')
$$;
COMMENT ON FUNCTION dualdb.verify_items_of_sides() IS
	'internal: what verify_setup() verifies in an auth or app database';
REVOKE ALL ON FUNCTION dualdb.verify_items_of_sides() FROM PUBLIC;

CREATE FUNCTION dualdb.verify_items(OUT item text, OUT side text, OUT says text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 80
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT e.item, e.side, e.says FROM dualdb.verify_items_everywhere() e
	UNION ALL
	SELECT s.item, s.side, s.says FROM dualdb.verify_items_of_sides() s
$$;
COMMENT ON FUNCTION dualdb.verify_items() IS
	'internal: what verify_setup() verifies';
REVOKE ALL ON FUNCTION dualdb.verify_items() FROM PUBLIC;

CREATE FUNCTION dualdb.verify_repair(side text, sides text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN 'single' = ANY (sides) THEN 'SELECT dualdb.setup_single();'
		WHEN side = 'auth' THEN 'SELECT dualdb.setup_auth();'
		ELSE 'SELECT dualdb.setup_app();' END
$$;
COMMENT ON FUNCTION dualdb.verify_repair(text, text[]) IS
	'internal: the setup call that brings a side back';
REVOKE ALL ON FUNCTION dualdb.verify_repair(text, text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_user_tables() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ARRAY['projects', 'orders', 'messages', 'integrations', 'products', 'reports',
		'model_trainings', 'api_logs']
$$;
COMMENT ON FUNCTION dualdb.verify_user_tables() IS
	'internal: the tables of schema app whose rows belong to users';
REVOKE ALL ON FUNCTION dualdb.verify_user_tables() FROM PUBLIC;

CREATE FUNCTION dualdb.verify_bridge_views() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ARRAY['user_lookup', 'deleted_users', 'trusted_keys', 'revocations', 'feed']
$$;
COMMENT ON FUNCTION dualdb.verify_bridge_views() IS
	'internal: the views of schema bridge in an auth database';
REVOKE ALL ON FUNCTION dualdb.verify_bridge_views() FROM PUBLIC;

-- The option is text as it was written.
CREATE FUNCTION dualdb.is_security_invoker(options text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM unnest(options) o (option)
		WHERE o.option ~* '^security_invoker=(t|y|on|1)')
$$;
COMMENT ON FUNCTION dualdb.is_security_invoker(text[]) IS
	'internal: does a view read with the rights of whoever reads it?';
REVOKE ALL ON FUNCTION dualdb.is_security_invoker(text[]) FROM PUBLIC;
