-- Migration: a pass over the tables of a mapping, in transactions of a batch each.
--
-- First what is gone at the source is removed, children before parents, then comes
-- what is new or has changed there, parents before children.  How far the pass is,
-- is committed together with each batch, so a run after a crash goes on there.

CREATE FUNCTION dualdb.migrate_begin(mapping jsonb) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_goes_on boolean;
BEGIN
	PERFORM dualdb.migrate_require(migrate_begin.mapping);
	v_goes_on := EXISTS (SELECT FROM dualdb.migration_tables m
		JOIN dualdb.migrate_here(migrate_begin.mapping) h ON h.name = m.name WHERE m.state <> 'done');
	INSERT INTO dualdb.migration_tables AS m (name, mapping, state)
	SELECT h.name, h.entry, 'removing' FROM dualdb.migrate_here(migrate_begin.mapping) h
	ON CONFLICT (name) DO UPDATE SET mapping = excluded.mapping, state = 'removing',
		pass = m.pass + (m.state = 'done')::integer, last_key = NULL, rows_total = 0, rows_read = 0,
		written = 0, removed = 0, put_off = 0, started_at = clock_timestamp(), changed_at = clock_timestamp()
	WHERE NOT v_goes_on OR m.mapping <> excluded.mapping;
	RETURN CASE WHEN v_goes_on THEN 'going on where the last run ended' ELSE 'beginning a pass' END;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_begin(jsonb) IS
	'internal: begin a pass, or go on with one; a table whose mapping is another one begins anew';
REVOKE ALL ON FUNCTION dualdb.migrate_begin(jsonb) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_gone(name text, entry jsonb, max_removals integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_rows bigint;
BEGIN
	EXECUTE format('CREATE TEMPORARY TABLE pg_temp.gone ON COMMIT DROP AS
		SELECT l.key, l.place, l.row_sum FROM dualdb.migration_rows l
		WHERE l.name = %L AND NOT EXISTS (SELECT FROM (%s) q WHERE %s COLLATE "C" = l.key)',
		name, dualdb.migrate_select(name, entry), dualdb.migrate_key(name, 'q'));
	GET DIAGNOSTICS v_rows = ROW_COUNT;
	IF v_rows > max_removals THEN
		RAISE EXCEPTION USING
			ERRCODE = 'program_limit_exceeded',
			MESSAGE = format('%s rows are gone from %s', v_rows, entry ->> 'from'),
			HINT = 'See whether the mapping leads to the right source, then call it with a larger max_removals.';
	END IF;
	RETURN v_rows;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_gone(text, jsonb, integer) IS
	'internal: rows that came from the source and are gone there, in pg_temp.gone; returns how many';
REVOKE ALL ON FUNCTION dualdb.migrate_gone(text, jsonb, integer) FROM PUBLIC;

-- A row that has been changed here, or that others depend on, stays.
CREATE FUNCTION dualdb.migrate_remove(name text, entry jsonb, max_removals integer,
	OUT removed bigint, OUT put_off bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_relation text := (SELECT t.relation FROM dualdb.migrate_targets() t WHERE t.name = $1);
	v_match text := dualdb.migrate_match(name, 'g.key', 'g.place');
	v_children text;
	v_forgotten bigint;
BEGIN
	removed := 0;
	put_off := 0;
	IF NOT EXISTS (SELECT FROM dualdb.migration_rows l WHERE l.name = migrate_remove.name) THEN
		RETURN;
	END IF;
	put_off := dualdb.migrate_gone(name, entry, max_removals);
	SELECT string_agg(format(' AND NOT EXISTS (SELECT FROM %s c WHERE c.%I = t.id)', c.relation, r.column_name), '')
	INTO v_children
	FROM dualdb.migrate_references() r JOIN dualdb.migrate_targets() c ON c.name = r.name
	WHERE r.parent = $1 AND r.is_enforced;
	EXECUTE format('DELETE FROM %s t USING pg_temp.gone g WHERE %s AND %s = g.row_sum%s',
		v_relation, v_match, dualdb.migrate_sum(entry, name, 't'), v_children);
	GET DIAGNOSTICS removed = ROW_COUNT;
	EXECUTE format('DELETE FROM dualdb.migration_rows l USING pg_temp.gone g
		WHERE l.name = %L AND l.key = g.key AND NOT EXISTS (SELECT FROM %s t WHERE %s)',
		name, v_relation, v_match);
	GET DIAGNOSTICS v_forgotten = ROW_COUNT;
	put_off := put_off - v_forgotten;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_remove(text, jsonb, integer) IS
	'internal: remove the rows of a table that came from the source and are gone there';
REVOKE ALL ON FUNCTION dualdb.migrate_remove(text, jsonb, integer) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_table_step(task dualdb.migration_tables,
	batch_size integer, wrap_hashes boolean, max_removals integer)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_started_at timestamptz := clock_timestamp();
	v_done record;
	v_total bigint;
BEGIN
	IF task.state = 'removing' THEN
		SELECT r.removed, r.put_off INTO v_done
		FROM dualdb.migrate_remove(task.name, task.mapping, max_removals) r;
		EXECUTE format('SELECT count(*) FROM %s s WHERE %s', to_regclass(task.mapping ->> 'from'),
			coalesce(task.mapping ->> 'where', 'true')) INTO v_total;
		UPDATE dualdb.migration_tables m SET state = 'copying', removed = v_done.removed,
			put_off = v_done.put_off, rows_total = v_total, changed_at = clock_timestamp()
		WHERE m.name = task.name;
		RETURN;
	END IF;
	SELECT b.last_key, b.rows_read, b.written, b.put_off INTO v_done
	FROM dualdb.migrate_batch(task.name, task.mapping, task.last_key, batch_size, wrap_hashes) b;
	UPDATE dualdb.migration_tables m SET last_key = v_done.last_key,
		state = CASE WHEN v_done.last_key IS NULL THEN 'done' ELSE 'copying' END,
		rows_read = m.rows_read + v_done.rows_read, written = m.written + v_done.written,
		put_off = m.put_off + v_done.put_off, changed_at = clock_timestamp(),
		started_at = CASE WHEN task.last_key IS NULL THEN v_started_at ELSE m.started_at END
	WHERE m.name = task.name;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_table_step(dualdb.migration_tables, integer, boolean, integer) IS
	'internal: what is to be done next for a table';
REVOKE ALL ON FUNCTION dualdb.migrate_table_step(dualdb.migration_tables, integer, boolean, integer) FROM PUBLIC;

-- Values that are compared as text must be written in one way, whoever calls.
CREATE FUNCTION dualdb.migrate_step(mapping jsonb,
	batch_size integer, wrap_hashes boolean, max_removals integer)
RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET extra_float_digits = 1
SET bytea_output = 'hex'
AS $$
DECLARE
	v_task dualdb.migration_tables;
BEGIN
	PERFORM dualdb.migrate_prepare();
	SELECT m.* INTO v_task
	FROM dualdb.migration_tables m
		JOIN dualdb.migrate_here(migrate_step.mapping) h ON h.name = m.name
	WHERE m.state <> 'done'
	ORDER BY m.state = 'copying', CASE m.state WHEN 'removing' THEN -h.position ELSE h.position END
	LIMIT 1;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	BEGIN
		PERFORM dualdb.migrate_table_step(v_task, batch_size, wrap_hashes, max_removals);
	EXCEPTION WHEN OTHERS THEN
		-- the detail would be a whole row, password hash included
		RAISE EXCEPTION USING
			ERRCODE = SQLSTATE,
			MESSAGE = format('table "%s" could not be migrated: %s', v_task.name, dualdb.without_secrets(SQLERRM)),
			HINT = 'SELECT * FROM dualdb.migrate_check(mapping) looks for the rows; the next CALL dualdb.migrate_from(mapping) goes on here.';
	END;
	RETURN (SELECT format('%s: %s, %s of %s rows read, %s written, %s removed, %s put off',
			p.name, p.state, p.rows_read, p.rows_total, p.written, p.removed, p.put_off)
		FROM dualdb.migrate_progress p WHERE p.name = v_task.name);
END
$$;
COMMENT ON FUNCTION dualdb.migrate_step(jsonb, integer, boolean, integer) IS
	'internal: do what is next, and say what it was; NULL at the end of the pass';
REVOKE ALL ON FUNCTION dualdb.migrate_step(jsonb, integer, boolean, integer) FROM PUBLIC;

CREATE FUNCTION dualdb.migrate_end(mapping jsonb) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_said text;
BEGIN
	SELECT string_agg(format('%s %s written, %s removed, %s put off', m.name, m.written, m.removed, m.put_off), '; '
		ORDER BY h.position)
	INTO v_said
	FROM dualdb.migration_tables m JOIN dualdb.migrate_here(migrate_end.mapping) h ON h.name = m.name;
	IF dualdb.setup_mode() <> 'app' THEN
		PERFORM auth.record_event('users_migrated', NULL, v_said);
	END IF;
	RETURN v_said;
END
$$;
COMMENT ON FUNCTION dualdb.migrate_end(jsonb) IS
	'internal: log a pass that has ended; returns what it did';
REVOKE ALL ON FUNCTION dualdb.migrate_end(jsonb) FROM PUBLIC;

-- A procedure that commits cannot have a search_path of its own: it uses no operator
-- and no name without its schema.
CREATE PROCEDURE dualdb.migrate_from(mapping jsonb, batch_size integer DEFAULT 10000,
	wrap_hashes boolean DEFAULT false, max_removals integer DEFAULT 1000)
LANGUAGE plpgsql
AS $$
DECLARE
	v_done text;
BEGIN
	v_done := dualdb.migrate_begin(mapping);
	LOOP
		COMMIT;
		RAISE NOTICE '%', v_done;
		v_done := dualdb.migrate_step(mapping, batch_size, wrap_hashes, max_removals);
		EXIT WHEN v_done IS NULL;
	END LOOP;
	v_done := dualdb.migrate_end(mapping);
	COMMIT;
	RAISE NOTICE 'end of the pass: %', v_done;
END
$$;
COMMENT ON PROCEDURE dualdb.migrate_from(jsonb, integer, boolean, integer) IS
	'copy rows of another database here by a mapping, and bring up to date what was copied before';
REVOKE ALL ON PROCEDURE dualdb.migrate_from(jsonb, integer, boolean, integer) FROM PUBLIC;
