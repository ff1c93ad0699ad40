EXTENSION = dualdb
# the control file is the only place that names the version
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" dualdb.control)

PG_CONFIG ?= pg_config
PKG_CONFIG ?= pkg-config

MODULE_big = dualdb
PGFILEDESC = "dualdb - authentication inside PostgreSQL"
# bytes in, status out: compiled and tested without a server, too
OBJS_BYTES = \
	src/api_key.o \
	src/argon2.o \
	src/base64url.o \
	src/bcrypt_hash.o \
	src/claims.o \
	src/crypt_hash.o \
	src/failure_policy.o \
	src/hash_reader.o \
	src/jwk.o \
	src/jws.o \
	src/jwt.o \
	src/jwt_header.o \
	src/legacy_hash.o \
	src/master_key.o \
	src/opaque_token.o \
	src/pbkdf2_hash.o \
	src/permission.o \
	src/phc.o \
	src/redact.o \
	src/scrypt_hash.o \
	src/seal.o \
	src/stored_hash.o \
	src/strict_json.o \
	src/totp.o \
	src/uuid7.o \
	src/wrapped_hash.o
OBJS = $(OBJS_BYTES) \
	src/basics_sql.o \
	src/bridge_connection.o \
	src/bridge_options.o \
	src/bridge_query.o \
	src/bridge_sql.o \
	src/counters.o \
	src/discard.o \
	src/dualdb.o \
	src/feed_age.o \
	src/flush_worker.o \
	src/forwarding.o \
	src/governor.o \
	src/guard_sql.o \
	src/hash_key.o \
	src/identity.o \
	src/legacy_sql.o \
	src/log_redaction.o \
	src/login_guard.o \
	src/outbox.o \
	src/own_projects_sql.o \
	src/own_projects_support.o \
	src/password_sql.o \
	src/refusal.o \
	src/primary_sql.o \
	src/revocations.o \
	src/sealed_sql.o \
	src/secret.o \
	src/secrets_sql.o \
	src/settings.o \
	src/shared_state.o \
	src/signing_sql.o \
	src/statistics_sql.o \
	src/sync_worker.o \
	src/token_sql.o \
	src/trusted_keys.o \
	src/verifier.o \
	src/verify_sql.o

# argon2 and tokens; crypt(3); PBKDF2
LIBRARIES = libsodium libcrypt libcrypto
PG_CPPFLAGS = $(shell $(PKG_CONFIG) --cflags $(LIBRARIES)) -I$(libpq_srcdir)
SHLIB_LINK = $(shell $(PKG_CONFIG) --libs $(LIBRARIES)) $(libpq)
# every PG_FUNCTION_ARGS leaves parameters unused
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter $(WERROR)

# The members of the extension, in the order of the install script.
SQL_MEMBERS = \
	sql/extension/basics.sql \
	sql/extension/places.sql \
	sql/extension/password.sql \
	sql/extension/trusted_keys.sql \
	sql/extension/revocations.sql \
	sql/extension/token.sql \
	sql/extension/signing.sql \
	sql/extension/guard.sql \
	sql/extension/statistics.sql \
	sql/extension/secrets.sql \
	sql/extension/sealed.sql \
	sql/extension/bridge.sql \
	sql/extension/sync.sql \
	sql/extension/partitions.sql \
	sql/extension/setup_roles.sql \
	sql/extension/setup_steps.sql \
	sql/extension/setup.sql \
	sql/extension/directory.sql \
	sql/extension/migrate_tables.sql \
	sql/extension/migrate_mapping.sql \
	sql/extension/migrate_faults.sql \
	sql/extension/migrate_check.sql \
	sql/extension/migrate_copy.sql \
	sql/extension/migrate.sql \
	sql/extension/migrate_verify.sql \
	sql/extension/migrate_back_mapping.sql \
	sql/extension/migrate_back.sql \
	sql/extension/verify_items.sql \
	sql/extension/verify_roles.sql \
	sql/extension/verify_server.sql \
	sql/extension/verify_partitions.sql \
	sql/extension/verify_bridge.sql \
	sql/extension/verify_privileges.sql \
	sql/extension/verify_reach.sql \
	sql/extension/verify_definitions.sql \
	sql/extension/verify_functions.sql \
	sql/extension/verify_missing.sql \
	sql/extension/verify_hba.sql \
	sql/extension/verify_keys.sql \
	sql/extension/verify_secrets.sql \
	sql/extension/replicas.sql \
	sql/extension/verify_replicas.sql \
	sql/extension/verify.sql

# Last of all, when every member is there.
SQL_LAST = sql/extension/privileges.sql

# What the setup functions run: tools/setup-parts makes each file a
# part of dualdb.setup_part().
SQL_SETUP = $(wildcard sql/auth/*.sql sql/bridge/*.sql sql/app/*.sql sql/single/*.sql \
	sql/auth/migrations/*.sql sql/app/migrations/*.sql)

INSTALL_SQL = sql/dualdb--$(EXTVERSION).sql
DATA_built = $(INSTALL_SQL)

REGRESS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test --load-extension=dualdb
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = $(REGRESS_OPTS)
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl

EXTRA_CLEAN = META.json test/unit/build results output_iso tmp_check log

# make demo and make test install what is missing, PostgreSQL's build files, too
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifneq ($(wildcard $(PGXS)),)
include $(PGXS)
else
all install installcheck:
	@echo "PostgreSQL's build files were not found by $(PG_CONFIG);" \
		"install the server development package of your PostgreSQL or set PG_CONFIG" >&2; false
endif

# CREATE EXTENSION must never replace an object it does not own
$(INSTALL_SQL): $(SQL_MEMBERS) $(SQL_SETUP) $(SQL_LAST) tools/setup-parts dualdb.control
	{ printf '%s\n' '\echo Use "CREATE EXTENSION dualdb" to load this file. \quit' \
		'SET LOCAL search_path TO pg_catalog, pg_temp;'; \
	  sed 's/^CREATE OR REPLACE /CREATE /' $(SQL_MEMBERS); \
	  tools/setup-parts $(SQL_SETUP); \
	  cat $(SQL_LAST); } > $@.tmp && mv $@.tmp $@

# a changed header is a changed everything: the whole build takes seconds
$(OBJS): $(wildcard src/*.h)

# PGXN's description of the release
META.json: META.json.in dualdb.control
	sed 's/@VERSION@/$(EXTVERSION)/' META.json.in > $@

.PHONY: bench bench-scale demo demo-down test test-everyday test-large
bench:
	bench/run
bench-scale:
	bench/scale/run $(SIZES)
	bench/scale/phases
demo:
	demo/up
demo-down:
	demo/down
test:
	test/run $(TESTS)
test-everyday:
	test/everyday
test-large:
	DUALDB_LARGE=1 test/run migrate_large plans_large
