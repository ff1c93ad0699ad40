-- dualdb.trusted_keys, jwks() and verification with the key of RFC 8037 appendix
-- A, whose private half is public; the tokens were signed by OpenSSL and are valid
-- until the year 2100
\set token eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6InJmYzgwMzcifQ.eyJpc3MiOiJyZWdyZXNzIiwic3ViIjoidXNlci0xIiwiYXVkIjoiYWlzYWxlc19hcHAiLCJleHAiOjQxMDI0NDQ4MDB9.c2RTDA4hwhItIQKdR5ffTfmMo4VPJWYxHYplddGTBTx6_-vV2dtKsL5Oxxjh2hq9QcrSbMgpdUbu6UuZBjsSDQ
\set with_roles eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6InJmYzgwMzcifQ.eyJpc3MiOiJyZWdyZXNzIiwic3ViIjoidXNlci0xIiwiYXVkIjpbIm90aGVyIiwiYWlzYWxlc19hcHAiXSwiZXhwIjo0MTAyNDQ0ODAwLCJzaWQiOiJzLTEiLCJyb2xlcyI6WyJhZG1pbiIsImVkaXRvciJdLCJzY29wZSI6Im9yZGVyczpyZWFkIHJlcG9ydHM6KiJ9.Os9rtoxgTjqfU6UPl3v_bqetslcWqxf3DsRO8ZiGLUr1_rvCCer2F0GNQ_AB3WqQx1Juyxa4CKXL8Koir_vPAg
\set expired eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6InJmYzgwMzcifQ.eyJpc3MiOiJyZWdyZXNzIiwic3ViIjoidXNlci0xIiwiYXVkIjoiYWlzYWxlc19hcHAiLCJleHAiOjEwMDAwMDAwMDB9.tgh5akhV3zilRMTNJ8mtnS88grkkwgQd5r1bg7l9dfb72q2FtRp_q-OVxNqVh_ij8pezI4yaZxcr6THvvUhkCQ

-- no key, no token
SELECT dualdb.jwks();
SELECT dualdb.jwt_verify(:'token');  -- fails

INSERT INTO dualdb.trusted_keys (kid, issuer, public_key) VALUES ('rfc8037', 'regress',
	'\xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
SELECT jsonb_pretty(dualdb.jwks());
SELECT dualdb.jwt_verify(:'token');
SELECT dualdb.jwt_verify(:'with_roles');
SELECT dualdb.jwt_verify(:'expired');  -- fails

-- the audience is the setting's unless given
SELECT dualdb.jwt_verify(:'token', 'aisales_app') IS NOT NULL AS ours,
	dualdb.jwt_verify(:'with_roles', 'other') IS NOT NULL AS one_of_two;
SELECT dualdb.jwt_verify(:'token', 'other');  -- fails
SELECT dualdb.jwt_verify(:'token', '');  -- fails
SET dualdb.audience = 'other';
SELECT dualdb.jwt_verify(:'token');  -- fails
RESET dualdb.audience;

-- what is no token
SELECT dualdb.jwt_verify(NULL);  -- fails
SELECT dualdb.jwt_verify('');  -- fails
SELECT dualdb.jwt_verify('a.b.c');  -- fails
SELECT dualdb.jwt_verify(:'token' || '.');  -- fails

-- identity, roles and permissions
BEGIN;
SELECT dualdb.user_id(), dualdb.session_id(), dualdb.claims(), dualdb.has_role('admin'), dualdb.has_permission('orders:read');
SELECT dualdb.authenticate(:'with_roles');
SELECT dualdb.user_id(), dualdb.session_id();
SELECT dualdb.claims();
SELECT r, dualdb.has_role(r) FROM unnest(ARRAY['admin', 'editor', 'Admin', 'adm', '', NULL]) r;
SELECT p, dualdb.has_permission(p)
FROM unnest(ARRAY['orders:read', 'orders:write', 'orders', 'orders:read:all', 'reports:read',
	'reports:read:all', 'reports', 'reports:', '*', '', NULL]) p;
COMMIT;
SELECT dualdb.user_id(), dualdb.has_role('admin'), dualdb.has_permission('orders:read');

-- a change of the keys is seen at once, and a rolled-back one is not
BEGIN;
UPDATE dualdb.trusted_keys SET not_after = now() - interval '1 second';
SELECT dualdb.jwks();
SELECT dualdb.jwt_verify(:'token');  -- fails
ROLLBACK;
SELECT dualdb.jwt_verify(:'token') ->> 'sub' AS sub;
UPDATE dualdb.trusted_keys SET not_before = now() + interval '1 hour';
SELECT dualdb.jwt_verify(:'token');  -- fails
UPDATE dualdb.trusted_keys SET not_before = NULL, issuer = 'somebody else';
SELECT dualdb.jwt_verify(:'token');  -- fails
UPDATE dualdb.trusted_keys SET issuer = 'regress', public_key = decode(repeat('00', 32), 'hex');
SELECT dualdb.jwt_verify(:'token');  -- fails
TRUNCATE dualdb.trusted_keys;
SELECT dualdb.jwt_verify(:'token');  -- fails

-- what is no key
INSERT INTO dualdb.trusted_keys (kid, issuer, public_key) VALUES ('short', 'regress', '\x00');  -- fails
INSERT INTO dualdb.trusted_keys (kid, issuer, public_key) VALUES ('', 'regress', decode(repeat('00', 32), 'hex'));  -- fails
