/*
 * Opaque tokens.
 *
 * 256 random bits need no slow hash.  The hash is keyed, so that someone who
 * can write to the table but does not hold the key file, under which the key is
 * sealed, cannot make a row for a token of their own; and it covers the purpose, so that a token of one kind
 * is never found among those of another.
 */
#include "opaque_token.h"

#include <stdio.h>
#include <string.h>
#include <sodium.h>

#include "master_key.h"

void
opaque_token_new(const char *prefix, char token[OPAQUE_TOKEN_SIZE])
{
	uint8_t		secret[OPAQUE_TOKEN_BYTES];
	char		encoded[BASE64URL_LEN(OPAQUE_TOKEN_BYTES) + 1];

	randombytes_buf(secret, sizeof(secret));
	base64url_encode(secret, sizeof(secret), encoded, sizeof(encoded));
	snprintf(token, OPAQUE_TOKEN_SIZE, "%.*s_%s",
			 OPAQUE_TOKEN_PREFIX_MAX, prefix, encoded);
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(encoded, sizeof(encoded));
}

/* The NUL after the purpose ends it: no purpose runs on into a token. */
void
opaque_token_hash(const uint8_t *hash_key, const char *purpose,
				  const char *token, size_t len,
				  uint8_t hash[OPAQUE_TOKEN_HASH_LEN])
{
	crypto_generichash_state state;
	uint8_t		subkey[MASTER_SUBKEY_LEN];

	master_key_derive(hash_key, SUBKEY_TOKEN_HASH, subkey);
	crypto_generichash_init(&state, subkey, sizeof(subkey),
							OPAQUE_TOKEN_HASH_LEN);
	crypto_generichash_update(&state, (const uint8_t *) purpose,
							  strlen(purpose) + 1);
	crypto_generichash_update(&state, (const uint8_t *) token, len);
	crypto_generichash_final(&state, hash, OPAQUE_TOKEN_HASH_LEN);
	sodium_memzero(&state, sizeof(state));
	sodium_memzero(subkey, sizeof(subkey));
}
