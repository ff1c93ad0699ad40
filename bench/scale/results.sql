-- Median and 95th percentile of what has been noted, and the session's memory.
\pset format unaligned
\pset tuples_only on
\pset fieldsep '\t'
SELECT s.what, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY s.us)),
	round(percentile_cont(0.95) WITHIN GROUP (ORDER BY s.us))
FROM sample s GROUP BY s.what ORDER BY s.what;
SELECT 'session memory ' || current_database() || ', MB',
	round(substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\s+(\d+) kB')::numeric / 1024, 1), '';
