-- Monthly partitions of the logs, auth.audit_log and app.api_logs: made ahead, and
-- dropped when somebody says how long to keep them.
--
-- Months are those of UTC.  What has no partition is in the default one, and moves
-- out of it when its month gets a partition.  Nobody sees it missing or twice: the
-- default partition is locked meanwhile.  So is the log against writers: one who has
-- found the default partition and waits for it would be refused by it afterwards.

CREATE FUNCTION dualdb.log_partitions(
	parent regclass, OUT partition regclass, OUT lower timestamptz, OUT upper timestamptz)
RETURNS SETOF record
LANGUAGE sql STABLE STRICT PARALLEL UNSAFE ROWS 20
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
AS $$
	SELECT c.oid::regclass,
		coalesce(b.bounds[1]::timestamptz, '-infinity'),
		coalesce(b.bounds[2]::timestamptz, 'infinity')
	FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		-- MINVALUE and MAXVALUE have no quotes
		CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid),
			'^FOR VALUES FROM \((?:''([^'']*)''|MINVALUE)\) TO \((?:''([^'']*)''|MAXVALUE)\)$') b (bounds)
	WHERE i.inhparent = parent AND b.bounds IS NOT NULL
$$;
COMMENT ON FUNCTION dualdb.log_partitions(regclass) IS
	'internal: partitions of a table and their bounds, but for the default partition';
REVOKE ALL ON FUNCTION dualdb.log_partitions(regclass) FROM PUBLIC;

CREATE FUNCTION dualdb.partitioned_by(
	parent regclass, OUT key name, OUT default_partition regclass)
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	SELECT a.attname, nullif(p.partdefid, 0)::regclass INTO key, default_partition
	FROM pg_partitioned_table p
		JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
	WHERE p.partrelid = parent AND p.partstrat = 'r' AND p.partnatts = 1
		AND a.atttypid = 'timestamptz'::regtype;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'wrong_object_type',
			MESSAGE = format('"%s" is not partitioned by ranges of a timestamptz column', parent);
	END IF;
END
$$;
COMMENT ON FUNCTION dualdb.partitioned_by(regclass) IS
	'internal: the column by whose time a table is partitioned, and its default partition, if any';
REVOKE ALL ON FUNCTION dualdb.partitioned_by(regclass) FROM PUBLIC;

CREATE FUNCTION dualdb.partition_name(parent regclass, lower timestamptz) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
	SELECT format('%I.%I', n.nspname, c.relname || to_char(lower, '_YYYYMM'))
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.oid = parent
$$;
COMMENT ON FUNCTION dualdb.partition_name(regclass, timestamptz) IS
	'internal: the partition of a month, qualified and quoted';
REVOKE ALL ON FUNCTION dualdb.partition_name(regclass, timestamptz) FROM PUBLIC;

CREATE FUNCTION dualdb.add_partition(
	parent regclass, lower timestamptz, upper timestamptz, OUT moved bigint)
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
	v_by record := dualdb.partitioned_by(parent);
	v_caller name := current_user;
	v_role text := current_setting('role');
	v_owner name;
	v_partition text := dualdb.partition_name(parent, lower);
	v_columns text;
BEGIN
	SELECT r.rolname INTO v_owner
	FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
	WHERE c.oid = parent;
	SELECT string_agg(quote_ident(a.attname), ', ') INTO v_columns
	FROM pg_attribute a
	WHERE a.attrelid = parent AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';

	-- as the log's owner, not with the default privileges of whoever calls this
	IF v_owner <> current_user THEN
		PERFORM set_config('role', v_owner, true);
	END IF;
	EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL)', v_partition, parent);
	IF v_owner <> v_caller THEN
		PERFORM set_config('role', v_role, true);
	END IF;
	moved := 0;
	IF v_by.default_partition IS NOT NULL THEN
		EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', v_by.default_partition);
		EXECUTE format('INSERT INTO %s (%s) SELECT %s FROM %s d WHERE d.%I >= $1 AND d.%I < $2',
			v_partition, v_columns, v_columns, v_by.default_partition, v_by.key, v_by.key)
			USING lower, upper;
		EXECUTE format('DELETE FROM %s d WHERE d.%I >= $1 AND d.%I < $2',
			v_by.default_partition, v_by.key, v_by.key) USING lower, upper;
		GET DIAGNOSTICS moved = ROW_COUNT;
	END IF;
	EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
		parent, v_partition, lower, upper);
END
$$;
COMMENT ON FUNCTION dualdb.add_partition(regclass, timestamptz, timestamptz) IS
	'internal: make a partition, with the rows of its time that the default partition has; returns their number';
REVOKE ALL ON FUNCTION dualdb.add_partition(regclass, timestamptz, timestamptz) FROM PUBLIC;

-- Rows of times long ago or far ahead make no partition: whoever may insert could
-- make any number of them.  Nor does a month whose partition has been detached, to be
-- kept, and still has its name.
CREATE FUNCTION dualdb.missing_partitions(
	parent regclass, ahead integer, since timestamptz)
RETURNS SETOF timestamptz
LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 5
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
	v_by record := dualdb.partitioned_by(parent);
	v_this timestamptz := date_trunc('month', now());
	v_month timestamptz;
	v_wanted boolean;
BEGIN
	FOR v_month IN
		SELECT m.month
		FROM generate_series(coalesce(since, v_this - interval '1 year'),
				v_this + make_interval(months => ahead), '1 month') m (month)
		WHERE NOT EXISTS (SELECT FROM dualdb.log_partitions(parent) p
			WHERE p.lower < m.month + interval '1 month' AND p.upper > m.month)
			AND to_regclass(dualdb.partition_name(parent, m.month)) IS NULL
		ORDER BY m.month
	LOOP
		v_wanted := v_month >= v_this;
		IF NOT v_wanted AND v_by.default_partition IS NOT NULL THEN
			EXECUTE format('SELECT true FROM %s d WHERE d.%I >= $1 AND d.%I < $2 LIMIT 1',
				v_by.default_partition, v_by.key, v_by.key)
				INTO v_wanted USING v_month, v_month + interval '1 month';
		END IF;
		IF v_wanted THEN
			RETURN NEXT v_month;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION dualdb.missing_partitions(regclass, integer, timestamptz) IS
	'internal: months that have no partition: from this month on, and before it, since a time or within a year, where the default partition has rows of them';
REVOKE ALL ON FUNCTION dualdb.missing_partitions(regclass, integer, timestamptz) FROM PUBLIC;

CREATE FUNCTION dualdb.drop_partitions(
	parent regclass, before timestamptz, OUT dropped integer, OUT deleted bigint)
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_by record := dualdb.partitioned_by(parent);
	v_partition regclass;
BEGIN
	dropped := 0;
	deleted := 0;
	FOR v_partition IN
		SELECT p.partition FROM dualdb.log_partitions(parent) p
		WHERE p.upper <= before ORDER BY p.upper
	LOOP
		EXECUTE format('DROP TABLE %s', v_partition);
		dropped := dropped + 1;
	END LOOP;
	IF v_by.default_partition IS NOT NULL THEN
		EXECUTE format('DELETE FROM %s d WHERE d.%I < $1', v_by.default_partition, v_by.key)
			USING before;
		GET DIAGNOSTICS deleted = ROW_COUNT;
	END IF;
END
$$;
COMMENT ON FUNCTION dualdb.drop_partitions(regclass, timestamptz) IS
	'internal: drop partitions, and delete rows of the default partition, of before a time';
REVOKE ALL ON FUNCTION dualdb.drop_partitions(regclass, timestamptz) FROM PUBLIC;

-- Locks are taken in the order in which an application takes them: the tables that
-- are referred to, then the log.  Waits for them are shorter than deadlock_timeout,
-- and so are those of whoever waits behind this.
CREATE FUNCTION dualdb.maintain_partitions(
	parent regclass, ahead integer DEFAULT 2, keep interval DEFAULT NULL,
	OUT created integer, OUT moved bigint, OUT dropped integer, OUT deleted bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET lock_timeout = '500ms'
AS $$
DECLARE
	v_before timestamptz;
	v_months timestamptz[];
	v_month timestamptz;
	v_referenced regclass;
BEGIN
	PERFORM dualdb.require_primary();
	IF parent IS NULL OR ahead IS NULL OR ahead NOT BETWEEN 0 AND 36
		OR keep > interval '100 years' OR now() - keep > now()
	THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'partitions cannot be maintained for that time',
			HINT = 'ahead is a number of months from 0 to 36; keep is not negative, and at most 100 years.';
	END IF;
	v_before := date_trunc('month', now() - keep);
	-- one at a time; nobody else waits for this lock
	EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', parent);
	v_months := ARRAY(SELECT m.month FROM dualdb.missing_partitions(parent, ahead, v_before) m (month));
	FOR v_referenced IN
		SELECT k.confrelid FROM pg_constraint k
		WHERE k.conrelid = parent AND k.contype = 'f' AND v_months <> '{}' ORDER BY k.confrelid
	LOOP
		EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', v_referenced);
	END LOOP;
	IF v_months <> '{}' THEN
		EXECUTE format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE', parent);
	END IF;

	dropped := 0;
	deleted := 0;
	IF keep IS NOT NULL THEN
		SELECT d.dropped, d.deleted INTO dropped, deleted
		FROM dualdb.drop_partitions(parent, v_before) d;
	END IF;
	created := cardinality(v_months);
	moved := 0;
	FOREACH v_month IN ARRAY v_months LOOP
		moved := moved + dualdb.add_partition(parent, v_month, v_month + interval '1 month');
	END LOOP;
END
$$;
COMMENT ON FUNCTION dualdb.maintain_partitions(regclass, integer, interval) IS
	'make partitions of this month and the next ones, with the rows of theirs that the default partition has, and, if keep is given, drop what is older; call it daily';
REVOKE ALL ON FUNCTION dualdb.maintain_partitions(regclass, integer, interval) FROM PUBLIC;
