-- Password hashes that users came with: how long a refusal must take for none of
-- them to be told from the others.

-- here, because DROP EXTENSION ... CASCADE takes it along
DO $$
BEGIN
	IF to_regclass('auth.users_password_hash_class_idx') IS NULL THEN
		CREATE INDEX users_password_hash_class_idx
			ON auth.users (dualdb.password_hash_class(password_hash));
	END IF;
END
$$;

-- One step down the index for each kind of hash that there is.  Of argon2id as it is
-- made here the costliest may be today's, and then one more.
CREATE OR REPLACE FUNCTION auth.costliest_hashes() RETURNS text[]
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_below bigint := 9223372036854775807;
	v_hashes text[] := '{}';
	v_user record;
BEGIN
	LOOP
		SELECT u.password_hash, dualdb.password_hash_class(u.password_hash) AS class
		INTO v_user
		FROM auth.users u
		WHERE dualdb.password_hash_class(u.password_hash) < v_below
		ORDER BY dualdb.password_hash_class(u.password_hash) DESC LIMIT 1;
		EXIT WHEN NOT FOUND;
		v_hashes := v_hashes || v_user.password_hash;
		v_below := CASE WHEN v_user.class >> 46 = 1
				AND NOT dualdb.password_needs_rehash(v_user.password_hash) THEN v_user.class
			ELSE (v_user.class >> 46) << 46 END;
	END LOOP;
	RETURN v_hashes;
END
$$;
COMMENT ON FUNCTION auth.costliest_hashes() IS
	'internal: of each kind of password hash that users have, the one that takes longest to compare';
REVOKE ALL ON FUNCTION auth.costliest_hashes() FROM PUBLIC;
