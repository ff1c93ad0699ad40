/*
 * When a login may be tried again after failures.
 *
 * The first half of the failures that lock costs nothing: people mistype.  Each
 * of the second half doubles the wait, from one second.  The last one locks for
 * the lockout's duration.  Failures in all, over any number of lockouts, disable
 * the password until it is reset (NIST SP 800-63B-4 section 3.2.2).
 */
#include "failure_policy.h"

#define SECOND	INT64_C(1000000)

static int64_t
wait_after(const FailurePolicy *policy, const FailureCount *count)
{
	int32_t		late = count->in_a_row - policy->max_failures / 2;
	int64_t		wait;

	if (count->in_a_row >= policy->max_failures)
		return policy->lockout;
	if (late <= 0)
		return 0;
	wait = SECOND << (late - 1 < 30 ? late - 1 : 30);
	return wait < policy->lockout ? wait : policy->lockout;
}

/* Whole seconds until the next attempt, rounded up; 0 when it may be now. */
int32_t
failure_wait(const FailurePolicy *policy, const FailureCount *count,
			 int64_t now)
{
	int64_t		left;

	if (policy->disable_after > 0 && count->in_all >= policy->disable_after)
		return WAIT_FOR_RESET;
	if (count->in_a_row == 0)
		return 0;

	/* a clock that has been set back does not lengthen the wait */
	left = (count->last_at < now ? count->last_at : now) +
		wait_after(policy, count) - now;
	return left <= 0 ? 0 : (int32_t) ((left + SECOND - 1) / SECOND);
}

/* Count one more failure; a lockout that has ended starts a new row. */
void
failure_add(const FailurePolicy *policy, FailureCount *count, int64_t now)
{
	if (count->in_a_row >= policy->max_failures)
		count->in_a_row = 0;
	count->in_a_row++;
	if (count->in_all < INT32_MAX)
		count->in_all++;
	count->last_at = now;
}
