/* A stored password hash of any format. */
#include "stored_hash.h"

#include <string.h>

#define DJANGO_UNUSABLE	"!"
#define DJANGO_ARGON2	"argon2$argon2"

static HashStatus
parse_argon2(const char *phc, const char *name, StoredHash *hash)
{
	HashStatus	status = phc_parse(phc, strlen(phc), &hash->argon2);

	hash->kind = STORED_ARGON2;
	hash->phc = phc;
	hash->name = name != NULL ? name :
		hash->argon2.is_argon2id ? "argon2id" : "argon2i";
	return status;
}

static bool
begins_with(const char *str, const char *start)
{
	return strncmp(str, start, strlen(start)) == 0;
}

HashStatus
stored_hash_parse(const char *str, StoredHash *hash)
{
	size_t		len = strlen(str);
	HashStatus	status;

	memset(hash, 0, sizeof(*hash));
	if (begins_with(str, DJANGO_UNUSABLE))
	{
		hash->kind = STORED_UNUSABLE;
		hash->name = "django_unusable";
		return HASH_OK;
	}
	/* "argon2" is followed by a PHC string */
	if (begins_with(str, DJANGO_ARGON2))
		return parse_argon2(str + strlen("argon2"), "django_argon2", hash);
	status = parse_argon2(str, NULL, hash);
	if (status != HASH_UNKNOWN)
		return status;

	hash->kind = STORED_WRAPPED;
	hash->name = "wrapped";
	status = wrapped_hash_parse(str, len, &hash->wrapped);
	if (status != HASH_UNKNOWN)
		return status;

	hash->kind = STORED_LEGACY;
	status = legacy_hash_parse(str, len, &hash->legacy);
	hash->name = hash->legacy.name;
	return status;
}

PasswordStatus
stored_hash_verify(const char *password, size_t len, const StoredHash *hash)
{
	switch (hash->kind)
	{
		case STORED_UNUSABLE:
			return PASSWORD_MISMATCH;
		case STORED_ARGON2:
			return argon2_verify(password, len, &hash->argon2, hash->phc);
		case STORED_LEGACY:
			return legacy_hash_verify(password, len, &hash->legacy);
		case STORED_WRAPPED:
			return wrapped_hash_verify(password, len, &hash->wrapped);
	}
	return PASSWORD_MISMATCH;
}

/* Is the hash other than argon2_hash() would make it today? */
bool
stored_hash_needs_rehash(const StoredHash *hash,
						 uint32_t memory_kib, uint32_t iterations)
{
	/* what follows Django's "argon2" is not the whole of the string */
	return hash->kind != STORED_ARGON2 ||
		strcmp(hash->name, "django_argon2") == 0 ||
		argon2_needs_rehash(&hash->argon2, memory_kib, iterations);
}

/*
 * A class is a kind and the work.  Kinds cannot be compared: how long a unit of
 * work takes is the machine's to say.  Within one, more work takes longer.
 */
#define KIND_SHIFT		46
#define WORK_SHIFT		21
#define KIND_ARGON2ID	1
#define KIND_ARGON2		2
#define KIND_LEGACY		3
#define KIND_WRAPPED	32

static uint64_t
argon2_work(const Argon2Phc *phc)
{
	return (uint64_t) phc->memory_kib * phc->iterations;
}

static uint64_t
class_of(uint64_t kind, uint64_t work, uint64_t detail)
{
	return kind << KIND_SHIFT | work << WORK_SHIFT | detail;
}

uint64_t
stored_hash_class(const StoredHash *hash)
{
	const Argon2Phc *phc = &hash->argon2;
	const LegacyHash *inner = &hash->wrapped.inner;

	switch (hash->kind)
	{
		case STORED_UNUSABLE:
			return 0;
		case STORED_ARGON2:
			if (phc->is_argon2id && argon2_computable(phc))
				return class_of(KIND_ARGON2ID, argon2_work(phc),
								phc->iterations << 7 | phc->hash_len);
			return class_of(KIND_ARGON2, argon2_work(phc), 0);
		case STORED_LEGACY:
			return class_of(KIND_LEGACY + hash->legacy.function,
							hash->legacy.work, 0);
		case STORED_WRAPPED:
			return class_of(KIND_WRAPPED + inner->function, inner->work,
							argon2_work(&hash->wrapped.outer));
	}
	return 0;
}

bool
stored_hash_minds_length(const StoredHash *hash)
{
	LegacyFunction function = hash->kind == STORED_WRAPPED ?
		hash->wrapped.inner.function : hash->legacy.function;

	if (hash->kind != STORED_LEGACY && hash->kind != STORED_WRAPPED)
		return false;
	switch (function)
	{
		case LEGACY_MD5CRYPT:
		case LEGACY_SHA256CRYPT:
		case LEGACY_SHA512CRYPT:
			return true;
		case LEGACY_CRYPT_SCRYPT:
		case LEGACY_YESCRYPT:
			/* a password that is too long for libxcrypt takes no time */
			return true;
		case LEGACY_BCRYPT:
		case LEGACY_PBKDF2_SHA1:
		case LEGACY_PBKDF2_SHA256:
		case LEGACY_PBKDF2_SHA512:
		case LEGACY_SCRYPT:
			return false;
	}
	return false;
}
