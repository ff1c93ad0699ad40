/*
 * Counters of what has happened in a database, for monitoring.
 *
 * They are in shared memory, so that what a client rolls back has still been
 * counted, and so that a standby has its own.  A backend looks for the place of
 * its database once, under the lock, and counts by atomic additions from then on.
 */
#include "dualdb.h"

#include "miscadmin.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "shared_state.h"

static const char *const names[NCOUNTERS] = {
	"logins",
	"logins_mfa_required",
	"login_failures",
	"logins_throttled",
	"logins_busy",
	"refreshes",
	"refresh_failures",
	"token_reuse",
	"registrations",
	"registrations_refused",
	"password_changes",
	"password_reset_requests",
	"password_resets",
	"api_keys_verified",
	"api_keys_refused",
	"tokens_verified",
	"tokens_refused",
	"lookups",
	"lookup_failures"
};

static DatabaseCounters *here = NULL;

void
counters_init(DatabaseCounters *counters, int n)
{
	for (int i = 0; i < n; i++)
	{
		counters[i].database = InvalidOid;
		pg_atomic_init_u64(&counters[i].since, GetCurrentTimestamp());
		for (int c = 0; c < NCOUNTERS; c++)
			pg_atomic_init_u64(&counters[i].count[c], 0);
	}
}

void
counters_reset(DatabaseCounters *counters)
{
	for (int c = 0; c < NCOUNTERS; c++)
		pg_atomic_write_u64(&counters->count[c], 0);
	pg_atomic_write_u64(&counters->since, GetCurrentTimestamp());
}

static DatabaseCounters *
find(SharedState *s, Oid database)
{
	for (int i = 0; i < COUNTED_DATABASES; i++)
	{
		if (s->counters[i].database == database)
			return &s->counters[i];
	}
	return NULL;
}

/* A database that is gone, and whose place another one may have. */
static Oid
find_gone(SharedState *s)
{
	for (int i = 0; i < COUNTED_DATABASES; i++)
	{
		Oid			database = s->counters[i].database;

		if (OidIsValid(database) &&
			!SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(database)))
			return database;
	}
	return InvalidOid;
}

static DatabaseCounters *
take_place(SharedState *s)
{
	Oid			gone = find(s, InvalidOid) == NULL ? find_gone(s) : InvalidOid;
	DatabaseCounters *place;

	LWLockAcquire(&s->lock, LW_EXCLUSIVE);
	place = find(s, MyDatabaseId);
	if (place == NULL && (place = find(s, gone)) != NULL)
	{
		/* a place that nobody had has counted nothing since the start */
		if (OidIsValid(gone))
			counters_reset(place);
		place->database = MyDatabaseId;
	}
	LWLockRelease(&s->lock);
	return place;
}

DatabaseCounters *
counters_here(void)
{
	SharedState *s;

	if (here == NULL && (s = shared_state()) != NULL)
		here = take_place(s);
	return here;
}

void
counter_add(Counter counter)
{
	DatabaseCounters *counters = counters_here();

	if (counters != NULL)
		pg_atomic_fetch_add_u64(&counters->count[counter], 1);
}

bool
counter_by_name(const char *name, Counter *counter)
{
	for (int i = 0; i < NCOUNTERS; i++)
	{
		if (strcmp(names[i], name) == 0)
		{
			*counter = (Counter) i;
			return true;
		}
	}
	return false;
}
