/*
 * The worker that calls dualdb.sync() in the app database.
 *
 * The postmaster starts it when recovery is over, so there is none on a standby
 * and one on a standby that has been promoted; and starts it again should it
 * end.  It waits while no database has been named.  It works as dualdb_sync,
 * which may do nothing else, and cannot leave that role.
 */
#include "dualdb.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "bridge_connection.h"
#include "shared_state.h"
#include "sync_worker.h"

#define WORKER_NAME		"dualdb sync worker"
#define RESTART_SECONDS	5

/* Users that one transaction of the worker's takes over. */
#define BATCH_SIZE		"10000"

/* Tokens of unknown keys cost an attacker nothing. */
#define WAKE_INTERVAL_MS	1000

PGDLLEXPORT void dualdb_sync_worker(Datum unused);

void
sync_worker_init(void)
{
	BackgroundWorker worker = {0};

	/* pg_upgrade wants the databases for itself */
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = RESTART_SECONDS;
	strlcpy(worker.bgw_library_name, "dualdb", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "dualdb_sync_worker", BGW_MAXLEN);
	strlcpy(worker.bgw_name, WORKER_NAME, BGW_MAXLEN);
	strlcpy(worker.bgw_type, WORKER_NAME, BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

void
sync_worker_wake(void)
{
	SharedState *s;

	if (RecoveryInProgress())
		return;
	s = shared_state();
	if (s == NULL || s->sync_database != MyDatabaseId)
		return;
	LWLockAcquire(&s->lock, LW_SHARED);
	if (s->sync_latch != NULL && s->sync_database == MyDatabaseId)
	{
		s->sync_wanted = true;
		SetLatch(s->sync_latch);
	}
	LWLockRelease(&s->lock);
}

static void
publish_latch(SharedState *s, Latch *latch)
{
	LWLockAcquire(&s->lock, LW_EXCLUSIVE);
	s->sync_database = latch != NULL ? MyDatabaseId : InvalidOid;
	s->sync_latch = latch;
	LWLockRelease(&s->lock);
}

static void
leave(int code, Datum arg)
{
	publish_latch((SharedState *) DatumGetPointer(arg), NULL);
}

/*
 * Become dualdb_sync for this transaction.  The session is the superuser's, as
 * dualdb_sync has no login; the flag keeps what is called from going back.
 */
static bool
become_sync_role(void)
{
	Oid			role = get_role_oid("dualdb_sync", true);

	if (!OidIsValid(role))
		return false;
	SetUserIdAndSecContext(role, SECURITY_LOCAL_USERID_CHANGE);
	return true;
}

/* Has setup_app() been run here? */
static bool
is_set_up(void)
{
	Oid			schema = get_namespace_oid("bridge", true);

	return OidIsValid(schema) &&
		OidIsValid(get_relname_relid("sync_state", schema)) &&
		OidIsValid(get_namespace_oid("dualdb", true));
}

static void
begin_work(const char *activity)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, activity);
}

static void
end_work(void)
{
	if (ActiveSnapshotSet())
		PopActiveSnapshot();
	CommitTransactionCommand();
	SetUserIdAndSecContext(GetSessionUserId(), 0);
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/* Is there more to be had at once? */
static bool
pass_goes_on(void)
{
	bool		isnull;

	if (SPI_execute("SELECT v.scanning FROM app.sync_status v", false, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		return false;
	return DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0],
									  SPI_tuptable->tupdesc, 1, &isnull));
}

/* One transaction of the sync; true when the next one need not wait. */
static bool
sync_once(const char *statement)
{
	bool		more = false;

	begin_work("dualdb: pulling from the auth database");
	if (is_set_up() && become_sync_role())
	{
		SPI_connect();
		SPI_execute(statement, false, 1);
		more = pass_goes_on();
		SPI_finish();
	}
	end_work();
	return more;
}

static void
write_failure(const char *message)
{
	Oid			types[] = {TEXTOID};
	Datum		values[1];

	begin_work("dualdb: noting a failure");
	if (is_set_up() && become_sync_role())
	{
		SPI_connect();
		values[0] = CStringGetTextDatum(message);
		SPI_execute_with_args("SELECT bridge.note_failure($1)", 1, types, values,
							  NULL, false, 1);
		SPI_finish();
	}
	end_work();
}

/* Let app.sync_status show what went wrong, where it can be written down. */
static void
note_failure(const char *message)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		write_failure(message);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		AbortCurrentTransaction();
		FlushErrorState();
		MemoryContextSwitchTo(context);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
}

/* What a failure is called in the view. */
static char *
describe(MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	ErrorData  *error = CopyErrorData();
	char	   *message = error->detail != NULL ?
		psprintf("%s: %s", error->message, error->detail) : pstrdup(error->message);

	MemoryContextSwitchTo(caller);
	return message;
}

/*
 * The same, without an error: the first of several failures in a row goes to the
 * log, all go to the view.
 */
static bool
try_sync(bool *failing)
{
	MemoryContext context = CurrentMemoryContext;
	char	   *volatile failure = NULL;
	volatile bool more = false;

	PG_TRY();
	{
		/* keys and revocations come, whatever is the matter with the users */
		if (*failing)
			(void) sync_once("SELECT FROM dualdb.sync(0)");
		more = sync_once("SELECT FROM dualdb.sync(" BATCH_SIZE ")");
		if (*failing)
			ereport(LOG, errmsg("dualdb sync: the auth database can be reached again"));
		*failing = false;
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		failure = describe(context);
		if (!*failing)
			EmitErrorReport();
		AbortCurrentTransaction();
		FlushErrorState();
		MemoryContextSwitchTo(context);
		*failing = true;
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	if (failure != NULL)
		note_failure(failure);
	return more;
}

/* Wait until it is time for the next sync, or somebody wants it earlier. */
static void
wait_for_turn(const SharedState *s, Deadline last)
{
	while (!ConfigReloadPending)
	{
		bool		wanted = s != NULL && s->sync_wanted;
		int			interval = wanted ? Min(WAKE_INTERVAL_MS, sync_interval) : sync_interval;
		long		since = (long) (deadline_in(0) - last);

		if (since >= interval)
			break;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 interval - since, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* A process stays in its database; another one takes another process. */
static void
reload_settings(const char *database)
{
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	if (strcmp(app_database, database) != 0)
		proc_exit(1);
}

/* Wait until there is a database to work in. */
static void
wait_for_database(void)
{
	while (*app_database == '\0')
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
}

void
dualdb_sync_worker(Datum unused)
{
	SharedState *s;
	char	   *database;
	MemoryContext context;
	bool		failing = false;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	wait_for_database();
	database = MemoryContextStrdup(TopMemoryContext, app_database);
	BackgroundWorkerInitializeConnection(database, NULL, 0);
	/* whatever the database's owner has set for it */
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_SUSET, PGC_S_OVERRIDE);

	s = shared_state();
	if (s != NULL)
	{
		publish_latch(s, MyLatch);
		before_shmem_exit(leave, PointerGetDatum(s));
	}
	context = AllocSetContextCreate(TopMemoryContext, WORKER_NAME,
									ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		Deadline	started = deadline_in(0);

		if (ConfigReloadPending)
			reload_settings(database);
		MemoryContextSwitchTo(context);
		MemoryContextReset(context);
		CHECK_FOR_INTERRUPTS();
		if (s != NULL)
			s->sync_wanted = false;
		if (!try_sync(&failing))
			wait_for_turn(s, started);
	}
}
