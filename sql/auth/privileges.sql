-- What the auth roles may do in this database, apart from what stands with each
-- table and function.

-- what the owner makes from here on belongs to nobody else by default
ALTER DEFAULT PRIVILEGES FOR ROLE dualdb_auth_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE dualdb_auth_owner REVOKE USAGE ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE dualdb_bridge_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

GRANT USAGE ON SCHEMA auth TO dualdb_auth_service, dualdb_auth_orm, dualdb_bridge_owner,
	pg_monitor;

GRANT EXECUTE ON FUNCTION
	dualdb.require_primary(),
	dualdb.new_token(text), dualdb.hash_token(text, text), dualdb.setting(text),
	dualdb.hash_password(text), dualdb.verify_password(text, text),
	dualdb.password_needs_rehash(text), dualdb.password_hash_format(text),
	dualdb.wrap_password_hash(text), dualdb.generate_signing_key(),
	dualdb.sign_jwt(text, bytea, text), dualdb.jwt_sign(jsonb),
	dualdb.jwt_verify(text, text), dualdb.jwks(),
	dualdb.permission_covered(text, text), dualdb.failures_shared(),
	dualdb.try_password(bytea, integer, integer, timestamptz, text, text, text[]),
	dualdb.try_code(bytea, integer, integer, timestamptz),
	dualdb.clear_failures(bytea),
	dualdb.post_event(text, text, text, text, text),
	dualdb.event_pending(text, text), dualdb.scrub_events(text),
	dualdb.pending_events(),
	dualdb.pending_failures(), dualdb.count_event(text), dualdb.new_api_key(), dualdb.api_key_id(text),
	dualdb.new_totp_secret(text), dualdb.match_totp(text, bytea, text, bigint),
	dualdb.seal_successor(text, text), dualdb.open_successor(text, bytea),
	dualdb.master_keys(), dualdb.new_hash_key(), dualdb.reseal(text, bytea),
	dualdb.sealed_columns(), dualdb.sealed_values(),
	dualdb.maintain_partitions(regclass, integer, interval),
	dualdb.missing_partitions(regclass, integer, timestamptz),
	dualdb.add_partition(regclass, timestamptz, timestamptz),
	dualdb.drop_partitions(regclass, timestamptz), dualdb.log_partitions(regclass),
	dualdb.partitioned_by(regclass), dualdb.partition_name(regclass, timestamptz)
	TO dualdb_auth_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON dualdb.trusted_keys, dualdb.revocations
	TO dualdb_auth_owner;
GRANT SELECT ON dualdb.trusted_keys, dualdb.revocations TO dualdb_bridge_owner;

GRANT EXECUTE ON FUNCTION
	dualdb.hash_password(text), dualdb.verify_password(text, text),
	dualdb.password_needs_rehash(text), dualdb.jwt_verify(text, text), dualdb.jwks()
	TO dualdb_auth_service;
-- who reads a view calls its functions
GRANT EXECUTE ON FUNCTION dualdb.statistic(text), dualdb.statistics_since() TO pg_monitor;
