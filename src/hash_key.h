/* The key that tokens are hashed under. */
#ifndef DUALDB_HASH_KEY_H
#define DUALDB_HASH_KEY_H

#include <stdint.h>

#include "seal.h"

#define HASH_KEY_LEN		32
#define HASH_KEY_SEALED_LEN	(HASH_KEY_LEN + SEAL_OVERHEAD)

/* Seal a new one for its row. */
extern void hash_key_new(const uint8_t *master_key,
						 uint8_t sealed[HASH_KEY_SEALED_LEN]);

/* The key of this database; raises an error with a hint when there is none. */
extern const uint8_t *require_hash_key(void);

/* Wipe what is held; the next use opens it again. */
extern void hash_key_forget(void);

#endif							/* DUALDB_HASH_KEY_H */
