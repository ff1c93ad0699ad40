/* Failed logins, counted where no client can roll them back. */
#ifndef DUALDB_LOGIN_GUARD_H
#define DUALDB_LOGIN_GUARD_H

#include "shared_state.h"

/* What became of an attempt. */
typedef enum AttemptOutcome
{
	ATTEMPT_VOID,				/* there was none */
	ATTEMPT_MATCHED,			/* not counted; nor does it clear anything */
	ATTEMPT_FAILED
} AttemptOutcome;

/*
 * May an attempt be made?  Returns the seconds to wait, or 0; then the attempt
 * is under way, and login_guard_leave() must follow without anything between
 * that could raise an error.  stored is what the table has, for an identifier
 * that memory does not have.
 */
extern int32_t login_guard_enter(SharedState *s, const uint8_t *identifier,
								 const FailureCount *stored);
extern void login_guard_leave(SharedState *s, const uint8_t *identifier,
							  AttemptOutcome outcome);

/* Forget the failures. */
extern void login_guard_clear(SharedState *s, const uint8_t *identifier);

extern FailurePolicy login_guard_policy(void);

#endif							/* DUALDB_LOGIN_GUARD_H */
