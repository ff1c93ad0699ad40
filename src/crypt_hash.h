/* Formats of crypt(3), by libxcrypt. */
#ifndef DUALDB_CRYPT_HASH_H
#define DUALDB_CRYPT_HASH_H

#include "legacy_hash.h"

extern bool crypt_read_md5(HashReader *r, LegacyHash *hash);
extern bool crypt_read_sha(HashReader *r, LegacyHash *hash);
extern bool crypt_read_scrypt(HashReader *r, LegacyHash *hash);
extern bool crypt_read_yescrypt(HashReader *r, LegacyHash *hash);

extern PasswordStatus crypt_hash_compute(const char *password, size_t len,
										 const LegacyHash *hash,
										 uint8_t digest[LEGACY_DIGEST_MAX]);

#endif							/* DUALDB_CRYPT_HASH_H */
