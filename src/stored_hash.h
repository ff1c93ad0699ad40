/* A stored password hash of any format. */
#ifndef DUALDB_STORED_HASH_H
#define DUALDB_STORED_HASH_H

#include "wrapped_hash.h"

typedef enum StoredKind
{
	STORED_UNUSABLE,			/* belongs to no password */
	STORED_ARGON2,
	STORED_LEGACY,
	STORED_WRAPPED
} StoredKind;

typedef struct StoredHash
{
	StoredKind	kind;
	const char *name;			/* of the format */
	const char *phc;			/* the PHC string of an argon2 hash */
	union
	{
		Argon2Phc	argon2;
		LegacyHash	legacy;
		WrappedHash wrapped;
	};
} StoredHash;

/* str must outlive what is read from it, and end with a NUL. */
extern HashStatus stored_hash_parse(const char *str, StoredHash *hash);
extern PasswordStatus stored_hash_verify(const char *password, size_t len,
										 const StoredHash *hash);
extern bool stored_hash_needs_rehash(const StoredHash *hash,
									 uint32_t memory_kib,
									 uint32_t iterations);

/* Hashes of one class take one time; 0 for those that take none. */
extern uint64_t stored_hash_class(const StoredHash *hash);

/* Does the time depend on the password's length, too? */
extern bool stored_hash_minds_length(const StoredHash *hash);

#endif							/* DUALDB_STORED_HASH_H */
