/*
 * Shared memory.
 *
 * A failure that the client can roll back is no failure, so failures and
 * refusals are kept here first and written to tables by a worker
 * (flush_worker.c).  The memory is had by preloading the library or, from
 * PostgreSQL 17 on, from the registry of dynamic shared memory.
 */
#include "dualdb.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/syscache.h"

#include "flush_worker.h"
#include "shared_state.h"

#define SEGMENT_NAME	"dualdb"

static SharedState *state = NULL;
static shmem_request_hook_type next_request_hook = NULL;
static shmem_startup_hook_type next_startup_hook = NULL;

static void
initialize(void *memory)
{
	SharedState *s = memory;

	memset(s, 0, sizeof(SharedState));
	s->tranche = LWLockNewTrancheId();
	LWLockInitialize(&s->lock, s->tranche);
	SpinLockInit(&s->governor_lock);
	ConditionVariableInit(&s->hash_finished);
	counters_init(s->counters, COUNTED_DATABASES);
}

static void
request_memory(void)
{
	if (next_request_hook)
		next_request_hook();
	RequestAddinShmemSpace(sizeof(SharedState));
}

static void
attach_memory(void)
{
	bool		found;

	if (next_startup_hook)
		next_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	state = ShmemInitStruct(SEGMENT_NAME, sizeof(SharedState), &found);
	if (!found)
		initialize(state);
	LWLockRelease(AddinShmemInitLock);
}

void
shared_state_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	next_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	next_startup_hook = shmem_startup_hook;
	shmem_startup_hook = attach_memory;
}

SharedState *
shared_state(void)
{
	static bool registered = false;

	if (state == NULL)
		state = named_shared_memory(SEGMENT_NAME, sizeof(SharedState),
									initialize);
	if (state != NULL && !registered)
	{
		LWLockRegisterTranche(state->tranche, SEGMENT_NAME);
		registered = true;
	}
	return state;
}

/*
 * Is the state this database's?  The first database to ask gets it.  It goes to
 * the next when all has been written and the worker has gone, and when the
 * database is gone.
 */
static bool
claim_for_this_database(SharedState *s)
{
	Oid			owner = s->database;
	bool		orphaned = OidIsValid(owner) &&
		!SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(owner));
	bool		ours;

	LWLockAcquire(&s->lock, LW_EXCLUSIVE);
	if (s->database == owner && owner != MyDatabaseId &&
		(orphaned || (s->worker_pid == 0 && s->outbox_head == s->outbox_tail)))
	{
		memset(s->failures, 0, sizeof(s->failures));
		s->outbox_tail = s->outbox_head;
		s->worker_pid = 0;
		s->database = MyDatabaseId;
	}
	ours = s->database == MyDatabaseId;
	LWLockRelease(&s->lock);
	return ours;
}

SharedState *
shared_state_here(void)
{
	SharedState *s;

	if (RecoveryInProgress())
		return NULL;
	s = shared_state();
	if (s == NULL || (s->database != MyDatabaseId &&
					  !claim_for_this_database(s)))
		return NULL;
	flush_worker_ensure(s);
	return s;
}
