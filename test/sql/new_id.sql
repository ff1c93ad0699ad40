-- new_id(): UUID version 7 as text
SELECT dualdb.new_id() ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' AS version_7;
SELECT dualdb.new_id()::uuid IS NOT NULL AS a_uuid;

-- the first 48 bits are the time in milliseconds
SELECT abs(extract(epoch FROM clock_timestamp()) * 1000
	- ('x' || lpad(translate(left(dualdb.new_id(), 13), '-', ''), 16, '0'))::bit(64)::bigint) < 10000 AS is_now;

-- ids of one backend are distinct and sort in the order they were made
SELECT count(DISTINCT s.id) AS ids, bool_and(s.id COLLATE "C" > s.previous COLLATE "C") AS ascending
FROM (SELECT i.id, lag(i.id) OVER (ORDER BY i.n) AS previous
	FROM (SELECT n, dualdb.new_id() AS id FROM generate_series(1, 20000) n) i) s;
