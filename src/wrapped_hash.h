/* A password hash of another program under one of argon2id. */
#ifndef DUALDB_WRAPPED_HASH_H
#define DUALDB_WRAPPED_HASH_H

#include "argon2.h"
#include "legacy_hash.h"

/* Room for any string that wrapped_hash_make() makes, NUL included. */
#define WRAPPED_STRING_SIZE	(ARGON2_STRING_SIZE + 2 * LEGACY_SETTING_SIZE)

typedef struct WrappedHash
{
	Argon2Phc	outer;
	LegacyHash	inner;			/* without its digest */
} WrappedHash;

extern HashStatus wrapped_hash_parse(const char *str, size_t len,
									 WrappedHash *hash);
extern PasswordStatus wrapped_hash_verify(const char *password, size_t len,
										  const WrappedHash *hash);

/* inner is what str was parsed to. */
extern PasswordStatus wrapped_hash_make(const char *str,
										const LegacyHash *inner,
										uint32_t memory_kib,
										uint32_t iterations,
										char wrapped[WRAPPED_STRING_SIZE]);

#endif							/* DUALDB_WRAPPED_HASH_H */
