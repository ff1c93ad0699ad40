/* JSON Web Keys of type OKP / Ed25519. */
#include "jwk.h"

#include <stdio.h>
#include <string.h>
#include <sodium.h>

/*
 * RFC 7638 thumbprint: SHA-256 over the required members in lexical order
 * without white space.  It names the key, so it serves as kid.
 */
void
jwk_thumbprint(const uint8_t public_key[JWK_ED25519_KEY_LEN],
			   char kid[JWK_THUMBPRINT_SIZE])
{
	char		x[JWK_ED25519_X_SIZE];
	char		json[128];
	uint8_t		digest[crypto_hash_sha256_BYTES];

	base64url_encode(public_key, JWK_ED25519_KEY_LEN, x, sizeof(x));
	snprintf(json, sizeof(json),
			 "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"%s\"}", x);
	crypto_hash_sha256(digest, (const unsigned char *) json, strlen(json));
	base64url_encode(digest, sizeof(digest), kid, JWK_THUMBPRINT_SIZE);
}
