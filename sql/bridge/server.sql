-- The app side of the bridge: where the auth database is, and as whom to go there.
--
-- Nobody has USAGE on the server, so nobody can make foreign tables of their own
-- on it.  No password is stored: the socket's peer authentication maps this
-- server's operating system user to dualdb_bridge; on another server it is a
-- client certificate or a password file that an administrator adds as options.
-- Whoever answers there could hand out keys that tokens are trusted by, so
-- without TLS and a proof of the name there is no connection; a socket has
-- neither, and libpq ignores sslmode there.

CREATE EXTENSION IF NOT EXISTS postgres_fdw WITH SCHEMA public;

-- A server of this name that somebody else has made could lead anywhere.
DO $$
DECLARE
	v_problem text;
BEGIN
	SELECT CASE
		WHEN NOT r.rolsuper THEN 'does not belong to a superuser'
		WHEN w.fdwname <> 'postgres_fdw' THEN 'is not one of postgres_fdw'
		WHEN to_regclass('bridge.sync_state') IS NULL THEN 'was there before the setup'
		WHEN EXISTS (SELECT FROM pg_options_to_table(s.srvoptions) o
			WHERE o.option_name IN ('hostaddr', 'service', 'password', 'extensions'))
			THEN 'has an option that it must not have'
		WHEN EXISTS (SELECT FROM pg_user_mappings m
			WHERE m.srvid = s.oid AND (m.umuser <> to_regrole('dualdb_bridge_owner')
				OR EXISTS (SELECT FROM pg_options_to_table(m.umoptions) o
					WHERE o.option_name NOT IN ('user', 'password_required'))))
			THEN 'has a user mapping that it must not have'
	END INTO v_problem
	FROM pg_foreign_server s
		JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
		JOIN pg_roles r ON r.oid = s.srvowner
	WHERE s.srvname = 'dualdb_auth';
	IF v_problem IS NOT NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'duplicate_object',
			MESSAGE = format('server "dualdb_auth" %s', v_problem),
			HINT = 'Look at it, drop it if it is not yours, and run the setup again.';
	END IF;
END
$$;

CREATE SERVER IF NOT EXISTS dualdb_auth FOREIGN DATA WRAPPER postgres_fdw OPTIONS (
	host '', port '', dbname '',
	application_name 'dualdb_bridge', sslmode 'verify-full',
	connect_timeout '3', tcp_user_timeout '4000',
	keepalives_idle '10', keepalives_interval '3', keepalives_count '3',
	fetch_size '1000', updatable 'false', truncatable 'false');
ALTER SERVER dualdb_auth OPTIONS (SET host :'auth_host', SET port :'auth_port',
	SET dbname :'auth_database');
COMMENT ON SERVER dualdb_auth IS 'dualdb: the auth database';

CREATE USER MAPPING IF NOT EXISTS FOR dualdb_bridge_owner SERVER dualdb_auth
	OPTIONS (user 'dualdb_bridge', password_required 'false');

CREATE FOREIGN TABLE IF NOT EXISTS bridge.user_lookup
(
	id text, email text, email_norm text COLLATE "C", display_name text,
	is_active boolean, change_xid xid8
) SERVER dualdb_auth OPTIONS (schema_name 'bridge', table_name 'user_lookup');
ALTER FOREIGN TABLE bridge.user_lookup OWNER TO dualdb_bridge_owner;
COMMENT ON FOREIGN TABLE bridge.user_lookup IS 'users as the auth database shows them; read by the sync alone';

CREATE FOREIGN TABLE IF NOT EXISTS bridge.deleted_users
(
	id text, change_xid xid8
) SERVER dualdb_auth OPTIONS (schema_name 'bridge', table_name 'deleted_users');
ALTER FOREIGN TABLE bridge.deleted_users OWNER TO dualdb_bridge_owner;
COMMENT ON FOREIGN TABLE bridge.deleted_users IS 'tombstones of users who are gone';

CREATE FOREIGN TABLE IF NOT EXISTS bridge.trusted_keys
(
	kid text, issuer text, public_key bytea, not_before timestamptz,
	not_after timestamptz
) SERVER dualdb_auth OPTIONS (schema_name 'bridge', table_name 'trusted_keys');
ALTER FOREIGN TABLE bridge.trusted_keys OWNER TO dualdb_bridge_owner;
COMMENT ON FOREIGN TABLE bridge.trusted_keys IS 'public keys of the auth database';

CREATE FOREIGN TABLE IF NOT EXISTS bridge.revocations
(
	kind text, id text, min_version integer, expires_at timestamptz,
	change_xid xid8
) SERVER dualdb_auth OPTIONS (schema_name 'bridge', table_name 'revocations');
ALTER FOREIGN TABLE bridge.revocations OWNER TO dualdb_bridge_owner;
COMMENT ON FOREIGN TABLE bridge.revocations IS 'access tokens that are refused before they expire';

CREATE FOREIGN TABLE IF NOT EXISTS bridge.feed
(
	horizon xid8, feed_id text, is_standby boolean, age interval
) SERVER dualdb_auth OPTIONS (schema_name 'bridge', table_name 'feed');
ALTER FOREIGN TABLE bridge.feed OWNER TO dualdb_bridge_owner;
COMMENT ON FOREIGN TABLE bridge.feed IS 'up to where the auth database''s changes have been seen';

-- nobody but the owners, whatever default privileges or later grants say
DO $$
DECLARE
	v_statement text;
BEGIN
	FOR v_statement IN
		SELECT format('REVOKE ALL ON %s %s FROM %s', o.kind, o.object,
			CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END)
		FROM (
			SELECT 'FOREIGN SERVER' AS kind, s.srvname::text AS object, s.srvowner AS owner, s.srvacl AS acl
			FROM pg_foreign_server s WHERE s.srvname = 'dualdb_auth'
			UNION ALL
			SELECT 'TABLE', c.oid::regclass::text, c.relowner, c.relacl
			FROM pg_class c WHERE c.relnamespace = 'bridge'::regnamespace
				AND c.relkind IN ('r', 'f')
		) o CROSS JOIN LATERAL (SELECT DISTINCT a.grantee FROM aclexplode(o.acl) a) x
		WHERE x.grantee <> o.owner
	LOOP
		EXECUTE v_statement;
	END LOOP;
END
$$;
