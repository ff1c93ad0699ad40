/* bcrypt, of the password itself or of a hash of it. */
#ifndef DUALDB_BCRYPT_HASH_H
#define DUALDB_BCRYPT_HASH_H

#include "legacy_hash.h"

/* Room for what bcrypt gets in place of a password, NUL included. */
#define BCRYPT_INPUT_SIZE	73

extern bool bcrypt_read(HashReader *r, LegacyHash *hash);
extern bool bcrypt_read_passlib_v1(HashReader *r, LegacyHash *hash);
extern bool bcrypt_read_passlib_v2(HashReader *r, LegacyHash *hash);

extern bool bcrypt_input(const char *password, size_t len,
						 const LegacyHash *hash,
						 char input[BCRYPT_INPUT_SIZE]);

#endif							/* DUALDB_BCRYPT_HASH_H */
