/*
 * A password hash of another program under one of argon2id.
 *
 *	$dualdb-wrapped<argon2id hash of the digest><setting>
 *
 * as in "$dualdb-wrapped$argon2id$v=19$m=65536,t=3,p=1$...$...$$2b$12$...": what
 * follows the argon2id hash and another "$" is the other program's string with
 * its digest, which ends it, cut off.  argon2id gets the digest as bytes, that
 * is decoded where the string has it as base64 or in hexadecimal.
 *
 * Nothing weaker than argon2id is left to attack where only this is stored.
 */
#include "wrapped_hash.h"

#include <stdio.h>
#include <string.h>
#include <sodium.h>

#define PREFIX	"$dualdb-wrapped"

/* The '$' after the five parts of a PHC string, each of which begins with one. */
static const char *
end_of_phc(const char *pos, const char *end)
{
	for (int parts = 0; pos < end; pos++)
	{
		if (*pos == '$' && parts++ == 5)
			return pos;
	}
	return NULL;
}

HashStatus
wrapped_hash_parse(const char *str, size_t len, WrappedHash *hash)
{
	HashReader	r = {str, str + len};
	const char *phc_end;
	HashStatus	outer;
	HashStatus	inner;

	if (!read_literal(&r, PREFIX "$"))
		return HASH_UNKNOWN;
	r.pos--;
	phc_end = end_of_phc(r.pos, r.end);
	if (phc_end == NULL)
		return HASH_MALFORMED;
	outer = phc_parse(r.pos, (size_t) (phc_end - r.pos), &hash->outer);
	inner = legacy_setting_parse(phc_end + 1, (size_t) (r.end - phc_end - 1),
								 &hash->inner);
	if (outer == HASH_UNKNOWN || outer == HASH_MALFORMED ||
		inner == HASH_UNKNOWN || inner == HASH_MALFORMED ||
		!argon2_computable(&hash->outer))
		return HASH_MALFORMED;
	return outer == HASH_OK ? inner : outer;
}

PasswordStatus
wrapped_hash_verify(const char *password, size_t len, const WrappedHash *hash)
{
	uint8_t		digest[LEGACY_DIGEST_MAX];
	PasswordStatus status = legacy_hash_compute(password, len, &hash->inner,
												digest);

	if (status == PASSWORD_OK)
		status = argon2_verify((const char *) digest, hash->inner.digest_len,
							   &hash->outer, NULL);
	sodium_memzero(digest, sizeof(digest));
	return status;
}

PasswordStatus
wrapped_hash_make(const char *str, const LegacyHash *inner,
				  uint32_t memory_kib, uint32_t iterations,
				  char wrapped[WRAPPED_STRING_SIZE])
{
	char		outer[ARGON2_STRING_SIZE];
	PasswordStatus status = argon2_hash((const char *) inner->digest,
										inner->digest_len,
										memory_kib, iterations, outer);

	if (status == PASSWORD_OK)
		snprintf(wrapped, WRAPPED_STRING_SIZE, PREFIX "%s$%.*s",
				 outer, (int) inner->setting_len, str);
	return status;
}
