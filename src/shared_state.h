/* Shared memory: what must outlive a client's transaction. */
#ifndef DUALDB_SHARED_STATE_H
#define DUALDB_SHARED_STATE_H

#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/spin.h"

#include "counters.h"
#include "failure_policy.h"

/* Identifiers whose failures are remembered: buckets of a few slots each. */
#define FAILURE_BUCKETS		4096
#define FAILURE_SLOTS		4
#define IDENTIFIER_LEN		32

typedef struct FailureSlot
{
	uint8_t		identifier[IDENTIFIER_LEN];
	FailureCount count;
	int32_t		pending;		/* attempts that are being computed */
	bool		used;
	bool		dirty;			/* newer than the table */
	uint32_t	version;		/* of the count */
} FailureSlot;

/* Events on their way to the tables. */
#define OUTBOX_SIZE			4096
#define OUTBOX_TEXT_SIZE	64
#define OUTBOX_AGENT_SIZE	256

typedef struct OutboxEvent
{
	int64_t		at;				/* TimestampTz */
	char		kind[OUTBOX_TEXT_SIZE];
	char		user_id[OUTBOX_TEXT_SIZE];
	char		object_id[OUTBOX_TEXT_SIZE];
	char		ip[OUTBOX_TEXT_SIZE];
	char		user_agent[OUTBOX_AGENT_SIZE];
} OutboxEvent;

/* How long comparisons with hashes of other programs take. */
#define HASH_TIMES			256

typedef struct HashTimes
{
	int			next;			/* to be overwritten */
	struct
	{
		uint64_t	class;
		uint32_t	length;		/* of the password, where that matters */
		int64_t		micros;
	}			entries[HASH_TIMES];
} HashTimes;

typedef struct SharedState
{
	int			tranche;
	LWLock		lock;			/* for all but the governor */

	/* whose failures and events these are, and who writes them down */
	Oid			database;
	int			worker_pid;		/* 0: nobody; -1: being started */
	int64_t		worker_asked_at;

	/* the sync worker and the database that it is in */
	Oid			sync_database;
	Latch	   *sync_latch;
	volatile bool sync_wanted;

	/* the argon2 governor */
	slock_t		governor_lock;
	int			hashes_running;
	ConditionVariable hash_finished;

	HashTimes	hash_times;

	/* events with these numbers are waiting: tail <= n < head */
	uint64_t	outbox_tail;
	uint64_t	outbox_head;
	uint64_t	outbox_lost;
	OutboxEvent outbox[OUTBOX_SIZE];

	FailureSlot failures[FAILURE_BUCKETS][FAILURE_SLOTS];

	/* counted without the lock */
	DatabaseCounters counters[COUNTED_DATABASES];
} SharedState;

extern void shared_state_init(void);

/* NULL when the library has no shared memory. */
extern SharedState *shared_state(void);

/*
 * The same, for failures and events of this database; NULL also on a standby,
 * and for any other database than the first to ask.
 */
extern SharedState *shared_state_here(void);

#endif							/* DUALDB_SHARED_STATE_H */
