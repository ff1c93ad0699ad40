/* JSON Web Keys of type OKP / Ed25519 (RFC 8037). */
#ifndef DUALDB_JWK_H
#define DUALDB_JWK_H

#include <stdint.h>

#include "base64url.h"

#define JWK_ED25519_KEY_LEN	32
#define JWK_ED25519_X_SIZE	(BASE64URL_LEN(JWK_ED25519_KEY_LEN) + 1)
#define JWK_THUMBPRINT_SIZE	(BASE64URL_LEN(32) + 1)

extern void jwk_thumbprint(const uint8_t public_key[JWK_ED25519_KEY_LEN],
						   char kid[JWK_THUMBPRINT_SIZE]);

#endif							/* DUALDB_JWK_H */
