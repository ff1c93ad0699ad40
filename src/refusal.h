/* Comparing for a login, so that all refusals take the same time. */
#ifndef DUALDB_REFUSAL_H
#define DUALDB_REFUSAL_H

#include "stored_hash.h"

typedef struct LoginAttempt
{
	const text *password;		/* may be NULL, as may the next two */
	const text *nfc;			/* its NFC form where that is another */
	const char *hash;

	/* one hash each of the kinds that users have, the costliest of its kind */
	StoredHash *rivals;
	int			nrivals;

	/* results */
	bool		mismatched;		/* it is not the password of the user's hash */
	int64_t		wait;			/* microseconds for refusal_wait() */
} LoginAttempt;

/* Always computes a hash of today's cost before it refuses; raises no error. */
extern PasswordStatus login_compare(LoginAttempt *attempt);

/* To be called after a refusal, outside of the governor.  Interruptible. */
extern void refusal_wait(const LoginAttempt *attempt);

#endif							/* DUALDB_REFUSAL_H */
