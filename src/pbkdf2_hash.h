/* PBKDF2 (RFC 8018) as passlib, Django and Werkzeug store it. */
#ifndef DUALDB_PBKDF2_HASH_H
#define DUALDB_PBKDF2_HASH_H

#include "legacy_hash.h"

extern bool pbkdf2_read_passlib(HashReader *r, LegacyHash *hash);
extern bool pbkdf2_read_text(HashReader *r, LegacyHash *hash);

extern PasswordStatus pbkdf2_hash_compute(const char *password, size_t len,
										  const LegacyHash *hash,
										  uint8_t digest[LEGACY_DIGEST_MAX]);

#endif							/* DUALDB_PBKDF2_HASH_H */
