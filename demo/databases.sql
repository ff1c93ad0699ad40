-- The two databases.
SELECT format('CREATE DATABASE %I', d)
FROM unnest(ARRAY['aisales_auth', 'aisales_app']) d
WHERE NOT EXISTS (SELECT FROM pg_database p WHERE p.datname = d) \gexec
