-- Some users, :calls of them, with tokens and keys that are really theirs, and what is
-- measured with them: table pg_temp.chosen and procedure pg_temp.note().
\set QUIET on
\set ON_ERROR_STOP on
CREATE TEMP TABLE chosen AS
	SELECT u.id AS user_id, u.email, t.access_token, t.refresh_token, k.api_key
	FROM (SELECT DISTINCT 10 * floor(random() * (SELECT count(*) FROM auth.users) / 10)::bigint + 3 AS n
			FROM generate_series(1, :calls)) c
		JOIN auth.users u ON u.email_norm = format('user%s@example.com', c.n)
		JOIN auth.sessions s ON s.user_id = u.id AND s.ended_at IS NULL AND s.expires_at > now()
		CROSS JOIN LATERAL auth.issue_tokens(s.id) t
		CROSS JOIN LATERAL auth.create_api_key(u.id, 'bench', '{orders:read}') k;
-- a session that bench/scale has measured before is here again
DELETE FROM chosen c USING chosen d WHERE c.user_id = d.user_id AND c.ctid > d.ctid;

CREATE TEMP TABLE sample (what text, us double precision);
CREATE PROCEDURE pg_temp.note(what text, start timestamptz) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO pg_temp.sample VALUES (what, extract(epoch FROM clock_timestamp() - start) * 1e6);
END
$$;
