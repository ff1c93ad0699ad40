/* What the files that know the server share. */
#ifndef DUALDB_H
#define DUALDB_H

#include "postgres.h"

#include "compat.h"

#include "argon2.h"
#include "master_key.h"
#include "stored_hash.h"

/* No password is longer; a stored hash of one cannot exist. */
#define PASSWORD_MAX_LEN	1024	/* bytes */

/* Settings, in alphabetical order; documented where they are registered. */
extern int	access_token_ttl;
extern char *app_database;
extern int	argon2_iterations;
extern int	argon2_memory;
extern char *audience;
extern char *auth_database;
extern int	bridge_timeout;
extern int	disable_after_failures;
extern bool forward_tokens;
extern char *forwarded_token;
extern char *issuer;
extern char *key_file;
extern int	leeway;
extern int	lockout_duration;
extern int	max_concurrent_hashes;
extern int	max_feed_age;
extern int	max_hash_wait;
extern int	max_login_failures;
extern int	password_min_length;
extern int	refresh_grace;
extern int	refresh_token_ttl;
extern bool session_identity;
extern int	session_lifetime;
extern int	sync_interval;

extern void settings_init(void);

/* The master keys; raises an error with a hint when there are none. */
extern const MasterKeys *require_master_keys(void);

/* The one to seal under. */
static inline const uint8_t *
require_master_key(void)
{
	return require_master_keys()->key[0];
}

/* For functions that get secrets: keep the statement from other sessions. */
extern void hide_statement(void);

/* A stored hash, taken apart; raises an error when it cannot be used. */
extern void require_stored_hash(const char *str, StoredHash *hash);

/* Enter the governor, or raise an error; say that memory is short. */
extern void require_turn(void);
extern void raise_no_memory_for_hash(void);

/* Does the password, or its NFC form, belong to the hash? */
extern PasswordStatus password_verify_either(const text *password,
											 const text *nfc,
											 const StoredHash *hash);

/* The NFC form of a password where it is another than the password. */
extern text *password_other_form(const text *password);

/* Wipe the copy that detoasting an argument made, if it made one. */
extern void wipe_detoasted(struct varlena *value, Datum argument);

#endif							/* DUALDB_H */
