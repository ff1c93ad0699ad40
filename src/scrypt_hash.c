/*
 * scrypt (RFC 7914) as passlib, Django, Werkzeug and better-auth store it, by
 * libsodium.
 */
#include "scrypt_hash.h"

#include <sodium.h>

#define BETTER_AUTH_SALT	32

static bool
read_n(HashReader *r, LegacyHash *hash)
{
	uint32_t	n;

	if (!read_decimal(r, &n) || n < 2 || (n & (n - 1)) != 0)
		return false;
	hash->n = n;
	return true;
}

/* salt, where the characters are the bytes */
static bool
read_salt(HashReader *r, LegacyHash *hash)
{
	return read_salt_text(r, hash->salt, sizeof(hash->salt),
						  &hash->salt_len);
}

/* "ln=16,r=8,p=1$" salt "$" */
bool
scrypt_read_passlib(HashReader *r, LegacyHash *hash)
{
	uint32_t	log2_n;

	if (!read_literal(r, "ln=") || !read_decimal(r, &log2_n))
		return false;
	/* what is beyond 2^31 bytes anyway needs no exact number */
	hash->n = (uint64_t) 1 << (log2_n < 31 ? log2_n : 31);
	return read_literal(r, ",r=") && read_decimal(r, &hash->r) &&
		read_literal(r, ",p=") && read_decimal(r, &hash->p) &&
		read_literal(r, "$") &&
		read_bytes(r, ENCODING_BASE64_BARE,
				   hash->salt, sizeof(hash->salt), &hash->salt_len) &&
		read_literal(r, "$");
}

/* "16384$" salt "$8$5$" */
bool
scrypt_read_django(HashReader *r, LegacyHash *hash)
{
	return read_n(r, hash) &&
		read_literal(r, "$") && read_salt(r, hash) &&
		read_literal(r, "$") && read_decimal(r, &hash->r) &&
		read_literal(r, "$") && read_decimal(r, &hash->p) &&
		read_literal(r, "$");
}

/* "32768:8:1$" salt "$" */
bool
scrypt_read_werkzeug(HashReader *r, LegacyHash *hash)
{
	return read_n(r, hash) &&
		read_literal(r, ":") && read_decimal(r, &hash->r) &&
		read_literal(r, ":") && read_decimal(r, &hash->p) &&
		read_literal(r, "$") && read_salt(r, hash) &&
		read_literal(r, "$");
}

/*
 * 32 hexadecimal digits, which are the salt as they stand, and ":".  Lucia does
 * the same.  The parameters are those of both, and nowhere in the string.
 */
bool
scrypt_read_better_auth(HashReader *r, LegacyHash *hash)
{
	if (r->end - r->pos < BETTER_AUTH_SALT)
		return false;
	for (hash->salt_len = 0; hash->salt_len < BETTER_AUTH_SALT; r->pos++)
	{
		if (!(*r->pos >= '0' && *r->pos <= '9') &&
			!(*r->pos >= 'a' && *r->pos <= 'f'))
			return false;
		hash->salt[hash->salt_len++] = (uint8_t) *r->pos;
	}
	hash->n = 16384;
	hash->r = 16;
	hash->p = 1;
	return read_literal(r, ":");
}

/* Everything is in range by now, so a failure is want of memory. */
PasswordStatus
scrypt_hash_compute(const char *password, size_t len, const LegacyHash *hash,
					uint8_t digest[LEGACY_DIGEST_MAX])
{
	if (crypto_pwhash_scryptsalsa208sha256_ll(
			(const uint8_t *) password, len, hash->salt, hash->salt_len,
			hash->n, hash->r, hash->p, digest, hash->digest_len) != 0)
		return PASSWORD_NO_MEMORY;
	return PASSWORD_OK;
}
