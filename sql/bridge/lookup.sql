-- Asking the auth database now: app.lookup_users() and app.lookup_user_by_email().
--
-- They are made for the columns that the directory has at the time;
-- dualdb.add_directory_column() makes them anew.  What has been found is put into
-- the directory for the next join, without waiting for anybody: a row that the
-- sync or another look-up is about to write needs no help.
DO $do$
DECLARE
	v_column record;
	v_function record;
BEGIN
	SELECT string_agg(c.name, ', ') AS names,
		string_agg(c.name || ' ' || c.type, ', ') AS definitions,
		string_agg('u.' || c.name, ', ') AS present,
		string_agg('r.' || c.name, ', ') AS arriving,
		-- columns that somebody has added to the directory keep their values
		(SELECT string_agg(CASE WHEN c2.name IS NULL AND a.attname <> 'id' THEN 'u.' ELSE 'r.' END
				|| quote_ident(a.attname), ', ' ORDER BY a.attnum)
			FROM pg_attribute a
				LEFT JOIN bridge.directory_columns() c2 ON c2.name = quote_ident(a.attname)
			WHERE a.attrelid = 'app.users'::regclass AND a.attnum > 0
				AND NOT a.attisdropped) AS whole_row
	INTO v_column
	FROM bridge.directory_columns() c;

	EXECUTE format($create$
CREATE OR REPLACE FUNCTION bridge.remember_users(users app.users[]) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '50ms'
AS $$
BEGIN
	INSERT INTO app.users AS u (id, %1$s)
	SELECT r.id, %2$s
	FROM unnest(users) r
	WHERE pg_try_advisory_xact_lock(hashtext('app.users'), hashtext(r.id))
	ON CONFLICT (id) DO UPDATE SET (%1$s) = (SELECT %2$s FROM (SELECT excluded.*) r);
EXCEPTION
	WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN NULL;
END
$$
		$create$, v_column.names, v_column.arriving);

	FOR v_function IN
		SELECT f.signature, f.condition, f.argument
		FROM (VALUES
			('lookup_users(ids text[])', 'id = ANY ($1)', 'ids::text'),
			('lookup_user_by_email(email text)', 'email_norm = $1',
				'lower(btrim(email) COLLATE "C")')) f(signature, condition, argument)
	LOOP
		EXECUTE format($create$
CREATE OR REPLACE FUNCTION app.%1$s RETURNS SETOF app.users
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	WITH arrived AS MATERIALIZED (
		SELECT ROW(%2$s)::app.users AS found,
			u.id IS NULL OR (%3$s) IS DISTINCT FROM (%4$s) AS is_news
		FROM dualdb.bridge_lookup(
				'SELECT id, %5$s FROM bridge.user_lookup WHERE %6$s', ARRAY[%7$s])
				AS r(id text, %8$s)
			LEFT JOIN app.users u ON u.id = r.id
	), remembered AS MATERIALIZED (
		SELECT bridge.remember_users(array_agg(a.found))
		FROM arrived a WHERE a.is_news
		HAVING count(*) > 0 AND NOT current_setting('transaction_read_only')::boolean
	)
	SELECT (a.found).* FROM arrived a
	WHERE (SELECT count(*) FROM remembered) >= 0;
END
$$
			$create$, v_function.signature, v_column.whole_row, v_column.present,
			v_column.arriving, v_column.names, v_function.condition,
			v_function.argument, v_column.definitions);
	END LOOP;
END
$do$;
COMMENT ON FUNCTION bridge.remember_users(app.users[]) IS
	'internal: put users who have been looked up into the directory';
REVOKE ALL ON FUNCTION bridge.remember_users(app.users[]) FROM PUBLIC;

COMMENT ON FUNCTION app.lookup_users(text[]) IS
	'users as the auth database has them now, those of the ids that exist; an error of class 08 when it cannot be asked';
REVOKE ALL ON FUNCTION app.lookup_users(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.lookup_users(text[])
	TO dualdb_app_service, dualdb_app_readonly;

COMMENT ON FUNCTION app.lookup_user_by_email(text) IS
	'the user with this address as the auth database has them now, or no row; an error of class 08 when it cannot be asked';
REVOKE ALL ON FUNCTION app.lookup_user_by_email(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.lookup_user_by_email(text)
	TO dualdb_app_service, dualdb_app_readonly;
