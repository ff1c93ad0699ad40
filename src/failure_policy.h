/* When a login may be tried again after failures. */
#ifndef DUALDB_FAILURE_POLICY_H
#define DUALDB_FAILURE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

/* Seconds to wait when no wait is long enough. */
#define WAIT_FOR_RESET	INT32_MAX

typedef struct FailurePolicy
{
	int32_t		max_failures;	/* failures in a row that lock */
	int32_t		disable_after;	/* failures in all that disable; 0: never */
	int64_t		lockout;		/* microseconds */
} FailurePolicy;

/* Failures of one identifier since its last success. */
typedef struct FailureCount
{
	int32_t		in_a_row;		/* since the last lockout ended */
	int32_t		in_all;
	int64_t		last_at;		/* microseconds of any one clock */
} FailureCount;

extern int32_t failure_wait(const FailurePolicy *policy,
							const FailureCount *count, int64_t now);
extern void failure_add(const FailurePolicy *policy,
						FailureCount *count, int64_t now);

#endif							/* DUALDB_FAILURE_POLICY_H */
