/* The worker that keeps the app database up to date: see sync_worker.c. */
#ifndef DUALDB_SYNC_WORKER_H
#define DUALDB_SYNC_WORKER_H

extern void sync_worker_init(void);

/* There is news that a token has heard of and this database has not. */
extern void sync_worker_wake(void);

#endif							/* DUALDB_SYNC_WORKER_H */
