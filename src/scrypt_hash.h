/* scrypt (RFC 7914) as passlib, Django, Werkzeug and better-auth store it. */
#ifndef DUALDB_SCRYPT_HASH_H
#define DUALDB_SCRYPT_HASH_H

#include "legacy_hash.h"

extern bool scrypt_read_passlib(HashReader *r, LegacyHash *hash);
extern bool scrypt_read_django(HashReader *r, LegacyHash *hash);
extern bool scrypt_read_werkzeug(HashReader *r, LegacyHash *hash);
extern bool scrypt_read_better_auth(HashReader *r, LegacyHash *hash);

extern PasswordStatus scrypt_hash_compute(const char *password, size_t len,
										  const LegacyHash *hash,
										  uint8_t digest[LEGACY_DIGEST_MAX]);

#endif							/* DUALDB_SCRYPT_HASH_H */
