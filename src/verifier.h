/* Verifying a token against this server's keys, clock and settings. */
#ifndef DUALDB_VERIFIER_H
#define DUALDB_VERIFIER_H

#include "jwt.h"

/*
 * Verify a token; expected is the audience, NULL for the setting's.  The result
 * is valid until the next call; NULL when the token is refused for *reason.
 */
extern const VerifiedToken *verifier_check(const text *token,
										   const char *expected,
										   JwtStatus *reason);

/* Forget the token seen last. */
extern void verifier_forget(void);

#endif							/* DUALDB_VERIFIER_H */
