/* Password hashes of other programs, argon2 excepted. */
#ifndef DUALDB_LEGACY_HASH_H
#define DUALDB_LEGACY_HASH_H

#include "hash_reader.h"

#define LEGACY_SETTING_SIZE	192
#define LEGACY_SALT_MAX		128
#define LEGACY_DIGEST_MAX	96

/*
 * What a stored hash may cost.  A hash is data, and whoever can write one
 * could otherwise ask the server for gigabytes or for days.
 */
#define BCRYPT_COST_MAX			15
#define SHA_CRYPT_ROUNDS_MAX	1000000
#define PBKDF2_ITERATIONS_MAX	5000000
#define SCRYPT_MEMORY_MAX		(1 << 21)	/* N times r, of 128 bytes each */
#define SCRYPT_LANES_MAX		(1 << 17)	/* p times r */
#define SCRYPT_WORK_MAX			(1 << 23)	/* N times r times p */

/* The functions; time is in proportion to the work within each of them. */
typedef enum LegacyFunction
{
	LEGACY_BCRYPT,
	LEGACY_MD5CRYPT,
	LEGACY_SHA256CRYPT,
	LEGACY_SHA512CRYPT,
	LEGACY_CRYPT_SCRYPT,
	LEGACY_YESCRYPT,
	LEGACY_PBKDF2_SHA1,
	LEGACY_PBKDF2_SHA256,
	LEGACY_PBKDF2_SHA512,
	LEGACY_SCRYPT
} LegacyFunction;

/* What bcrypt gets in place of the password. */
typedef enum BcryptInput
{
	INPUT_PASSWORD,
	INPUT_SHA256_HEX,
	INPUT_SHA256_BASE64,
	INPUT_HMAC_SHA256_BASE64,	/* under the salt's characters */
	INPUT_HMAC_SHA384_BASE64	/* under "wp-sha384" */
} BcryptInput;

typedef struct LegacyHash
{
	const char *name;			/* of the format */
	LegacyFunction function;
	uint64_t	work;			/* 2^cost, rounds, iterations or N times r times p */

	/* crypt(3) */
	char		setting[LEGACY_SETTING_SIZE];	/* all but the digest */
	BcryptInput input;

	/* PBKDF2 and scrypt */
	uint8_t		salt[LEGACY_SALT_MAX];
	size_t		salt_len;
	uint32_t	iterations;
	uint64_t	n;
	uint32_t	r;
	uint32_t	p;

	/* what comes before the digest, and the digest */
	size_t		setting_len;
	uint8_t		digest[LEGACY_DIGEST_MAX];
	size_t		digest_len;
} LegacyHash;

/* A whole hash, or the setting of one alone. */
extern HashStatus legacy_hash_parse(const char *str, size_t len,
									LegacyHash *hash);
extern HashStatus legacy_setting_parse(const char *str, size_t len,
									   LegacyHash *hash);

/* Does it cost no more than is allowed? */
extern bool legacy_affordable(const LegacyHash *hash);

/* The digest that the password has under the hash's setting. */
extern PasswordStatus legacy_hash_compute(const char *password, size_t len,
										  const LegacyHash *hash,
										  uint8_t digest[LEGACY_DIGEST_MAX]);
extern PasswordStatus legacy_hash_verify(const char *password, size_t len,
										 const LegacyHash *hash);

#endif							/* DUALDB_LEGACY_HASH_H */
