/* argon2 (RFC 9106) by libsodium: hash, verify, judge. */
#ifndef DUALDB_ARGON2_H
#define DUALDB_ARGON2_H

#include "phc.h"

/* The OWASP minimum for argon2id, which no setting can undercut. */
#define ARGON2_MEMORY_MIN_KIB	19456
#define ARGON2_ITERATIONS_MIN	2

/* Room for any string that argon2_hash() makes, NUL included. */
#define ARGON2_STRING_SIZE	128

extern PasswordStatus argon2_hash(const char *password, size_t len,
								uint32_t memory_kib, uint32_t iterations,
								char str[ARGON2_STRING_SIZE]);
extern PasswordStatus argon2_verify(const char *password, size_t len,
								  const Argon2Phc *phc, const char *str);
extern bool argon2_computable(const Argon2Phc *phc);
extern bool argon2_needs_rehash(const Argon2Phc *phc,
								uint32_t memory_kib, uint32_t iterations);
extern void argon2_decoy(uint32_t memory_kib, uint32_t iterations,
						 Argon2Phc *phc);

#endif							/* DUALDB_ARGON2_H */
