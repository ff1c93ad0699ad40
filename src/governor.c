/*
 * The argon2 governor.
 *
 * Each password hash takes a core and tens of megabytes that no setting of
 * PostgreSQL's counts; a hundred at once would have the kernel kill a backend,
 * and with it all others.  So only so many run, the next waits its turn, and
 * one that waits too long is told that the server is busy.
 *
 * Nothing between entering and leaving can raise an error or be interrupted.
 */
#include "dualdb.h"

#include <unistd.h>

#include "miscadmin.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "governor.h"
#include "shared_state.h"

static int
turns(void)
{
	static int	cores = 0;

	if (max_concurrent_hashes > 0)
		return max_concurrent_hashes;
	if (cores == 0)
		cores = Max((int) sysconf(_SC_NPROCESSORS_ONLN), 1);
	return cores;
}

static bool
take_turn(SharedState *s)
{
	bool		taken;

	SpinLockAcquire(&s->governor_lock);
	taken = s->hashes_running < turns();
	if (taken)
		s->hashes_running++;
	SpinLockRelease(&s->governor_lock);
	return taken;
}

bool
governor_enter(void)
{
	SharedState *s = shared_state();
	TimestampTz deadline;
	bool		taken;

	if (s == NULL || take_turn(s))
		return true;

	deadline = GetCurrentTimestamp() + (TimestampTz) max_hash_wait * 1000;
	ConditionVariablePrepareToSleep(&s->hash_finished);
	while (!(taken = take_turn(s)))
	{
		long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
														   deadline);

		if (left <= 0)
			break;
		ConditionVariableTimedSleep(&s->hash_finished, left, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	return taken;
}

void
governor_leave(void)
{
	SharedState *s = shared_state();

	if (s == NULL)
		return;
	SpinLockAcquire(&s->governor_lock);
	s->hashes_running--;
	SpinLockRelease(&s->governor_lock);

	/* all, because the one that is signalled may just have given up */
	ConditionVariableBroadcast(&s->hash_finished);
}
