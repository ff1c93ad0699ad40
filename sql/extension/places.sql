-- What runs where: on every server, or on the primary alone.

CREATE FUNCTION dualdb.require_primary() RETURNS void
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dualdb_require_primary';
COMMENT ON FUNCTION dualdb.require_primary() IS
	'error 25006 on a standby, with where its primary is as a hint; before anything else in each function that is called to write';
REVOKE ALL ON FUNCTION dualdb.require_primary() FROM PUBLIC;

-- Whoever makes a function that is VOLATILE says here where it runs.
CREATE FUNCTION dualdb.volatile_functions(OUT schema text, OUT name text, OUT place text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 150
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT v.schema, n.name, v.place
	FROM (VALUES
		('dualdb', 'any', 'authenticate authenticate_session jwt_verify jwt_sign jwks new_id
			hash_password verify_password wrap_password_hash migrate_hash new_token new_api_key new_totp_secret match_totp
			generate_signing_key new_hash_key reseal sign_jwt seal_successor bridge_lookup bridge_fetch
			bridge_connection_number shown_column_type verify_setup verify_findings verify_server
			verify_keys'),
		-- what a standby shares in memory stays there
		('dualdb', 'any', 'failures_shared clear_failures post_event event_pending
			scrub_events pending_events pending_failures count_event statistic statistics_since
			reset_statistics'),
		('dualdb', 'primary', 'sync setup_auth setup_app setup_single setup_replicas make_slots setup_prepare setup_role
			setup_finish run_setup run_step clear_default_privileges add_directory_column
			drop_directory_column show_user_column hide_user_column take_user_column
			remake_user_views require_primary try_password try_code maintain_partitions
			add_partition drop_partitions'),
		('dualdb', 'primary', 'migrate_check migrate_from migrate_verify migrate_back migrate_finish
			migrate_prepare migrate_require migrate_begin migrate_step migrate_end
			migrate_table_step migrate_batch migrate_read migrate_compare migrate_insert
			migrate_update migrate_update_hashes migrate_note migrate_gone migrate_remove
			migrate_back_all migrate_back_collect migrate_back_delete migrate_back_write
			migrate_back_note'),
		('auth', 'any', 'verify_api_key exchange_api_key note_key_use record_refusal
			session_is_ending issue_access_token'),
		('auth', 'primary', 'register_user login login_totp refresh logout revoke_session
			change_password request_password_reset reset_password request_email_verification
			verify_email create_api_key rotate_api_key revoke_api_key enroll_totp confirm_totp
			disable_totp recovery_codes create_role grant_role revoke_role set_user_active
			erase_user purge_expired rotate_signing_key revoke_signing_key reseal replace_hash_key flush'),
		-- what the ones above call
		('auth', 'primary', 'add_api_key add_hash_key add_revocation add_signing_key
			clear_failures clear_totp_failures count_failure end_sessions find_one_time_token
			hold_password issue_tokens new_one_time_token record_event retire_signing_key
			revoke_access_tokens set_password start_session stored_failures try_password try_totp
			use_one_time_token use_recovery_code'),
		('bridge', 'any', 'claim_users'),
		('bridge', 'primary', 'sync sync_keys sync_revocations sync_users sync_batch begin_pass
			pull_users bury_users refresh_users remember_users note_failure'),
		('app', 'any', 'lookup_users lookup_user_by_email')) v (schema, place, names)
		CROSS JOIN LATERAL regexp_split_to_table(v.names, '\s+') n (name)
$$;
COMMENT ON FUNCTION dualdb.volatile_functions() IS
	'internal: where each function that is VOLATILE runs: on any server, or on the primary alone';
REVOKE ALL ON FUNCTION dualdb.volatile_functions() FROM PUBLIC;

-- The others cannot write: PostgreSQL sees to it.  A trigger fires where rows are
-- written.
CREATE FUNCTION dualdb.function_places(OUT function regprocedure, OUT place text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 300
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.oid::regprocedure, CASE
		WHEN p.prorettype = 'trigger'::regtype THEN 'primary'
		WHEN p.provolatile <> 'v' THEN 'any'
		ELSE v.place END
	FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
		LEFT JOIN dualdb.volatile_functions() v ON v.schema = n.nspname AND v.name = p.proname
	WHERE n.nspname IN ('dualdb', 'auth', 'bridge', 'app')
$$;
COMMENT ON FUNCTION dualdb.function_places() IS
	'where each function of this database runs: any (on standbys, too) or primary; NULL for one that is not dualdb''s';
REVOKE ALL ON FUNCTION dualdb.function_places() FROM PUBLIC;
