/* The worker that writes failures and events from shared memory to tables. */
#ifndef DUALDB_FLUSH_WORKER_H
#define DUALDB_FLUSH_WORKER_H

#include "shared_state.h"

/* See to it that a worker runs, or will soon. */
extern void flush_worker_ensure(SharedState *s);

#endif							/* DUALDB_FLUSH_WORKER_H */
