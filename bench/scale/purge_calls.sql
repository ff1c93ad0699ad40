-- What deleting 500 rows takes, with the commit; after chosen.sql.
DO $$
DECLARE
	v_start timestamptz;
BEGIN
	FOR v_n IN 1 .. 3 LOOP
		v_start := clock_timestamp();
		PERFORM auth.purge_expired(500);
		COMMIT;
		CALL pg_temp.note('6 purge_expired, 500 rows', v_start);
	END LOOP;
END
$$;
