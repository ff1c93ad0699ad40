/* Events that survive the client's ROLLBACK, on their way to the tables. */
#ifndef DUALDB_OUTBOX_H
#define DUALDB_OUTBOX_H

#include "shared_state.h"

extern void outbox_init(void);
extern void outbox_post(SharedState *s, const OutboxEvent *event);
extern bool outbox_has(SharedState *s, const char *kind,
					   const char *object_id);

/* Take from where they were out of a user's events. */
extern void outbox_scrub(SharedState *s, const char *user_id);

/*
 * Copies of what waits to be written, in the caller's memory context.  When the
 * current transaction commits they count as written.
 */
extern int	outbox_pending(SharedState *s, OutboxEvent **events);
extern int	failures_pending(SharedState *s, FailureSlot **failures);

#endif							/* DUALDB_OUTBOX_H */
