/* Sealing small secrets for storage: XChaCha20-Poly1305 with associated data. */
#ifndef DUALDB_SEAL_H
#define DUALDB_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "master_key.h"

/*
 * A sealed value:
 *
 *	version (1) | fingerprint of the master key (8) | nonce (24) |
 *	ciphertext and tag (plaintext + 16)
 */
#define SEAL_VERSION			1
#define SEAL_FINGERPRINT_LEN	8
#define SEAL_NONCE_LEN			24
#define SEAL_TAG_LEN			16
#define SEAL_HEAD_LEN			(1 + SEAL_FINGERPRINT_LEN + SEAL_NONCE_LEN)
#define SEAL_OVERHEAD			(SEAL_HEAD_LEN + SEAL_TAG_LEN)

typedef enum SealStatus
{
	SEAL_OK,
	SEAL_MALFORMED,
	SEAL_OTHER_KEY,				/* sealed under another master key */
	SEAL_FORGED					/* altered, or moved from another place */
} SealStatus;

/*
 * aad names the place where the value is stored; it is not part of the result,
 * and opening fails at any other place.
 */
extern void seal(const uint8_t *master_key, const char *aad,
				 const uint8_t *plain, size_t plain_len, uint8_t *sealed);
extern SealStatus seal_open(const uint8_t *master_key, const char *aad,
							const uint8_t *sealed, size_t sealed_len,
							uint8_t *plain, size_t plain_len);

/* Open by whichever of the keys the value was sealed under. */
extern SealStatus seal_open_any(const MasterKeys *master_keys, const char *aad,
								const uint8_t *sealed, size_t sealed_len,
								uint8_t *plain, size_t plain_len);

/* Which key it is, without telling the key. */
extern void seal_fingerprint(const uint8_t *master_key,
							 uint8_t print[SEAL_FINGERPRINT_LEN]);

#endif							/* DUALDB_SEAL_H */
