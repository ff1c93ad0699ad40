-- verify_setup(): what an app database must not hold.

CREATE FUNCTION dualdb.sample_values(
	relation oid, max_rows integer, OUT column_name name, OUT value text)
RETURNS SETOF record
LANGUAGE c STABLE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dualdb_sample_values';
COMMENT ON FUNCTION dualdb.sample_values(oid, integer) IS
	'internal: texts in the first rows of a table, cut off; no code of the table''s owner is run';
REVOKE ALL ON FUNCTION dualdb.sample_values(oid, integer) FROM PUBLIC;

-- Password hashes, our own tokens and API keys, JWS, private keys, and connection
-- strings with a password.
CREATE FUNCTION dualdb.secret_pattern() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '(\$argon2(id|i|d)\$|\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{10}|\$[156y]\$[./=,A-Za-z0-9]+\$'
		'|pbkdf2[_:-]sha[0-9]+[$:]|\$pbkdf2|\mscrypt[:$][0-9]+|\$scrypt\$|SCRAM-SHA-256\$[0-9]+:'
		'|ddb[roc]_[A-Za-z0-9_-]{43}|ddb_[0-9A-Za-z]{16}_[0-9A-Za-z]{49}'
		'|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{20,}'
		'|-----BEGIN [A-Z0-9 ]*PRIVATE KEY|\mpostgres(ql)?://[^:/@\s]+:[^:/@\s]+@'
		'|\m(host|hostaddr|port|dbname|user)=[^\s",{}\\]+(\s+[a-z_]+=[^\s",{}\\]+)*\s+password=[^\s",{}\\*]'
		'|\mpassword=[^\s",{}\\*][^\s",{}\\]*\s+([a-z_]+=[^\s",{}\\]+\s+)*(host|hostaddr|port|dbname|user)=[^\s])'
$$;
COMMENT ON FUNCTION dualdb.secret_pattern() IS
	'internal: what password hashes, tokens and keys look like';
REVOKE ALL ON FUNCTION dualdb.secret_pattern() FROM PUBLIC;

-- Works on JSON and arrays, too: what follows ends with a quote or bracket.
CREATE FUNCTION dualdb.without_secrets(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT regexp_replace(
		regexp_replace(value, '-----BEGIN [A-Z0-9 ]*PRIVATE KEY[^"]*', '***', 'g'),
		dualdb.secret_pattern() || '[^\s",{}\\]*(,[a-z]+=[^\s",{}\\]*)*', '***', 'g')
$$;
COMMENT ON FUNCTION dualdb.without_secrets(text) IS
	'internal: a text with *** in place of each password hash, token and key';
REVOKE ALL ON FUNCTION dualdb.without_secrets(text) FROM PUBLIC;

CREATE FUNCTION dualdb.secret_name(name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT name ~* '(password|passwd|passphrase|(^|_)pwd|secret|credential|private_?key|signing_?key|api_?key|(refresh|access|session|auth|bearer)_?token|(^|_)token$|token_?hash)'
		AND name !~* '(_(id|at|on|by|name|ref|kind|type|count|version|limit|used|ttl|prefix|expires|policy)$)'
$$;
COMMENT ON FUNCTION dualdb.secret_name(text) IS
	'internal: is it a name for a password, token or key?';
REVOKE ALL ON FUNCTION dualdb.secret_name(text) FROM PUBLIC;

-- Tables of others than extensions, in an app database.
CREATE FUNCTION dualdb.verify_app_tables(sides text[], OUT id oid, OUT object text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.oid, format('%I.%I', n.nspname, c.relname)
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p') AND 'app' = ANY (sides)
		AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'dualdb')
		AND n.nspname !~ '^pg_(toast|temp)' AND NOT (n.nspname = 'auth' AND 'auth' = ANY (sides))
		AND NOT EXISTS (SELECT FROM pg_depend d
			WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
$$;
COMMENT ON FUNCTION dualdb.verify_app_tables(text[]) IS
	'internal: the tables in which verify_setup() looks for secrets';
REVOKE ALL ON FUNCTION dualdb.verify_app_tables(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_secret_tables(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'warning', 'secret_columns', format('Column %s.%I has the name of a secret.', t.object, a.attname),
		format('ALTER TABLE %s DROP COLUMN %I;', t.object, a.attname)
	FROM dualdb.verify_app_tables(sides) t
		JOIN pg_attribute a ON a.attrelid = t.id
		JOIN pg_type y ON y.oid = a.atttypid
		JOIN pg_class c ON c.oid = t.id
	WHERE a.attnum > 0 AND NOT a.attisdropped AND NOT c.relispartition
		AND (y.typcategory IN ('S', 'A') OR y.typname IN ('bytea', 'json', 'jsonb'))
		AND dualdb.secret_name(a.attname)
	UNION ALL
	SELECT 'warning', 'secret_columns', format('Foreign table %I.%I reads column "%s", which has the name of a secret.',
			n.nspname, c.relname, a.attname),
		format('ALTER FOREIGN TABLE %I.%I DROP COLUMN %I;', n.nspname, c.relname, a.attname)
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_attribute a ON a.attrelid = c.oid
	WHERE c.relkind = 'f' AND 'app' = ANY (sides) AND NOT 'auth' = ANY (sides)
		AND a.attnum > 0 AND NOT a.attisdropped AND dualdb.secret_name(a.attname)
	UNION ALL
	SELECT 'warning', 'secret_values', format('Table %s is locked, and was not looked at.', t.object),
		'SELECT * FROM dualdb.verify_setup(); when it is not locked.'
	FROM dualdb.verify_app_tables(sides) t CROSS JOIN LATERAL dualdb.sample_values(t.id, 1) s
	WHERE s.column_name IS NULL
	UNION ALL
	SELECT 'error', 'secret_values',
		format('Column %s.%I has a password hash, token or key in %s of the rows that were looked at.',
			v.object, v.column_name, v.n),
		format('UPDATE %1$s SET %2$I = dualdb.without_secrets(%2$I::text)::%3$s WHERE %2$I::text ~ dualdb.secret_pattern();',
			v.object, v.column_name, format_type(a.atttypid, a.atttypmod))
	FROM (
		SELECT t.id, t.object, s.column_name, count(*) AS n
		FROM dualdb.verify_app_tables(sides) t
			CROSS JOIN LATERAL dualdb.sample_values(t.id, 1000) s
		WHERE s.value ~ dualdb.secret_pattern()
		GROUP BY t.id, t.object, s.column_name) v
		JOIN pg_attribute a ON a.attrelid = v.id AND a.attname = v.column_name
$$;
COMMENT ON FUNCTION dualdb.verify_secret_tables(text[]) IS
	'internal: verify_setup() of columns that hold secrets, by name and by a sample of their values';
REVOKE ALL ON FUNCTION dualdb.verify_secret_tables(text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.verify_secret_texts(
	sides text[], OUT status text, OUT item text, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'error', 'secret_settings', format('Setting %s holds a secret %s.', s.name, s.place),
		CASE WHEN s.change IS NULL
			THEN format('Remove %s %s, and run SELECT pg_reload_conf();', s.name, s.place)
			ELSE format('%s RESET %I;', s.change, s.name) END
	FROM dualdb.verify_settings() s
	-- what a standby logs in with at its primary is verify_conninfo()'s
	WHERE 'app' = ANY (sides) AND s.name NOT LIKE 'dualdb.%' AND s.name <> 'primary_conninfo'
		AND (s.value ~ dualdb.secret_pattern()
			OR s.name LIKE '%.%' AND s.value <> '' AND dualdb.secret_name(s.name))
	UNION ALL
	SELECT 'error', 'secret_options',
		format('The user mapping for %s on server "%s" holds a secret.', m.who, m.srvname),
		format('ALTER USER MAPPING FOR %s SERVER %I OPTIONS (DROP %I);', m.who, m.srvname, o.option_name)
	FROM (SELECT CASE WHEN u.umuser = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS who,
				s.srvname, u.umoptions
			FROM pg_user_mapping u JOIN pg_foreign_server s ON s.oid = u.umserver
				LEFT JOIN pg_roles r ON r.oid = u.umuser) m
		CROSS JOIN LATERAL pg_options_to_table(m.umoptions) o
	WHERE 'app' = ANY (sides) AND m.who IS NOT NULL AND (o.option_value ~ dualdb.secret_pattern()
		OR dualdb.secret_name(o.option_name) AND o.option_name <> 'password_required')
	UNION ALL
	SELECT 'error', 'secret_options', format('Option %s of server "%s" holds a secret.', o.option_name, s.srvname),
		format('ALTER SERVER %I OPTIONS (DROP %I);', s.srvname, o.option_name)
	FROM pg_foreign_server s CROSS JOIN LATERAL pg_options_to_table(s.srvoptions) o
	WHERE 'app' = ANY (sides) AND (o.option_value ~ dualdb.secret_pattern()
		OR dualdb.secret_name(o.option_name) AND o.option_name <> 'password_required')
	UNION ALL
	SELECT 'error', 'secret_texts', format('The source of function %s holds a secret.', p.oid::regprocedure),
		format('DROP ROUTINE %s;', p.oid::regprocedure)
	FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
	WHERE 'app' = ANY (sides) AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'dualdb', 'auth')
		AND p.prosrc ~ dualdb.secret_pattern()
	UNION ALL
	SELECT 'error', 'secret_texts', format('The comment on %s %s holds a secret.', i.type, i.identity),
		format('COMMENT ON %s %s IS NULL;',
			upper(CASE i.type WHEN 'table column' THEN 'column' ELSE i.type END), i.identity)
	FROM pg_description d CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
	WHERE 'app' = ANY (sides) AND d.description ~ dualdb.secret_pattern() AND i.identity IS NOT NULL
	UNION ALL
	SELECT 'error', 'auth_left_over', 'The auth database''s schema is here, beside a bridge to another one.',
		'DROP SCHEMA auth CASCADE;'
	WHERE 'left_over' = ANY (sides)
$$;
COMMENT ON FUNCTION dualdb.verify_secret_texts(text[]) IS
	'internal: verify_setup() of settings, options, functions and comments that hold secrets';
REVOKE ALL ON FUNCTION dualdb.verify_secret_texts(text[]) FROM PUBLIC;
