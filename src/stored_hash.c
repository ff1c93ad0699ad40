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
