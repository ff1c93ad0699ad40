/*
 * Events that survive the client's ROLLBACK, on their way to the tables.
 *
 * A transaction that writes them down takes copies, and only its commit takes
 * the originals away: an event is written once or stays.  One transaction does
 * so at a time (auth.flush() sees to that).
 */
#include "dualdb.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "outbox.h"

#define NFAILURES	(FAILURE_BUCKETS * FAILURE_SLOTS)

/* A slot, and its version when it was copied. */
typedef struct TakenSlot
{
	int			index;
	uint32_t	version;
} TakenSlot;

/* What the current transaction has taken copies of. */
static uint64_t taken_events = 0;	/* events before this number */
static int	ntaken_slots = 0;
static TakenSlot *taken_slots = NULL;

/* The oldest event gives way where nobody has written any for long. */
void
outbox_post(SharedState *s, const OutboxEvent *event)
{
	LWLockAcquire(&s->lock, LW_EXCLUSIVE);
	s->outbox[s->outbox_head++ % OUTBOX_SIZE] = *event;
	if (s->outbox_head - s->outbox_tail > OUTBOX_SIZE)
	{
		s->outbox_tail++;
		s->outbox_lost++;
	}
	LWLockRelease(&s->lock);
}

/* Does an event of this kind about this object wait to be written? */
bool
outbox_has(SharedState *s, const char *kind, const char *object_id)
{
	bool		found = false;

	LWLockAcquire(&s->lock, LW_SHARED);
	for (uint64_t n = s->outbox_tail; n < s->outbox_head && !found; n++)
	{
		const OutboxEvent *e = &s->outbox[n % OUTBOX_SIZE];

		found = strcmp(e->object_id, object_id) == 0 &&
			strcmp(e->kind, kind) == 0;
	}
	LWLockRelease(&s->lock);
	return found;
}

void
outbox_scrub(SharedState *s, const char *user_id)
{
	LWLockAcquire(&s->lock, LW_EXCLUSIVE);
	for (uint64_t n = s->outbox_tail; n < s->outbox_head; n++)
	{
		OutboxEvent *e = &s->outbox[n % OUTBOX_SIZE];

		if (strcmp(e->user_id, user_id) == 0)
		{
			memset(e->ip, 0, sizeof(e->ip));
			memset(e->user_agent, 0, sizeof(e->user_agent));
		}
	}
	LWLockRelease(&s->lock);
}

int
outbox_pending(SharedState *s, OutboxEvent **events)
{
	OutboxEvent *copy = palloc(sizeof(OutboxEvent) * OUTBOX_SIZE);
	int			n = 0;

	LWLockAcquire(&s->lock, LW_SHARED);
	for (uint64_t i = s->outbox_tail; i < s->outbox_head; i++)
		copy[n++] = s->outbox[i % OUTBOX_SIZE];
	taken_events = s->outbox_head;
	LWLockRelease(&s->lock);
	*events = copy;
	return n;
}

int
failures_pending(SharedState *s, FailureSlot **failures)
{
	FailureSlot *slots = &s->failures[0][0];
	FailureSlot *copy = palloc(sizeof(FailureSlot) * NFAILURES);
	int			n = 0;

	/* room for all, as nothing can be allocated under the lock */
	taken_slots = MemoryContextAlloc(TopTransactionContext,
									 sizeof(TakenSlot) * NFAILURES);
	LWLockAcquire(&s->lock, LW_SHARED);
	for (int i = 0; i < NFAILURES; i++)
	{
		if (!slots[i].dirty)
			continue;
		taken_slots[n].index = i;
		taken_slots[n].version = slots[i].version;
		copy[n++] = slots[i];
	}
	LWLockRelease(&s->lock);
	ntaken_slots = n;
	*failures = copy;
	return n;
}

/* What has not changed since it was copied is in the table now. */
static void
mark_written(SharedState *s)
{
	FailureSlot *slots = &s->failures[0][0];

	LWLockAcquire(&s->lock, LW_EXCLUSIVE);
	s->outbox_tail = Max(s->outbox_tail, taken_events);
	for (int i = 0; i < ntaken_slots; i++)
	{
		FailureSlot *slot = &slots[taken_slots[i].index];

		if (slot->version != taken_slots[i].version)
			continue;
		slot->dirty = false;
		slot->used = slot->count.in_all > 0 || slot->pending > 0;
	}
	LWLockRelease(&s->lock);
}

static void
forget_taken(void)
{
	taken_events = 0;
	ntaken_slots = 0;
	taken_slots = NULL;
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	bool		taken = taken_events > 0 || ntaken_slots > 0;

	switch (event)
	{
		case XACT_EVENT_PRE_PREPARE:
			/* another session might roll it back, long after */
			if (taken)
				ereport(ERROR,
						errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cannot PREPARE a transaction that has flushed failures or events"));
			break;
		case XACT_EVENT_COMMIT:
			if (taken)
				mark_written(shared_state());
			forget_taken();
			break;
		case XACT_EVENT_ABORT:
			forget_taken();
			break;
		default:
			break;
	}
}

/* What a savepoint's rollback undoes has not been written. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId self,
					  SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forget_taken();
}

void
outbox_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}
