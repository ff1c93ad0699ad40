/*
 * Every setting, in alphabetical order.
 *
 * None can be set by an ordinary role, and none holds a secret, but for the one
 * by which the nodes of a sharded database pass a token on (forwarding.c).
 * Superusers may set most of them per database or role; the key file belongs to
 * the server.
 */
#include "dualdb.h"

#include <limits.h>

#include "utils/guc.h"

#include "argon2.h"
#include "forwarding.h"
#include "hash_key.h"

int			access_token_ttl;
char	   *app_database;
int			argon2_iterations;
int			argon2_memory;
char	   *audience;
char	   *auth_database;
int			bridge_timeout;
int			disable_after_failures;
bool		forward_tokens;
char	   *forwarded_token;
char	   *issuer;
char	   *key_file;
int			leeway;
int			lockout_duration;
int			max_concurrent_hashes;
int			max_feed_age;
int			max_hash_wait;
int			max_login_failures;
int			password_min_length;
int			refresh_grace;
int			refresh_token_ttl;
bool		session_identity;
int			session_lifetime;
int			sync_interval;

static bool
check_not_empty(char **newval, void **extra, GucSource source)
{
	(void) extra;
	(void) source;
	return *newval != NULL && **newval != '\0';
}

/* A new path means new keys; so does a reload, which sets the path anew. */
static void
assign_key_file(const char *newval, void *extra)
{
	(void) newval;
	(void) extra;
	master_key_forget();
	hash_key_forget();
}

static void
define_int(const char *name, const char *description, int *variable,
		   int boot, int min, int max, int flags)
{
	DefineCustomIntVariable(name, description, NULL, variable,
							boot, min, max, PGC_SUSET, flags,
							NULL, NULL, NULL);
}

static void
define_name(const char *name, const char *description, char **variable,
			const char *boot)
{
	DefineCustomStringVariable(name, description, NULL, variable, boot,
							   PGC_SUSET, 0, check_not_empty, NULL, NULL);
}

void
settings_init(void)
{
	define_int("dualdb.access_token_ttl",
			   "Lifetime of an access token.",
			   &access_token_ttl, 600, 1, 86400, GUC_UNIT_S);
	DefineCustomStringVariable("dualdb.app_database",
							   "Database that the sync worker keeps up to date.",
							   "Empty for no worker.",
							   &app_database, "", PGC_SIGHUP, 0,
							   NULL, NULL, NULL);
	define_int("dualdb.argon2_iterations",
			   "Passes over the memory for a new password hash.",
			   &argon2_iterations, 3, ARGON2_ITERATIONS_MIN, 16, 0);
	define_int("dualdb.argon2_memory",
			   "Memory for a new password hash.",
			   &argon2_memory, 65536, ARGON2_MEMORY_MIN_KIB, 262144,
			   GUC_UNIT_KB);
	define_name("dualdb.audience",
				"Audience (aud) of access tokens, and the one accepted here.",
				&audience, "aisales_app");
	define_name("dualdb.auth_database",
				"Name of the auth database that setup_app() connects to.",
				&auth_database, "aisales_auth");
	define_int("dualdb.bridge_timeout",
			   "How long a look-up in the auth database may take, with connecting.",
			   &bridge_timeout, 2000, 10, 600000, GUC_UNIT_MS);
	define_int("dualdb.disable_after_failures",
			   "Failed logins in all that disable a password until it is reset; 0 for never.",
			   &disable_after_failures, 100, 0, INT_MAX, 0);
	DefineCustomBoolVariable("dualdb.forward_tokens",
							 "Passes tokens on to the nodes of a sharded database, and accepts such.",
							 NULL, &forward_tokens, false, PGC_SUSET, 0,
							 NULL, NULL, NULL);
	DefineCustomStringVariable("dualdb.forwarded_token",
							   "Token that another node of a sharded database has passed on.",
							   NULL, &forwarded_token, "", PGC_USERSET,
							   GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE |
							   GUC_DISALLOW_IN_FILE,
							   check_forwarded_token, assign_forwarded_token,
							   show_forwarded_token);
	define_name("dualdb.issuer",
				"Issuer (iss) that the next signing key is made for.",
				&issuer, "aisales_auth");
	DefineCustomStringVariable("dualdb.key_file",
							   "File with the 32 bytes of the master key, and in a rotation with more keys.",
							   NULL, &key_file, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, assign_key_file, NULL);
	define_int("dualdb.leeway",
			   "How far the clocks of issuer and verifier may differ.",
			   &leeway, 60, 0, 300, GUC_UNIT_S);
	define_int("dualdb.lockout_duration",
			   "How long too many failed logins in a row lock.",
			   &lockout_duration, 1800, 1, 86400, GUC_UNIT_S);
	define_int("dualdb.max_concurrent_hashes",
			   "Password hashes that are computed at once; 0 for the number of cores.",
			   &max_concurrent_hashes, 0, 0, 1024, 0);
	define_int("dualdb.max_feed_age",
			   "Age of the last sync beyond which no token is accepted; 0 for any age.",
			   &max_feed_age, 0, 0, INT_MAX, GUC_UNIT_S);
	define_int("dualdb.max_hash_wait",
			   "How long a password hash waits for its turn.",
			   &max_hash_wait, 5000, 0, 60000, GUC_UNIT_MS);
	define_int("dualdb.max_login_failures",
			   "Failed logins in a row that lock.",
			   &max_login_failures, 10, 1, 1000, 0);
	define_int("dualdb.password_min_length",
			   "Shortest password that is accepted, in characters.",
			   &password_min_length, 15, 8, 64, 0);
	define_int("dualdb.refresh_grace",
			   "How long a used refresh token still gives its successor.",
			   &refresh_grace, 10, 0, 60, GUC_UNIT_S);
	define_int("dualdb.refresh_token_ttl",
			   "How long a refresh token can be used.",
			   &refresh_token_ttl, 30 * 86400, 1, INT_MAX, GUC_UNIT_S);
	DefineCustomBoolVariable("dualdb.session_identity",
							 "Whether authenticate_session() may be called.",
							 "Off for roles whose sessions a pooler shares between clients.",
							 &session_identity, true, PGC_SUSET, 0,
							 NULL, NULL, NULL);
	define_int("dualdb.session_lifetime",
			   "How long a session lasts, however often it is refreshed.",
			   &session_lifetime, 90 * 86400, 1, INT_MAX, GUC_UNIT_S);
	DefineCustomIntVariable("dualdb.sync_interval",
							"Time between two syncs by the sync worker.",
							NULL, &sync_interval, 2000, 100, 86400000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	MarkGUCPrefixReserved("dualdb");
}
