-- Distribute schema app by project: psql -f shard.sql on the coordinator, as superuser.
--
-- Everything that is in the tables goes along.  Run again, it distributes what is
-- new.  Afterwards node.sql on each worker; docs/sharding.md.

\set ON_ERROR_STOP on
BEGIN;
SET LOCAL search_path = pg_catalog, pg_temp;
-- one connection to each node, so that foreign keys see the rows that they need
SET LOCAL citus.multi_shard_modify_mode = 'sequential';

SELECT create_distributed_table('app.projects', 'id')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition d WHERE d.logicalrelid = 'app.projects'::regclass);

SELECT create_distributed_table(c.oid, 'project_id', colocate_with => 'app.projects')
FROM pg_class c
WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
	AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'project_id')
	AND NOT EXISTS (SELECT FROM pg_dist_partition d WHERE d.logicalrelid = c.oid)
ORDER BY c.relname;

-- joined on every node; bridge.sync() writes it on all
SELECT create_reference_table('app.users')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition d WHERE d.logicalrelid = 'app.users'::regclass);

-- the workers do row-level security, so they must know the caller
SELECT format('ALTER DATABASE %I SET dualdb.forward_tokens = on', current_database())
UNION ALL
SELECT format('ALTER DATABASE %I SET citus.propagate_set_commands = local', current_database())
\gexec

-- Citus gives these to PUBLIC.  By the first ones whoever has SQL comes past the
-- distributed tables, to the shards and their nodes; by the last one into a
-- transaction that is not theirs, and to the intermediate results of its queries.
SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', p.oid::regprocedure)
FROM pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace
	AND (p.proname ~ '^run_command_on_' OR p.proname IN ('master_run_on_worker', 'assign_distributed_transaction_id'))
\gexec
COMMIT;
