-- hash_password, verify_password, password_needs_rehash
SET dualdb.argon2_memory = '19MB';
SET dualdb.argon2_iterations = 2;

-- a hash is a PHC string, and no two are alike
SELECT dualdb.hash_password('a password') ~ '^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$' AS phc;
SELECT dualdb.hash_password('a password') <> dualdb.hash_password('a password') AS salted;
SELECT dualdb.verify_password('a password', dualdb.hash_password('a password')) AS matches,
	dualdb.verify_password('a Password', dualdb.hash_password('a password')) AS wrong_case,
	dualdb.verify_password('', dualdb.hash_password('a password')) AS empty;
SELECT dualdb.verify_password('pässwörd 密码 🔑', dualdb.hash_password('pässwörd 密码 🔑')) AS unicode;

-- nothing is truncated, up to the limit
SELECT dualdb.verify_password(repeat('x', 1024), h) AS all_of_it,
	dualdb.verify_password(repeat('x', 1023), h) AS all_but_one,
	dualdb.verify_password(repeat('x', 1025), h) AS one_more,
	dualdb.verify_password(repeat('x', 1000000), h) AS a_megabyte
FROM dualdb.hash_password(repeat('x', 1024)) h;

-- never NULL
SELECT dualdb.verify_password(NULL, dualdb.hash_password('a password')) AS no_password,
	dualdb.verify_password('a password', NULL) AS no_hash,
	dualdb.verify_password(NULL, NULL) AS neither;

-- bad passwords
SELECT dualdb.hash_password(NULL);  -- fails
SELECT dualdb.hash_password('');  -- fails
SELECT dualdb.hash_password(repeat('x', 1025));  -- fails
SELECT dualdb.hash_password(repeat('x', 1000000));  -- fails

-- hashes of other programs: argon2-cffi, passlib, libsodium's tests
SELECT dualdb.verify_password(password, hash) AS matches,
	dualdb.verify_password(password || 'x', hash) AS wrong,
	dualdb.password_needs_rehash(hash) AS rehash
FROM (VALUES
	('password', '$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc'),
	('password', '$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG'),
	('K3S=KyH#)36_?]LxeR8QNKw6X=gFbxai$C%29V*', '$argon2id$v=19$m=4096,t=1,p=3$PkEgcHJldHR5IGxvbmcgc2FsdA$HUqx5Z1b/ZypnUrvvJ5UC2Q+T6Q1WwASK/Kr9dRbGA0')
) v (password, hash);

-- not a hash that is known: an error, not false, and it does not show the text
SELECT dualdb.verify_password('x', 'not a hash');  -- fails
SELECT dualdb.verify_password('x', '');  -- fails
SELECT dualdb.verify_password('x', '$2c$12$abcdefghijklmnopqrstuuvTzuTtMcWRRPZ2LBAaXC9xM0OeqVDi2');  -- fails
SELECT dualdb.verify_password('x', '$argon2d$v=19$m=256,t=2,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc');  -- fails
SELECT dualdb.verify_password('x', '$argon2id$m=256,t=2,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc');  -- fails
SELECT dualdb.verify_password('x', '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$');  -- fails
SELECT dualdb.password_needs_rehash('not a hash');  -- fails

-- a hash may not ask for more than is allowed
SELECT dualdb.verify_password('x', '$argon2id$v=19$m=1048577,t=1,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc');  -- fails
SELECT dualdb.verify_password('x', '$argon2id$v=19$m=256,t=65,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc');  -- fails
SELECT dualdb.verify_password('x', '$argon2id$v=19$m=256,t=2,p=17$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc');  -- fails
SELECT dualdb.verify_password('x', '$argon2id$v=19$m=1048576,t=5,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc');  -- fails

-- rehash: exactly when a new hash would be made otherwise
SELECT dualdb.password_needs_rehash(dualdb.hash_password('x')) AS fresh, dualdb.password_needs_rehash(NULL) AS none;
SELECT dualdb.hash_password('x') AS hash \gset
SET dualdb.argon2_iterations = 3;
SELECT dualdb.password_needs_rehash(:'hash') AS more_iterations;
SET dualdb.argon2_iterations = 2;
SET dualdb.argon2_memory = '20MB';
SELECT dualdb.password_needs_rehash(:'hash') AS more_memory;

-- the OWASP minimum is the floor
\set VERBOSITY sqlstate
SET dualdb.argon2_memory = '18MB';  -- fails
SET dualdb.argon2_iterations = 1;  -- fails
