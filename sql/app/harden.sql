-- Who may come into this database: its own roles, and not the bridge role, which
-- has no business at this side; and what of their statements is logged.

DO $$
DECLARE
	v_database text := quote_ident(current_database());
BEGIN
	EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %s FROM PUBLIC', v_database);
	EXECUTE format('GRANT CONNECT ON DATABASE %s TO dualdb_app_service,
		dualdb_app_user, dualdb_app_readonly, dualdb_sync', v_database);
	-- tokens are bind parameters here
	EXECUTE format('ALTER DATABASE %s SET log_parameter_max_length = 0', v_database);
	EXECUTE format('ALTER DATABASE %s SET log_parameter_max_length_on_error = 0', v_database);
	EXECUTE format('GRANT TEMPORARY ON DATABASE %s TO dualdb_app_service', v_database);
END
$$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
