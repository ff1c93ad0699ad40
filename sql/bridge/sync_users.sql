-- The sync's part about users: what a batch brings, and who is gone.

CREATE OR REPLACE FUNCTION bridge.directory_columns(OUT name text, OUT type text)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT quote_ident(a.attname), format_type(a.atttypid, a.atttypmod)
	FROM pg_attribute a JOIN pg_attribute f ON f.attname = a.attname
	WHERE a.attrelid = 'app.users'::regclass
		AND f.attrelid = 'bridge.user_lookup'::regclass
		AND a.attnum > 0 AND f.attnum > 0 AND a.attname <> 'id'
		AND NOT a.attisdropped AND NOT f.attisdropped
	ORDER BY a.attnum
$$;
COMMENT ON FUNCTION bridge.directory_columns() IS
	'internal: the columns that the directory has from the auth database, but for the id';
REVOKE ALL ON FUNCTION bridge.directory_columns() FROM PUBLIC;

-- An open transaction that may put a user into the directory has a lock, since
-- before it asked for them (bridge.claim_users).  A prepared one has no process.
CREATE OR REPLACE FUNCTION bridge.held_users(ids text[]) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg(i.id), '{}')
	FROM unnest(ids) i(id)
	WHERE hashtext(i.id)::oid = ANY (ARRAY(
		SELECT l.objid FROM pg_locks l
		WHERE l.locktype = 'advisory' AND l.classid = hashtext('app.users')::oid
			AND l.objsubid = 2 AND l.pid IS DISTINCT FROM pg_backend_pid()
			AND l.database = (SELECT d.oid FROM pg_database d
				WHERE d.datname = current_database())))
$$;
COMMENT ON FUNCTION bridge.held_users(text[]) IS
	'internal: those of the users whose directory rows an open transaction writes';
REVOKE ALL ON FUNCTION bridge.held_users(text[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION bridge.pull_users(condition text, arguments text[],
	OUT ids text[], OUT held text[], OUT written integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_column record;
BEGIN
	SELECT string_agg(c.name, ', ') AS names,
		string_agg(c.name || ' ' || c.type, ', ') AS definitions,
		string_agg('u.' || c.name, ', ') AS present,
		string_agg('r.' || c.name, ', ') AS arriving
	INTO v_column
	FROM bridge.directory_columns() c;
	EXECUTE format($query$
		WITH remote AS MATERIALIZED (
			SELECT r.* FROM ROWS FROM (dualdb.bridge_fetch(%L, $1)
				AS (id text, %s)) WITH ORDINALITY r
		), held AS MATERIALIZED (
			SELECT bridge.held_users(ARRAY(SELECT r.id FROM remote r)) AS ids
		), written AS (
			INSERT INTO app.users AS u (id, %s)
			SELECT r.id, %s
			FROM remote r
				-- one by one: a directory is long, and mostly few come
				LEFT JOIN LATERAL (SELECT u.* FROM app.users u WHERE u.id = r.id OFFSET 0) u ON true
			WHERE (u.id IS NULL OR (%s) IS DISTINCT FROM (%s))
				AND r.id <> ALL ((SELECT h.ids FROM held h)::text[])
			ON CONFLICT (id) DO UPDATE SET (%s) = (SELECT %s FROM (SELECT excluded.*) r)
			RETURNING 1
		)
		SELECT ARRAY(SELECT r.id FROM remote r ORDER BY r.ordinality),
			h.ids, (SELECT count(*) FROM written)
		FROM held h$query$,
		format('SELECT id, %s FROM bridge.user_lookup WHERE %s', v_column.names, condition),
		v_column.definitions, v_column.names, v_column.arriving,
		v_column.present, v_column.arriving, v_column.names, v_column.arriving)
	INTO ids, held, written USING arguments;
END
$$;
COMMENT ON FUNCTION bridge.pull_users(text, text[]) IS
	'internal: bring users into the directory; ids: who came, held: who is put off';
REVOKE ALL ON FUNCTION bridge.pull_users(text, text[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION bridge.bury_users(ids text[], OUT held text[], OUT buried integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_column record;
BEGIN
	SELECT string_agg(c.name, ', ') AS names, string_agg('u.' || c.name, ', ') AS present,
		string_agg(CASE c.name WHEN 'is_active' THEN 'false' ELSE 'NULL' END, ', ') AS emptied
	INTO v_column
	FROM bridge.directory_columns() c;
	held := bridge.held_users(ids);
	EXECUTE format('UPDATE app.users u SET (%s) = ROW(%s)
		WHERE u.id = ANY ($1) AND u.id <> ALL ($2) AND (%s) IS DISTINCT FROM (%s)',
		v_column.names, v_column.emptied, v_column.present, v_column.emptied)
	USING ids, held;
	GET DIAGNOSTICS buried = ROW_COUNT;
END
$$;
COMMENT ON FUNCTION bridge.bury_users(text[]) IS
	'internal: empty the directory rows of users who are gone; held: who is put off';
REVOKE ALL ON FUNCTION bridge.bury_users(text[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION bridge.refresh_users(ids text[],
	OUT held text[], OUT written integer, OUT buried integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_here text[];
	v_gone_held text[];
BEGIN
	SELECT p.ids, p.held, p.written INTO v_here, held, written
	FROM bridge.pull_users('id = ANY ($1)', ARRAY[ids::text]) p;
	SELECT b.held, b.buried INTO v_gone_held, buried
	FROM bridge.bury_users(ARRAY(
		SELECT i.id FROM unnest(ids) i(id)
		EXCEPT SELECT h.id FROM unnest(v_here) h(id))) b;
	held := held || v_gone_held;
END
$$;
COMMENT ON FUNCTION bridge.refresh_users(text[]) IS
	'internal: make the directory rows of these users equal to what the auth database has, or has not';
REVOKE ALL ON FUNCTION bridge.refresh_users(text[]) FROM PUBLIC;

-- The stages of a pass: users who changed, in the order of their ids over there;
-- then those who are gone.  These have tombstones, but tombstones of another feed
-- may not go back far enough: then all who are here are asked for, in the order
-- of their ids here.
CREATE OR REPLACE FUNCTION bridge.sync_batch(INOUT state bridge.sync_state,
	max_users integer, OUT users integer, OUT deleted integer, OUT seen integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_ids text[];
	v_held text[];
BEGIN
	users := 0;
	deleted := 0;
	CASE state.stage
		WHEN 'changed' THEN
			SELECT p.ids, p.held, p.written INTO v_ids, v_held, users
			FROM bridge.pull_users(
				'change_xid >= $1 AND ($2::text IS NULL OR id > $2) ORDER BY id LIMIT $3',
				ARRAY[state.horizon::text, state.last_id, max_users::text]) p;
		WHEN 'all' THEN
			v_ids := ARRAY(SELECT u.id FROM app.users u
				WHERE u.id > coalesce(state.last_id, '') ORDER BY u.id LIMIT max_users);
			SELECT p.held, p.written, p.buried INTO v_held, users, deleted
			FROM bridge.refresh_users(v_ids) p;
		WHEN 'tombstones' THEN
			v_ids := ARRAY(SELECT d.id FROM dualdb.bridge_fetch(
				'SELECT id FROM bridge.deleted_users
					WHERE change_xid >= $1 AND ($2::text IS NULL OR id > $2)
					ORDER BY id LIMIT $3',
				ARRAY[state.horizon::text, state.last_id, max_users::text]) AS d(id text));
			SELECT b.held, b.buried INTO v_held, deleted FROM bridge.bury_users(v_ids) b;
	END CASE;
	seen := cardinality(v_ids);
	state.last_id := v_ids[seen];
	state.put_off := state.put_off || v_held;
END
$$;
COMMENT ON FUNCTION bridge.sync_batch(bridge.sync_state, integer) IS
	'internal: a batch of one stage of a pass over the users';
REVOKE ALL ON FUNCTION bridge.sync_batch(bridge.sync_state, integer) FROM PUBLIC;

CREATE OR REPLACE FUNCTION bridge.next_stage(INOUT state bridge.sync_state)
LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	state.last_id := NULL;
	state.stage := CASE
		WHEN state.stage <> 'changed' THEN NULL
		WHEN state.is_full THEN 'all'
		ELSE 'tombstones'
	END;
	IF state.stage IS NULL THEN
		state.horizon := state.next_horizon;
		state.is_full := false;
	END IF;
END
$$;
COMMENT ON FUNCTION bridge.next_stage(bridge.sync_state) IS
	'internal: what comes when a stage of a pass has seen everything; stage NULL at the end';
REVOKE ALL ON FUNCTION bridge.next_stage(bridge.sync_state) FROM PUBLIC;

-- Batches bound the memory at both sides; max_users bounds the transaction.
CREATE OR REPLACE FUNCTION bridge.sync_users(INOUT state bridge.sync_state,
	max_users integer, OUT users integer, OUT deleted integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '300ms'
AS $$
DECLARE
	v_left bigint := coalesce(max_users, 9223372036854775807);
	v_size integer;
	v_step record;
BEGIN
	users := 0;
	deleted := 0;
	IF state.put_off <> '{}' AND v_left > 0 THEN
		SELECT p.held, p.written, p.buried INTO state.put_off, users, deleted
		FROM bridge.refresh_users(state.put_off) p;
	END IF;
	WHILE state.stage IS NOT NULL AND v_left > 0 LOOP
		v_size := least(v_left, 10000);
		SELECT b.* INTO v_step FROM bridge.sync_batch(state, v_size) b;
		state := v_step.state;
		users := users + v_step.users;
		deleted := deleted + v_step.deleted;
		v_left := v_left - v_step.seen;
		IF v_step.seen < v_size THEN
			state := bridge.next_stage(state);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION bridge.sync_users(bridge.sync_state, integer) IS
	'internal: go on with a pass over the users, for so many of them; NULL: to its end';
REVOKE ALL ON FUNCTION bridge.sync_users(bridge.sync_state, integer) FROM PUBLIC;
