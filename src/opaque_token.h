/* Opaque tokens: random secrets that the database knows only by keyed hash. */
#ifndef DUALDB_OPAQUE_TOKEN_H
#define DUALDB_OPAQUE_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "base64url.h"

#define OPAQUE_TOKEN_BYTES		32
#define OPAQUE_TOKEN_PREFIX_MAX	16
#define OPAQUE_TOKEN_SIZE \
	(OPAQUE_TOKEN_PREFIX_MAX + 1 + BASE64URL_LEN(OPAQUE_TOKEN_BYTES) + 1)
#define OPAQUE_TOKEN_HASH_LEN	32

extern void opaque_token_new(const char *prefix, char token[OPAQUE_TOKEN_SIZE]);
extern void opaque_token_hash(const uint8_t *hash_key, const char *purpose,
							  const char *token, size_t len,
							  uint8_t hash[OPAQUE_TOKEN_HASH_LEN]);

#endif							/* DUALDB_OPAQUE_TOKEN_H */
