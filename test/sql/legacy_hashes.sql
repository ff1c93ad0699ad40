-- password_hash_format, wrap_password_hash, and hashes of other programs
SET dualdb.argon2_memory = '19MB';
SET dualdb.argon2_iterations = 2;

-- The vectors are those that the programs publish with their own tests: bcrypt's,
-- passlib's, Django's, Werkzeug's, libxcrypt's, the specification of SHA-crypt and
-- RFC 6070.  Python's crypt and hashlib made one of SHA-512-crypt and PBKDF2's with
-- 4096 rounds of SHA-512; and, as their sources say, WordPress's and better-auth's.
CREATE TABLE vector (n serial, format text, password text, hash text);
INSERT INTO vector (format, password, hash) VALUES
	('argon2id', 'password', '$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc'),
	('argon2i', 'password', '$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG'),
	('django_argon2', 'password', 'argon2$argon2i$v=19$m=380,t=2,p=2$c29tZXNhbHQ$SrssP8n7m/12VWPM8dvNrw'),
	('bcrypt', 'U*U*', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK'),
	('bcrypt', 'U*U', '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'),
	('bcrypt', 'U*U', '$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'),
	('bcrypt', 'U*U', '$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'),
	('django_bcrypt', 'U*U', 'bcrypt$$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'),
	('django_bcrypt_sha256', '', 'bcrypt_sha256$$2a$06$/3OeRpbOf8/l6nPPRdZPp.nRiyYqPobEZGdNRBWihQhiFDh1ws1tu'),
	('passlib_bcrypt_sha256', 'password', '$bcrypt-sha256$v=2,t=2b,r=5$5Hg1DKFqPE8C2aflZ5vVoe$wOK1VFFtS8IGTrGa7.h5fs0u84qyPbS'),
	('passlib_bcrypt_sha256', 'password', '$bcrypt-sha256$2b,5$5Hg1DKFqPE8C2aflZ5vVoe$12BjNE0p7axMg55.Y/mHsYiVuFBDQyu'),
	('wordpress_bcrypt', 'password', '$wp$2y$05$CCCCCCCCCCCCCCCCCCCCC.aNavOaUB7DxAGR.lE7prN37L83FzmX6'),
	('md5crypt', 'password', '$1$5pZSV9va$azfrPr6af3Fc7dLblQXVa0'),
	('sha256crypt', 'Hello world!', '$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5'),
	('sha256crypt', 'Hello world!', '$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA'),
	('sha512crypt', 'Hello world!', '$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1'),
	('sha512crypt', 'Hello world!', '$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.'),
	('crypt_scrypt', 'pleaseletmein', '$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D'),
	('yescrypt', 'THE YEAR', '$y$j85$LdJMENpBABJJ3hIHjB1Bi.$9bzSqsy.tgf3vABDP.Wuq0kUG2dQzR03IMMoqvle5I0'),
	('passlib_pbkdf2_sha1', 'password', '$pbkdf2$1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI'),
	('passlib_pbkdf2_sha256', 'password', '$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ'),
	('passlib_pbkdf2_sha512', 'password', '$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww'),
	('django_pbkdf2_sha1', 'not a password', 'pbkdf2_sha1$10000$wz5B6WkasRoF$atJmJ1o+XfJxKq1+Nu1f1i57Z5I='),
	('django_pbkdf2_sha256', 'not a password', 'pbkdf2_sha256$10000$kjVJaVz6qsnJ$5yPHw3rwJGECpUf70daLGhOrQ5+AMxIJdz1c3bqK1Rs='),
	('werkzeug_pbkdf2_sha1', 'password', 'pbkdf2:sha1:4096$salt$4b007901b765489abead49d926f721d065a429c1'),
	('werkzeug_pbkdf2_sha256', 'hunter2', 'pbkdf2:sha256:1000$NaClNaCl$1fa61730fb490772f78ef7625ea7aa78dd5ba8a7f26a3e2bda91db5959752bcb'),
	('werkzeug_pbkdf2_sha512', 'password', 'pbkdf2:sha512:4096$salt$d197b1b33db0143e018b12f3d1d1479e6cdebdcc97c5c0f87f6902e072f457b5143f30602641b3d55cd335988cb36b84376060ecd532e039b742a239434af2d5'),
	('passlib_scrypt', 'test', '$scrypt$ln=8,r=8,p=1$wlhLyXmP8b53bm1NKYVQqg$mTpvG8lzuuDk+DWz8HZIB6Vum6erDuUm0As5yU+VxWA'),
	('django_scrypt', 'hunter2', 'scrypt$1024$NaClNaCl$8$5$z3dOO9MpBUs3s0ewhDxKPHeDmF3pXIkwJtk4HLMGypfqLISFEWWrTobadY0aC/pGWcS1qimug3PUy1ppsYs5cA=='),
	('werkzeug_scrypt', 'hunter2', 'scrypt:1024:8:1$NaClNaCl$4d273a0d2ca220ce60758c5a41bbe10be416f57b9514a2cd2caa2d915671773fd591dee960d84fec1612b9b58dbf5ba3b0776a425c95fb93cc3175ae08716371'),
	('better_auth_scrypt', 'password', '0123456789abcdef0123456789abcdef:f7c278f7f739ad5077f0a82b9a3d67831a7d1b05bc7b8e41fd9d55eb65c87a3f51cefaa870eda509939a162697e744990e3143cfc78ed746f2f981bb61c569e2');

-- each is known, belongs to its password and to no other, and is to be replaced
SELECT v.format, dualdb.password_hash_format(v.hash) = v.format AS known,
	dualdb.verify_password(v.password, v.hash) AS matches,
	dualdb.verify_password(v.password || 'x', v.hash) AS longer,
	dualdb.verify_password('x' || v.password, v.hash) AS other,
	dualdb.verify_password('', v.hash) AS empty,
	dualdb.password_needs_rehash(v.hash) AS rehash
FROM vector v ORDER BY v.n;

-- a digest that is altered does not match
SELECT count(*) AS altered, bool_or(dualdb.verify_password(a.password, a.hash)) AS any_matches
FROM (
	SELECT v.password, overlay(v.hash PLACING CASE substr(v.hash, p.at, 1) WHEN '1' THEN '0' ELSE '1' END FROM p.at) AS hash
	FROM vector v CROSS JOIN LATERAL (VALUES (length(v.hash) - 15)) p (at)
) a;

-- wrapped
CREATE TABLE wrapped AS
SELECT v.n, v.format, v.password, v.hash, dualdb.wrap_password_hash(v.hash) AS wrapped
FROM vector v;
SELECT w.format, dualdb.password_hash_format(w.wrapped) AS becomes,
	dualdb.verify_password(w.password, w.wrapped) AS matches,
	dualdb.verify_password(w.password || 'x', w.wrapped) AS longer,
	dualdb.password_needs_rehash(w.wrapped) AS rehash,
	w.wrapped = w.hash AS as_it_was,
	dualdb.wrap_password_hash(w.wrapped) = w.wrapped AS wrapped_once
FROM wrapped w ORDER BY w.n;
SELECT regexp_replace(w.wrapped, '\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}\$', '$<salt>$<hash>$') AS keeps
FROM wrapped w WHERE w.wrapped <> w.hash ORDER BY w.n;

-- NULL, and what no password has
SELECT dualdb.password_hash_format(NULL) AS format, dualdb.wrap_password_hash(NULL) AS wrapped,
	dualdb.password_hash_class(NULL) AS class;
SELECT dualdb.password_hash_format(h) AS format, dualdb.verify_password('', h) AS empty,
	dualdb.verify_password(substr(h, 2), h) AS itself, dualdb.password_needs_rehash(h) AS rehash,
	dualdb.wrap_password_hash(h) = h AS as_it_was, dualdb.password_hash_class(h) AS class
FROM (VALUES ('!'), ('!Wm0o5VQyCmLzWXvDyDXuX1BCIRYKKvVbhcAWzpOo')) v (h);

-- both forms of a password
SELECT dualdb.verify_password(U&'cafe\0301', hash) AS decomposed, dualdb.verify_password(U&'caf\00e9', hash) AS composed,
	dualdb.verify_password('cafe', hash) AS neither
FROM (VALUES ('pbkdf2:sha1:1000$salt$e8621faf48281253263f1e82e8f3e96dcfbb6af5'), ('pbkdf2:sha1:1000$salt$6be93153d46f087d52ae2c9cdff787b35c6ac2e8')) v (hash);

-- what is wrong with a hash, whatever the password
\set VERBOSITY sqlstate
SELECT dualdb.verify_password(NULL, '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyO');  -- fails
SELECT dualdb.wrap_password_hash('$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyO');  -- fails
SELECT dualdb.password_needs_rehash('pbkdf2_sha256$10000$kjVJaVz6qsnJ$5yPHw3rwJGECpUf70daLGhOrQ5+AMxIJdz1c3bqK1Rs');  -- fails
SELECT dualdb.wrap_password_hash('CCNf8Sbh3HDfQ');  -- fails
SELECT dualdb.password_hash_format(h) AS format, dualdb.password_hash_class(h) AS class
FROM (VALUES ('$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyO'), ('CCNf8Sbh3HDfQ'), ('password'), (''),
	('$2b$16$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW')) v (h);

-- a hash may not ask for more than is allowed
\set VERBOSITY default
SELECT dualdb.verify_password('x', '$2b$16$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW');  -- fails
SELECT dualdb.verify_password('x', '$5$rounds=1000001$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5');  -- fails
SELECT dualdb.verify_password('x', 'pbkdf2_sha1$5000001$wz5B6WkasRoF$atJmJ1o+XfJxKq1+Nu1f1i57Z5I=');  -- fails
SELECT dualdb.verify_password('x', '$scrypt$ln=20,r=8,p=1$wlhLyXmP8b53bm1NKYVQqg$mTpvG8lzuuDk+DWz8HZIB6Vum6erDuUm0As5yU+VxWA');  -- fails
SELECT dualdb.wrap_password_hash('$2b$16$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW');  -- fails
SELECT dualdb.verify_password('x', '$dualdb-wrapped$argon2id$v=19$m=262145,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$Gpj7qOY5RCXJvcMzqcdQqvgR3wcPX7SleI4c9NtXk6E$$1$5pZSV9va$');  -- fails

-- classes: of one kind, the more work the higher; each format of a function is of its kind
SELECT count(DISTINCT dualdb.password_hash_class(v.hash) >> 46) AS kinds,
	count(*) FILTER (WHERE dualdb.password_hash_class(v.hash) IS NULL) AS without
FROM vector v;
SELECT dualdb.password_hash_class('$2b$06$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW')
		> dualdb.password_hash_class('$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW') AS costlier,
	dualdb.password_hash_class('bcrypt$$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW')
		= dualdb.password_hash_class('$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK') AS equal;
