-- Bytes on disk, tables with their indexes; and the memory that the library shares.
\pset format unaligned
\pset tuples_only on
\pset fieldsep '\t'
SELECT 'disk ' || current_database() || ', MB', round(pg_database_size(current_database()) / 1048576.0), '';
SELECT 'bytes a user: ' || current_database() || ' ' || x.name, round(sum(x.bytes) / :users), ''
FROM (SELECT regexp_replace(c.oid::regclass::text, '_(\d{6}|default)$', '') AS name, pg_total_relation_size(c.oid) AS bytes
	FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text IN ('auth', 'app')) x
GROUP BY x.name HAVING sum(x.bytes) / :users >= 20 ORDER BY sum(x.bytes) DESC;
SELECT 'memory that the library shares, MB', round(sum(m.allocated_size) / 1048576.0, 1), ''
FROM pg_shmem_allocations m WHERE m.name ILIKE 'dualdb%' AND current_database() = 'aisales_auth' HAVING count(*) > 0;
