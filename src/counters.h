/* Counters of what has happened in a database, for monitoring. */
#ifndef DUALDB_COUNTERS_H
#define DUALDB_COUNTERS_H

#include "port/atomics.h"

/* In the order of their names in counters.c. */
typedef enum Counter
{
	COUNTER_LOGINS,
	COUNTER_LOGINS_MFA_REQUIRED,
	COUNTER_LOGIN_FAILURES,
	COUNTER_LOGINS_THROTTLED,
	COUNTER_LOGINS_BUSY,
	COUNTER_REFRESHES,
	COUNTER_REFRESH_FAILURES,
	COUNTER_TOKEN_REUSE,
	COUNTER_REGISTRATIONS,
	COUNTER_REGISTRATIONS_REFUSED,
	COUNTER_PASSWORD_CHANGES,
	COUNTER_PASSWORD_RESET_REQUESTS,
	COUNTER_PASSWORD_RESETS,
	COUNTER_API_KEYS_VERIFIED,
	COUNTER_API_KEYS_REFUSED,
	COUNTER_TOKENS_VERIFIED,
	COUNTER_TOKENS_REFUSED,
	COUNTER_LOOKUPS,
	COUNTER_LOOKUP_FAILURES
} Counter;

#define NCOUNTERS	(COUNTER_LOOKUP_FAILURES + 1)

/* How many databases of a server are counted for. */
#define COUNTED_DATABASES	64

typedef struct DatabaseCounters
{
	Oid			database;		/* InvalidOid: free; under the lock */
	pg_atomic_uint64 since;		/* TimestampTz */
	pg_atomic_uint64 count[NCOUNTERS];
} DatabaseCounters;

extern void counters_init(DatabaseCounters *counters, int n);

/* Count one, whatever becomes of the transaction; takes no lock. */
extern void counter_add(Counter counter);

/* NULL when the library has no shared memory, or all places are taken. */
extern DatabaseCounters *counters_here(void);

extern void counters_reset(DatabaseCounters *counters);

/* The counter of that name; false when there is none. */
extern bool counter_by_name(const char *name, Counter *counter);

#endif							/* DUALDB_COUNTERS_H */
