/* Sealing small secrets for storage. */
#include "seal.h"

#include <string.h>
#include <sodium.h>

void
seal_fingerprint(const uint8_t *master_key, uint8_t print[SEAL_FINGERPRINT_LEN])
{
	uint8_t		subkey[MASTER_SUBKEY_LEN];

	master_key_derive(master_key, SUBKEY_FINGERPRINT, subkey);
	memcpy(print, subkey, SEAL_FINGERPRINT_LEN);
	sodium_memzero(subkey, sizeof(subkey));
}

/* sealed has room for plain_len + SEAL_OVERHEAD bytes. */
void
seal(const uint8_t *master_key, const char *aad,
	 const uint8_t *plain, size_t plain_len, uint8_t *sealed)
{
	uint8_t		subkey[MASTER_SUBKEY_LEN];
	uint8_t    *nonce = sealed + 1 + SEAL_FINGERPRINT_LEN;

	sealed[0] = SEAL_VERSION;
	seal_fingerprint(master_key, sealed + 1);
	randombytes_buf(nonce, SEAL_NONCE_LEN);
	master_key_derive(master_key, SUBKEY_SEAL, subkey);
	crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + SEAL_HEAD_LEN, NULL,
											   plain, plain_len,
											   (const uint8_t *) aad,
											   strlen(aad), NULL,
											   nonce, subkey);
	sodium_memzero(subkey, sizeof(subkey));
}

/* Open a value that must hold exactly plain_len bytes. */
SealStatus
seal_open(const uint8_t *master_key, const char *aad,
		  const uint8_t *sealed, size_t sealed_len,
		  uint8_t *plain, size_t plain_len)
{
	uint8_t		print[SEAL_FINGERPRINT_LEN];
	uint8_t		subkey[MASTER_SUBKEY_LEN];
	int			refused;

	if (sealed_len != plain_len + SEAL_OVERHEAD || sealed[0] != SEAL_VERSION)
		return SEAL_MALFORMED;
	seal_fingerprint(master_key, print);
	if (memcmp(print, sealed + 1, SEAL_FINGERPRINT_LEN) != 0)
		return SEAL_OTHER_KEY;

	master_key_derive(master_key, SUBKEY_SEAL, subkey);
	refused = crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL,
														 sealed + SEAL_HEAD_LEN,
														 sealed_len - SEAL_HEAD_LEN,
														 (const uint8_t *) aad,
														 strlen(aad),
														 sealed + 1 + SEAL_FINGERPRINT_LEN,
														 subkey);
	sodium_memzero(subkey, sizeof(subkey));
	return refused ? SEAL_FORGED : SEAL_OK;
}

SealStatus
seal_open_any(const MasterKeys *master_keys, const char *aad,
			  const uint8_t *sealed, size_t sealed_len,
			  uint8_t *plain, size_t plain_len)
{
	SealStatus	status = SEAL_OTHER_KEY;

	for (int i = 0; i < master_keys->n && status == SEAL_OTHER_KEY; i++)
		status = seal_open(master_keys->key[i], aad, sealed, sealed_len,
						   plain, plain_len);
	return status;
}
