-- What a worker needs of dualdb: on each, as superuser, after shard.sql, and again after
-- each setup_app() on the coordinator (docs/sharding.md)
--
--   psql -v auth_host=... -v auth_port=... -v auth_database=... -f node.sql
--
-- where the auth database is, as for setup_app(); what is not given is as it was.
--
-- Tables and roles have come from the coordinator.  Keys and revocations each node
-- pulls itself, by a sync that leaves the directory to the coordinator.

\set ON_ERROR_STOP on
\if :{?auth_host} \else \set auth_host '' \endif
\if :{?auth_port} \else \set auth_port '' \endif
\if :{?auth_database} \else \set auth_database '' \endif
BEGIN;
SET LOCAL search_path = pg_catalog, pg_temp;
-- from here on this node is the only one that changes
SELECT dualdb.setup_prepare();

DO $$
BEGIN
	IF (SELECT l.groupid FROM pg_dist_local_group l) = 0 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = 'this is the coordinator',
			HINT = 'Run node.sql on the workers.';
	END IF;
END
$$;

SELECT s.part, dualdb.run_step(s.run_as, dualdb.setup_text(s.part, dualdb.setup_arguments(
	nullif(:'auth_database', ''), nullif(:'auth_host', ''), nullif(:'auth_port', '')::integer)))
FROM (VALUES
	(1, NULL, 'app/privileges'),
	(2, NULL, 'bridge/schema'),
	(3, 'dualdb_bridge_owner', 'bridge/sync_state'),
	(4, NULL, 'bridge/server'),
	(5, 'dualdb_bridge_owner', 'bridge/sync'),
	(6, 'dualdb_bridge_owner', 'bridge/sync_status'),
	(7, NULL, 'app/harden')) s (n, run_as, part)
ORDER BY s.n;

-- as whom Citus connects from node to node: the one writes the directory, the other
-- moves shards; pg_hba.conf lets nobody else in as them
ALTER ROLE dualdb_bridge_owner LOGIN;
ALTER ROLE dualdb_app_owner LOGIN;
SELECT format('GRANT CONNECT ON DATABASE %I TO dualdb_bridge_owner, dualdb_app_owner', current_database())
UNION ALL
-- as in shard.sql; but the transactions of the coordinator come in here
SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', p.oid::regprocedure)
FROM pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace
	AND (p.proname ~ '^run_command_on_' OR p.proname = 'master_run_on_worker')
\gexec
COMMIT;
