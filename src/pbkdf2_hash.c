/*
 * PBKDF2 (RFC 8018) as passlib, Django and Werkzeug store it, by libcrypto.
 *
 * All derive as many bytes as the hash function has, which is one block, so
 * that iterations are all there is to the cost.
 */
#include "pbkdf2_hash.h"

#include <openssl/err.h>
#include <openssl/evp.h>

static bool
read_iterations(HashReader *r, LegacyHash *hash)
{
	if (!read_decimal(r, &hash->iterations) || !read_literal(r, "$"))
		return false;
	hash->work = hash->iterations;
	return true;
}

/* iterations "$" salt "$", where the salt is in passlib's base64 */
bool
pbkdf2_read_passlib(HashReader *r, LegacyHash *hash)
{
	return read_iterations(r, hash) &&
		read_bytes(r, ENCODING_BASE64_ADAPTED,
				   hash->salt, sizeof(hash->salt), &hash->salt_len) &&
		read_literal(r, "$");
}

/* iterations "$" salt "$", where the salt's characters are its bytes */
bool
pbkdf2_read_text(HashReader *r, LegacyHash *hash)
{
	return read_iterations(r, hash) &&
		read_salt_text(r, hash->salt, sizeof(hash->salt),
					   &hash->salt_len) &&
		read_literal(r, "$");
}

static const EVP_MD *
hash_function(const LegacyHash *hash)
{
	switch (hash->function)
	{
		case LEGACY_PBKDF2_SHA1:
			return EVP_sha1();
		case LEGACY_PBKDF2_SHA512:
			return EVP_sha512();
		default:
			return EVP_sha256();
	}
}

/* Everything is in range by now, so a failure is want of memory. */
PasswordStatus
pbkdf2_hash_compute(const char *password, size_t len, const LegacyHash *hash,
					uint8_t digest[LEGACY_DIGEST_MAX])
{
	if (PKCS5_PBKDF2_HMAC(password, (int) len,
						  hash->salt, (int) hash->salt_len,
						  (int) hash->iterations, hash_function(hash),
						  (int) hash->digest_len, digest) == 1)
		return PASSWORD_OK;
	/* the server's TLS code reads the same queue of errors */
	ERR_clear_error();
	return PASSWORD_NO_MEMORY;
}
