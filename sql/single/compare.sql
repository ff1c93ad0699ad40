-- From one database to two: nothing is given up here before the auth database
-- has it.

DO $$
DECLARE
	v_users bigint;
	v_keys bigint;
BEGIN
	SELECT count(*) INTO v_users
	FROM app.users u LEFT JOIN bridge.user_lookup r ON r.id = u.id
	WHERE (u.email, u.display_name, u.is_active)
		IS DISTINCT FROM (r.email, r.display_name, coalesce(r.is_active, false));
	SELECT count(*) INTO v_keys
	FROM dualdb.trusted_keys t
	WHERE t.origin = 'bridge'
		AND NOT EXISTS (SELECT FROM bridge.trusted_keys r
			WHERE r.kid = t.kid AND r.public_key = t.public_key);
	IF v_users + v_keys > 0 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = 'the auth database does not have all that this database has',
			DETAIL = format('%s users and %s keys are missing there or differ.', v_users, v_keys),
			HINT = 'Keep logins out, copy schema auth into the auth database, and run the setup again.';
	END IF;
END
$$;
