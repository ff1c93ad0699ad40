/*
 * The worker that writes failures and events from shared memory to tables.
 *
 * The first backend with something to remember starts it, in its own database.
 * It calls auth.flush() every second, and goes when there has been nothing to
 * write for a while, so that it does not stand in the way of whoever wants to
 * drop or copy the database.
 */
#include "dualdb.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "flush_worker.h"

#define FLUSH_INTERVAL_MS	1000
#define IDLE_ROUNDS			5

/* How long a worker may take to appear before another one is asked for. */
#define START_TIMEOUT_MS	10000

#define WORKER_NONE		0
#define WORKER_ASKED	(-1)

PGDLLEXPORT void dualdb_flush_worker(Datum database);

static void
leave(int code, Datum arg)
{
	SharedState *s = (SharedState *) DatumGetPointer(arg);

	LWLockAcquire(&s->lock, LW_EXCLUSIVE);
	if (s->worker_pid == MyProcPid)
		s->worker_pid = WORKER_NONE;
	LWLockRelease(&s->lock);
}

/* Become the one worker; false when there is one already. */
static bool
enlist(SharedState *s)
{
	bool		first;

	LWLockAcquire(&s->lock, LW_EXCLUSIVE);
	first = s->worker_pid == WORKER_NONE || s->worker_pid == WORKER_ASKED;
	if (first)
		s->worker_pid = MyProcPid;
	LWLockRelease(&s->lock);
	return first;
}

/* One call of auth.flush(); returns how many rows it wrote. */
static int64
flush_once(void)
{
	int64		written = 0;
	bool		isnull;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, "dualdb: writing failures and events");
	if (SPI_execute("SELECT auth.flush()", false, 1) == SPI_OK_SELECT &&
		SPI_processed == 1)
		written = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
											  SPI_tuptable->tupdesc, 1,
											  &isnull));
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	return written;
}

void
dualdb_flush_worker(Datum database)
{
	SharedState *s;
	int			idle = 0;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SIG_IGN);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(database),
											  InvalidOid, 0);
	s = shared_state();
	if (s == NULL || !enlist(s))
		return;
	before_shmem_exit(leave, PointerGetDatum(s));

	/* the last successor is wiped when its grace is over */
	while (idle < IDLE_ROUNDS + refresh_grace)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 FLUSH_INTERVAL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		idle = flush_once() > 0 ? 0 : idle + 1;
	}
}

/* Ask for a worker; what cannot be had now is asked for again later. */
static void
start_worker(void)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId);
	strlcpy(worker.bgw_library_name, "dualdb", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "dualdb_flush_worker", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "dualdb flush worker", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "dualdb flush worker", BGW_MAXLEN);
	(void) RegisterDynamicBackgroundWorker(&worker, NULL);
}

void
flush_worker_ensure(SharedState *s)
{
	TimestampTz now;
	bool		ask;

	if (s->worker_pid > 0)
		return;
	now = GetCurrentTimestamp();
	LWLockAcquire(&s->lock, LW_EXCLUSIVE);
	ask = s->worker_pid == WORKER_NONE ||
		(s->worker_pid == WORKER_ASKED &&
		 TimestampDifferenceExceeds(s->worker_asked_at, now, START_TIMEOUT_MS));
	if (ask)
	{
		s->worker_pid = WORKER_ASKED;
		s->worker_asked_at = now;
	}
	LWLockRelease(&s->lock);
	if (ask)
		start_worker();
}
