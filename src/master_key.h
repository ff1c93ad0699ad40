/*
 * The master keys: 32 random bytes each, in a file outside the database.
 *
 * The first is the one that is sealed under; others are there while the master
 * key is rotated, and open what was sealed before or elsewhere.
 */
#ifndef DUALDB_MASTER_KEY_H
#define DUALDB_MASTER_KEY_H

#include <stdint.h>

#define MASTER_KEY_LEN		32
#define MASTER_SUBKEY_LEN	32
#define MASTER_KEYS_MAX		4

typedef struct MasterKeys
{
	int			n;
	uint8_t		key[MASTER_KEYS_MAX][MASTER_KEY_LEN];
} MasterKeys;

typedef enum MasterKeyStatus
{
	MASTER_KEY_OK,
	MASTER_KEY_NOT_CONFIGURED,
	MASTER_KEY_UNREADABLE,		/* errno tells why */
	MASTER_KEY_NOT_REGULAR,
	MASTER_KEY_WRONG_OWNER,
	MASTER_KEY_OPEN_MODE,
	MASTER_KEY_WRONG_SIZE,
	MASTER_KEY_ZEROS,
	MASTER_KEY_IN_DATA_DIRECTORY,
	MASTER_KEY_NO_MEMORY
} MasterKeyStatus;

/*
 * What a key derived from another one is used for: from a master key for seals,
 * from the hash key for tokens.  Values are stored.
 */
typedef enum MasterSubkey
{
	SUBKEY_SEAL = 1,
	SUBKEY_TOKEN_HASH = 2,
	SUBKEY_FINGERPRINT = 3,
	SUBKEY_SUCCESSOR = 4
} MasterSubkey;

extern MasterKeyStatus master_key_load(const char *path, const char *data_dir,
									   const MasterKeys **keys);
extern void master_key_forget(void);
extern void master_key_derive(const uint8_t *key, MasterSubkey purpose,
							  uint8_t subkey[MASTER_SUBKEY_LEN]);

#endif							/* DUALDB_MASTER_KEY_H */
