-- More columns for the directory: what the operator shows of auth.users besides the
-- usual ones.

CREATE FUNCTION dualdb.check_directory_column(column_name text) RETURNS void
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF column_name IN ('password_hash', 'password_changed_at', 'token_version') THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = format('column "%s" of auth.users is not for the app database', column_name);
	ELSIF column_name IN ('id', 'email', 'email_norm', 'display_name', 'is_active', 'deleted_at', 'change_xid') THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('column "%s" always belongs to the bridge', column_name);
	END IF;
END
$$;
COMMENT ON FUNCTION dualdb.check_directory_column(text) IS
	'internal: an error when a column is not the operator''s to show or hide';
REVOKE ALL ON FUNCTION dualdb.check_directory_column(text) FROM PUBLIC;

-- Types of PostgreSQL's own exist at either side and run nobody's code.
CREATE FUNCTION dualdb.directory_column_type(type oid) RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_type text;
BEGIN
	SELECT format_type(t.oid, NULL) INTO v_type
	FROM pg_type t
	WHERE t.oid = directory_column_type.type AND t.typtype = 'b'
		AND t.typnamespace = 'pg_catalog'::regnamespace
		AND t.oid < 10000;
	IF v_type IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'datatype_mismatch',
			MESSAGE = format('type %s cannot be had in the directory', format_type(type, NULL)),
			HINT = 'Use a base type of PostgreSQL, text for instance.';
	END IF;
	RETURN v_type;
END
$$;
COMMENT ON FUNCTION dualdb.directory_column_type(oid) IS
	'internal: the name of a type that a directory column may have';
REVOKE ALL ON FUNCTION dualdb.directory_column_type(oid) FROM PUBLIC;

CREATE FUNCTION dualdb.remake_user_views(mode text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dualdb.run_step('dualdb_auth_owner', dualdb.setup_part('auth/users'));
	PERFORM dualdb.run_step('dualdb_bridge_owner', dualdb.setup_part('bridge/views'));
	IF mode = 'single' THEN
		PERFORM dualdb.run_step('dualdb_bridge_owner', dualdb.setup_part('single/directory'));
	END IF;
END
$$;
COMMENT ON FUNCTION dualdb.remake_user_views(text) IS
	'internal: let the auth side''s views have the columns of auth.directory_columns';
REVOKE ALL ON FUNCTION dualdb.remake_user_views(text) FROM PUBLIC;

CREATE FUNCTION dualdb.show_user_column(column_name text, mode text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_type oid;
BEGIN
	SELECT a.atttypid INTO v_type FROM pg_attribute a
	WHERE a.attrelid = 'auth.users'::regclass AND a.attname = column_name
		AND a.attnum > 0 AND NOT a.attisdropped;
	IF v_type IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'undefined_column',
			MESSAGE = format('column "%s" of auth.users does not exist', column_name),
			HINT = format('ALTER TABLE auth.users ADD COLUMN %I ...', column_name);
	END IF;
	PERFORM dualdb.directory_column_type(v_type);
	INSERT INTO auth.directory_columns (name) VALUES (column_name)
	ON CONFLICT (name) DO NOTHING;
	PERFORM dualdb.remake_user_views(mode);
END
$$;
COMMENT ON FUNCTION dualdb.show_user_column(text, text) IS
	'internal: add_directory_column() at the auth side';
REVOKE ALL ON FUNCTION dualdb.show_user_column(text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.take_user_column(column_name text, type text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('ALTER TABLE app.users ADD COLUMN %I %s', column_name, type);
	EXECUTE format('ALTER FOREIGN TABLE bridge.user_lookup ADD COLUMN %I %s', column_name, type);
END
$$;
COMMENT ON FUNCTION dualdb.take_user_column(text, text) IS
	'internal: add_directory_column() at the app side';
REVOKE ALL ON FUNCTION dualdb.take_user_column(text, text) FROM PUBLIC;

-- What the other side says is looked up here before it is used.
CREATE FUNCTION dualdb.shown_column_type(column_name text) RETURNS text
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_type text;
BEGIN
	SELECT r.type INTO v_type
	FROM dualdb.bridge_fetch($query$
		SELECT a.atttypid FROM pg_attribute a
		WHERE a.attrelid = 'bridge.user_lookup'::regclass AND a.attname = $1
			AND a.attnum > 0 AND NOT a.attisdropped$query$, ARRAY[column_name]) AS r(type text);
	IF v_type IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'undefined_column',
			MESSAGE = format('the auth database does not show column "%s" of its users', column_name),
			HINT = format('Run SELECT dualdb.add_directory_column(%L) there first.', column_name);
	END IF;
	RETURN dualdb.directory_column_type(v_type::oid);
END
$$;
COMMENT ON FUNCTION dualdb.shown_column_type(text) IS
	'internal: the type of a column that the auth database shows';
REVOKE ALL ON FUNCTION dualdb.shown_column_type(text) FROM PUBLIC;

CREATE FUNCTION dualdb.add_directory_column(column_name text) RETURNS text
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_mode text := dualdb.setup_mode();
BEGIN
	PERFORM dualdb.setup_prepare();
	PERFORM dualdb.check_directory_column(column_name);
	IF v_mode IN ('auth', 'single') THEN
		PERFORM dualdb.show_user_column(column_name, v_mode);
		RETURN format('column "%s" is shown%s', column_name, CASE v_mode
			WHEN 'auth' THEN '; run the same in the app database' ELSE '' END);
	ELSIF v_mode IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = 'this database has not been set up';
	END IF;
	PERFORM dualdb.take_user_column(column_name, dualdb.shown_column_type(column_name));
	PERFORM dualdb.run_step('dualdb_bridge_owner', dualdb.setup_part('bridge/lookup'));
	-- all users are asked for again
	UPDATE bridge.sync_state s SET feed_id = NULL;
	RETURN format('column "%s" is in the directory; the next sync fills it', column_name);
END
$$;
COMMENT ON FUNCTION dualdb.add_directory_column(text) IS
	'show a column of auth.users to the app database; run in the auth database, then in the app database';
REVOKE ALL ON FUNCTION dualdb.add_directory_column(text) FROM PUBLIC;

CREATE FUNCTION dualdb.hide_user_column(column_name text, mode text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM auth.directory_columns c WHERE c.name = column_name;
	EXECUTE format('REVOKE SELECT (%I) ON auth.users FROM dualdb_bridge_owner', column_name);
	IF mode = 'single' THEN
		DROP FUNCTION app.lookup_users(text[]), app.lookup_user_by_email(text);
		DROP VIEW app.users;
	END IF;
	DROP VIEW bridge.user_lookup;
	PERFORM dualdb.remake_user_views(mode);
END
$$;
COMMENT ON FUNCTION dualdb.hide_user_column(text, text) IS
	'internal: drop_directory_column() at the auth side';
REVOKE ALL ON FUNCTION dualdb.hide_user_column(text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.drop_directory_column(column_name text) RETURNS text
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_mode text := dualdb.setup_mode();
BEGIN
	PERFORM dualdb.setup_prepare();
	PERFORM dualdb.check_directory_column(column_name);
	IF NOT EXISTS (SELECT FROM pg_attribute a
		WHERE a.attrelid = to_regclass('bridge.user_lookup') AND a.attname = column_name
			AND NOT a.attisdropped)
	THEN
		RAISE EXCEPTION USING
			ERRCODE = 'undefined_column',
			MESSAGE = format('column "%s" is not among those of the directory', column_name);
	END IF;
	IF v_mode IN ('auth', 'single') THEN
		PERFORM dualdb.hide_user_column(column_name, v_mode);
		RETURN format('column "%s" is no longer shown', column_name);
	END IF;
	EXECUTE format('ALTER FOREIGN TABLE bridge.user_lookup DROP COLUMN %I', column_name);
	EXECUTE format('ALTER TABLE app.users DROP COLUMN %I', column_name);
	PERFORM dualdb.run_step('dualdb_bridge_owner', dualdb.setup_part('bridge/lookup'));
	RETURN format('column "%s" is no longer in the directory; run the same in the auth database', column_name);
END
$$;
COMMENT ON FUNCTION dualdb.drop_directory_column(text) IS
	'take back what add_directory_column() has shown; run in the app database, then in the auth database';
REVOKE ALL ON FUNCTION dualdb.drop_directory_column(text) FROM PUBLIC;
