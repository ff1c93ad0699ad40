/* Access tokens that are refused before they expire: dualdb.revocations. */
#ifndef DUALDB_REVOCATIONS_H
#define DUALDB_REVOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

extern void revocations_init(void);

/*
 * Is such a token revoked?  session_id may be NULL.  Two probes of an index.
 */
extern bool revocations_cover(const char *session_id, const char *user_id,
							  int64_t token_version);

/* Changes whenever the revocations may have. */
extern uint64_t revocations_generation(void);

#endif							/* DUALDB_REVOCATIONS_H */
