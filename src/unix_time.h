/* PostgreSQL timestamps as microseconds since the Unix epoch. */
#ifndef DUALDB_UNIX_TIME_H
#define DUALDB_UNIX_TIME_H

#include "datatype/timestamp.h"
#include "utils/timestamp.h"

#include "claims.h"

static inline UnixMicros
unix_micros(TimestampTz ts)
{
	if (TIMESTAMP_NOT_FINITE(ts))
		return ts;
	return ts + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

/* The wall clock: a long transaction must not keep a token alive. */
static inline UnixMicros
unix_micros_now(void)
{
	return unix_micros(GetCurrentTimestamp());
}

#endif							/* DUALDB_UNIX_TIME_H */
