/* The public keys that tokens are verified with: dualdb.trusted_keys. */
#ifndef DUALDB_TRUSTED_KEYS_H
#define DUALDB_TRUSTED_KEYS_H

#include "jwt.h"

extern void trusted_keys_init(void);

/* The keys; valid until the next call. */
extern const TrustedKeySet *trusted_keys_get(void);

/* Changes whenever the keys may have. */
extern uint64_t trusted_keys_generation(void);

#endif							/* DUALDB_TRUSTED_KEYS_H */
