/* SQL functions for monitoring. */
#include "dualdb.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "shared_state.h"

PG_FUNCTION_INFO_V1(dualdb_count_event);
PG_FUNCTION_INFO_V1(dualdb_statistic);
PG_FUNCTION_INFO_V1(dualdb_statistics_since);
PG_FUNCTION_INFO_V1(dualdb_reset_statistics);

/* count_event(name text) returns void */
Datum
dualdb_count_event(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Counter		counter;

	if (!counter_by_name(name, &counter))
		elog(ERROR, "there is no counter \"%s\"", name);
	counter_add(counter);
	PG_RETURN_VOID();
}

static int64
hashes_running(SharedState *s)
{
	int64		n;

	SpinLockAcquire(&s->governor_lock);
	n = s->hashes_running;
	SpinLockRelease(&s->governor_lock);
	return n;
}

/* The events are those of one database. */
static int64
events(SharedState *s, bool lost)
{
	int64		n = 0;

	LWLockAcquire(&s->lock, LW_SHARED);
	if (s->database == MyDatabaseId)
		n = lost ? s->outbox_lost : s->outbox_head - s->outbox_tail;
	LWLockRelease(&s->lock);
	return n;
}

/* statistic(name text) returns bigint */
Datum
dualdb_statistic(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	SharedState *s = shared_state();
	DatabaseCounters *counters = counters_here();
	Counter		counter;

	if (s == NULL || counters == NULL)
		PG_RETURN_NULL();
	if (strcmp(name, "hashes_running") == 0)
		PG_RETURN_INT64(hashes_running(s));
	if (strcmp(name, "events_pending") == 0)
		PG_RETURN_INT64(events(s, false));
	if (strcmp(name, "events_lost") == 0)
		PG_RETURN_INT64(events(s, true));
	if (!counter_by_name(name, &counter))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("there is no statistic \"%s\"", name));
	PG_RETURN_INT64((int64) pg_atomic_read_u64(&counters->count[counter]));
}

/* statistics_since() returns timestamptz */
Datum
dualdb_statistics_since(PG_FUNCTION_ARGS)
{
	DatabaseCounters *counters = counters_here();

	if (counters == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ((TimestampTz) pg_atomic_read_u64(&counters->since));
}

/* reset_statistics() returns void */
Datum
dualdb_reset_statistics(PG_FUNCTION_ARGS)
{
	DatabaseCounters *counters = counters_here();

	if (counters != NULL)
		counters_reset(counters);
	PG_RETURN_VOID();
}
