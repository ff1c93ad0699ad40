-- Asking the auth database now: app.lookup_users() and app.lookup_user_by_email().
--
-- Who has been found is put into the directory for the next join, without waiting
-- for anybody.  An answer may be older than what a sync brings meanwhile, and must
-- not be written over it: who is not in the directory is locked before the
-- question, so that the sync puts them off; who is there is written only if their
-- row is still the one from before the question.  Where the directory is on several
-- servers, a look-up leaves it alone: a transaction of the application would depend
-- on all of them.

CREATE OR REPLACE FUNCTION bridge.may_remember() RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_may boolean := NOT current_setting('transaction_read_only')::boolean;
BEGIN
	IF v_may AND to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN
		EXECUTE 'SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_dist_partition d
			WHERE d.logicalrelid = ''app.users''::regclass)' INTO v_may;
	END IF;
	RETURN v_may;
END
$$;
COMMENT ON FUNCTION bridge.may_remember() IS
	'internal: may a look-up put what it has found into the directory?';
REVOKE ALL ON FUNCTION bridge.may_remember() FROM PUBLIC;

CREATE OR REPLACE FUNCTION bridge.claim_users(ids text[]) RETURNS text[]
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT bridge.may_remember() THEN
		RETURN '{}';
	END IF;
	-- locks are few: more users than this come with the next sync
	RETURN ARRAY(
		SELECT m.id FROM (SELECT DISTINCT i.id FROM unnest(ids) i(id)
			WHERE NOT EXISTS (SELECT FROM app.users u WHERE u.id = i.id) LIMIT 100) m
		WHERE pg_try_advisory_xact_lock(hashtext('app.users'), hashtext(m.id)));
END
$$;
COMMENT ON FUNCTION bridge.claim_users(text[]) IS
	'internal: those of the users who are not in the directory and may be put there after they have been asked for';
REVOKE ALL ON FUNCTION bridge.claim_users(text[]) FROM PUBLIC;

-- For the columns that the directory has at the time; dualdb.add_directory_column()
-- makes these functions anew.
DO $do$
DECLARE
	v_column record;
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
CREATE OR REPLACE FUNCTION bridge.remember_users(claimed app.users[], changed app.users[], versions xid[])
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '50ms'
AS %L
		$create$, format($body$
BEGIN
	INSERT INTO app.users (id, %1$s)
	SELECT r.id, %2$s FROM unnest(claimed) r
	ON CONFLICT (id) DO NOTHING;
	UPDATE app.users u SET (%1$s) = ROW(%2$s)
	FROM ROWS FROM (unnest(changed), unnest(versions)) AS r(%3$s, seen)
	WHERE u.id = r.id AND u.xmin = r.seen
		AND pg_try_advisory_xact_lock(hashtext('app.users'), hashtext(r.id));
EXCEPTION
	WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN NULL;
END
		$body$, v_column.names, v_column.arriving,
		(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
			WHERE a.attrelid = 'app.users'::regclass AND a.attnum > 0 AND NOT a.attisdropped)));

	EXECUTE format($create$
CREATE OR REPLACE FUNCTION app.lookup_users(ids text[]) RETURNS SETOF app.users
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, pg_temp
AS %L
		$create$, format($body$
DECLARE
	v_claimed text[] := '{}';
BEGIN
	IF (SELECT count(*) FROM app.users u WHERE u.id = ANY (ids)) < cardinality(ids) THEN
		v_claimed := bridge.claim_users(ids);
	END IF;
	RETURN QUERY
	WITH arrived AS MATERIALIZED (
		SELECT ROW(%1$s)::app.users AS found, r.id, u.xmin AS seen,
			(%2$s) IS DISTINCT FROM (%3$s) AS is_changed
		FROM dualdb.bridge_lookup(%4$L, ARRAY[ids::text]) AS r(id text, %5$s)
			LEFT JOIN app.users u ON u.id = r.id
	), remembered AS MATERIALIZED (
		SELECT bridge.remember_users(
			array_agg(a.found) FILTER (WHERE a.seen IS NULL),
			array_agg(a.found) FILTER (WHERE a.seen IS NOT NULL),
			array_agg(a.seen) FILTER (WHERE a.seen IS NOT NULL))
		FROM arrived a
		WHERE a.id = ANY (v_claimed) AND a.seen IS NULL OR a.seen IS NOT NULL AND a.is_changed
		HAVING count(*) > 0 AND bridge.may_remember()
	)
	SELECT (a.found).* FROM arrived a
	WHERE (SELECT count(*) FROM remembered) >= 0;
END
		$body$, v_column.whole_row, v_column.present, v_column.arriving,
		format('SELECT id, %s FROM bridge.user_lookup WHERE id = ANY ($1)', v_column.names),
		v_column.definitions));

	EXECUTE format($create$
CREATE OR REPLACE FUNCTION app.lookup_user_by_email(email text) RETURNS SETOF app.users
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS %L
		$create$, format($body$
DECLARE
	v_user app.users;
	v_is_news boolean;
BEGIN
	SELECT %1$s INTO v_user
	FROM dualdb.bridge_lookup(%4$L, ARRAY[lower(btrim(email) COLLATE "C")]) AS r(id text, %5$s)
		LEFT JOIN app.users u ON u.id = r.id;
	IF v_user.id IS NULL THEN
		RETURN;
	END IF;
	SELECT (%2$s) IS DISTINCT FROM (%6$s) INTO v_is_news
	FROM (SELECT 1) one LEFT JOIN app.users u ON u.id = v_user.id;
	IF v_is_news AND bridge.may_remember() THEN
		-- the id is known now, by which they can be asked for and put here
		RETURN QUERY SELECT l.* FROM app.lookup_users(ARRAY[v_user.id]) l;
	ELSE
		RETURN NEXT v_user;
	END IF;
END
		$body$, v_column.whole_row, v_column.present, v_column.arriving,
		format('SELECT id, %s FROM bridge.user_lookup WHERE email_norm = $1', v_column.names),
		v_column.definitions,
		(SELECT string_agg('v_user.' || c.name, ', ') FROM bridge.directory_columns() c)));
END
$do$;
COMMENT ON FUNCTION bridge.remember_users(app.users[], app.users[], xid[]) IS
	'internal: put users who have been looked up into the directory: claimed ones, and changed ones whose rows have these versions still';
REVOKE ALL ON FUNCTION bridge.remember_users(app.users[], app.users[], xid[]) FROM PUBLIC;

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
