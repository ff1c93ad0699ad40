-- A report that keeps a processor and the disk busy.
SET work_mem = '4MB';
SELECT o.status, u.is_active, date_trunc('month', o.created_at) AS month, count(DISTINCT o.user_id),
	sum(o.total), percentile_cont(0.5) WITHIN GROUP (ORDER BY o.total)
FROM app.orders o JOIN app.users u ON u.id = o.user_id
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
