-- verify_setup(): partitions of the logs, and tokens that are passed on.

-- What is looked at is in the catalog; maintain_partitions() looks at the rows.
CREATE FUNCTION dualdb.verify_partitions(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
	WITH logs AS MATERIALIZED (
		SELECT l.name, l.owner, to_regclass(l.name) AS log, to_regclass(l.name || '_default') AS detached,
			p.default_partition
		FROM (VALUES ('auth', 'auth.audit_log', 'dualdb_auth_owner'), ('app', 'app.api_logs', 'dualdb_app_owner'))
				l (side, name, owner)
			CROSS JOIN LATERAL dualdb.partitioned_by(to_regclass(l.name)) p
		WHERE l.side = ANY (sides)
	)
	SELECT 'error', 'partitions',
		format('%s has no default partition: what is logged fails, logins too, in a month that has none.', l.name),
		CASE WHEN l.detached IS NULL
			THEN format('CREATE TABLE %1$s_default PARTITION OF %1$s DEFAULT; ALTER TABLE %1$s_default OWNER TO %2$s;', l.name, l.owner)
			ELSE format('ALTER TABLE %1$s ATTACH PARTITION %1$s_default DEFAULT;', l.name) END
	FROM logs l WHERE l.default_partition IS NULL
	UNION ALL
	SELECT 'warning', 'partitions',
		format('%s has no partition of %s: its rows go into the default one.', l.name, to_char(m.month, 'YYYY-MM')),
		CASE WHEN to_regclass(m.partition) IS NULL THEN ''
			ELSE format('ALTER TABLE %s RENAME TO %s; ', m.partition, split_part(m.partition, '.', 2) || '_detached') END
			|| format('SELECT * FROM dualdb.maintain_partitions(%L);', l.name)
	FROM logs l CROSS JOIN LATERAL (
		SELECT s.month, dualdb.partition_name(l.log, s.month) AS partition
		FROM generate_series(date_trunc('month', now()), now() + interval '1 month', '1 month') s (month)) m
	WHERE NOT EXISTS (SELECT FROM dualdb.log_partitions(l.log) p
		WHERE p.lower < m.month + interval '1 month' AND p.upper > m.month)
$$;
COMMENT ON FUNCTION dualdb.verify_partitions(text[]) IS
	'internal: verify_setup() of the partitions of the logs';
REVOKE ALL ON FUNCTION dualdb.verify_partitions(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.is_sharded() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_sharded boolean := false;
BEGIN
	IF to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN
		EXECUTE 'SELECT EXISTS (SELECT FROM pg_catalog.pg_dist_partition p
				WHERE p.logicalrelid = to_regclass(''app.projects''))'
			INTO v_sharded;
	END IF;
	RETURN v_sharded;
END
$$;
COMMENT ON FUNCTION dualdb.is_sharded() IS
	'internal: does Citus distribute schema app?';
REVOKE ALL ON FUNCTION dualdb.is_sharded() FROM PUBLIC;

CREATE FUNCTION dualdb.verify_forwarding(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN h.sharded THEN 'error' ELSE 'warning' END, 'forwarded_tokens',
		format('%s is %s %s, and ', s.name, s.value, s.place) || CASE WHEN h.sharded
			THEN 'schema app is sharded: its nodes know nobody, and users see no rows.'
			ELSE 'schema app is not sharded: a token is an identity without authenticate().' END,
		format('%s SET %s = %s;', s.change, s.name, w.value)
	FROM (SELECT dualdb.is_sharded() AS sharded) h
		CROSS JOIN LATERAL (VALUES
			('dualdb.forward_tokens', CASE WHEN h.sharded THEN 'on' ELSE 'off' END),
			('citus.propagate_set_commands', CASE WHEN h.sharded THEN 'local' END)) w (name, value)
		JOIN dualdb.verify_settings() s ON s.name = w.name
	WHERE s.change IS NOT NULL AND CASE w.value
		WHEN 'on' THEN NOT s.value::boolean WHEN 'off' THEN s.value::boolean ELSE s.value <> w.value END
$$;
COMMENT ON FUNCTION dualdb.verify_forwarding(text[]) IS
	'internal: verify_setup() of tokens that one node passes on to another';
REVOKE ALL ON FUNCTION dualdb.verify_forwarding(text[]) FROM PUBLIC;
