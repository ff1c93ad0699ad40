-- Migration from another database: where rows can go, how far it is, and what came.

-- In the order of copying, so that parents come before children; a row is known by
-- its key, and found in the table by that and by its place.
CREATE FUNCTION dualdb.migrate_targets(
	OUT "position" integer, OUT name text, OUT relation text, OUT key_columns text[],
	OUT place text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 13
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES (1, 'users', 'auth.users', '{id}'::text[], NULL),
		(2, 'roles', 'auth.roles', '{id}', NULL),
		(3, 'permissions', 'auth.permissions', '{id}', NULL),
		(4, 'role_permissions', 'auth.role_permissions', '{role_id,permission_id}', NULL),
		(5, 'user_roles', 'auth.user_roles', '{user_id,role_id}', NULL),
		(6, 'projects', 'app.projects', '{id}', NULL),
		(7, 'orders', 'app.orders', '{id}', 'project_id'),
		(8, 'messages', 'app.messages', '{id}', 'project_id'),
		(9, 'integrations', 'app.integrations', '{id}', 'project_id'),
		(10, 'products', 'app.products', '{id}', 'project_id'),
		(11, 'reports', 'app.reports', '{id}', 'project_id'),
		(12, 'model_trainings', 'app.model_trainings', '{id}', 'project_id'),
		(13, 'api_logs', 'app.api_logs', '{id}', 'project_id')
$$;
COMMENT ON FUNCTION dualdb.migrate_targets() IS
	'internal: the tables that rows can be migrated to';
REVOKE ALL ON FUNCTION dualdb.migrate_targets() FROM PUBLIC;

-- What a column of a target refers to; columns user_id of schema app have no foreign
-- key, as users are in another database.
CREATE FUNCTION dualdb.migrate_references(
	OUT name text, OUT column_name text, OUT parent text, OUT is_enforced boolean)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES ('role_permissions', 'role_id', 'roles', true),
		('role_permissions', 'permission_id', 'permissions', true),
		('user_roles', 'user_id', 'users', true),
		('user_roles', 'role_id', 'roles', true)
	UNION ALL
	SELECT t.name, t.place, 'projects', true
	FROM dualdb.migrate_targets() t WHERE t.place IS NOT NULL
	UNION ALL
	SELECT t.name, 'user_id', 'users', false
	FROM dualdb.migrate_targets() t
	WHERE t.relation LIKE 'app.%' AND t.name NOT IN ('integrations', 'products')
$$;
COMMENT ON FUNCTION dualdb.migrate_references() IS
	'internal: which columns of migrated rows refer to which table';
REVOKE ALL ON FUNCTION dualdb.migrate_references() FROM PUBLIC;

CREATE TABLE dualdb.migration_tables
(
	name text PRIMARY KEY,
	mapping jsonb NOT NULL,
	pass integer NOT NULL DEFAULT 1,
	state text NOT NULL CHECK (state IN ('removing', 'copying', 'done')),
	last_key text,
	rows_total bigint NOT NULL DEFAULT 0,
	rows_read bigint NOT NULL DEFAULT 0,
	written bigint NOT NULL DEFAULT 0,
	removed bigint NOT NULL DEFAULT 0,
	put_off bigint NOT NULL DEFAULT 0,
	started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE dualdb.migration_tables IS 'how far a migration is; empty when there is none';
COMMENT ON COLUMN dualdb.migration_tables.last_key IS
	'the pass has seen the source''s rows up to this one';
REVOKE ALL ON dualdb.migration_tables FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('dualdb.migration_tables', '');

CREATE TABLE dualdb.migration_rows
(
	name text,
	key text COLLATE "C",
	place text,
	row_sum bigint NOT NULL,
	hash_sum bigint,
	copied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	hash_copied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (name, key)
);
COMMENT ON TABLE dualdb.migration_rows IS
	'rows that came by migration, each as its source had it when it was copied';
COMMENT ON COLUMN dualdb.migration_rows.row_sum IS 'checksum of the columns that are migrated';
COMMENT ON COLUMN dualdb.migration_rows.hash_sum IS 'checksum of the source''s password hash';
COMMENT ON COLUMN dualdb.migration_rows.hash_copied_at IS
	'since when the user''s password is the source''s; one that was chosen here later is not replaced';
REVOKE ALL ON dualdb.migration_rows FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('dualdb.migration_rows', '');

CREATE VIEW dualdb.migrate_progress AS
	SELECT m.name, m.pass, m.state, m.rows_read, m.rows_total,
		CASE WHEN m.rows_total > 0
			THEN least(round(100.0 * m.rows_read / m.rows_total, 1), 100) END AS percent,
		m.written, m.removed, m.put_off,
		round(m.rows_read / nullif(extract(epoch FROM m.changed_at - m.started_at), 0)) AS rows_per_second,
		CASE WHEN m.state = 'copying' AND m.rows_read > 0 THEN date_trunc('second',
			(m.changed_at - m.started_at) * greatest(m.rows_total - m.rows_read, 0) / m.rows_read) END AS time_left,
		m.changed_at
	FROM dualdb.migration_tables m
		JOIN dualdb.migrate_targets() t ON t.name = m.name
	ORDER BY t.position;
COMMENT ON VIEW dualdb.migrate_progress IS
	'how far migrate_from() is, a line for each table; put_off: rows that could not be copied in this pass';
REVOKE ALL ON dualdb.migrate_progress FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_finish() RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_rows bigint;
BEGIN
	PERFORM dualdb.migrate_prepare();
	SELECT count(*) INTO v_rows FROM dualdb.migration_rows;
	TRUNCATE dualdb.migration_rows, dualdb.migration_tables;
	RETURN format('migration finished; %s rows are not known as migrated any more', v_rows);
END
$$;
COMMENT ON FUNCTION dualdb.migrate_finish() IS
	'end a migration: from here on there is no catching up and no way back';
REVOKE ALL ON FUNCTION dualdb.migrate_finish() FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_prepare() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dualdb.require_primary();
	IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = 'must be superuser to migrate';
	END IF;
	IF dualdb.setup_mode() IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = 'this database has not been set up',
			HINT = 'Run SELECT dualdb.setup_auth(), setup_app() or setup_single() first.';
	END IF;
	-- whoever else migrates here has its turn after this transaction
	PERFORM pg_advisory_xact_lock(hashtext('dualdb.migrate_from'));
END
$$;
COMMENT ON FUNCTION dualdb.migrate_prepare() IS
	'internal: check that a migration can run here, and let no other step run meanwhile';
REVOKE ALL ON FUNCTION dualdb.migrate_prepare() FROM PUBLIC;
