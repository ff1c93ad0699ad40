/* The argon2 governor: how many password hashes are computed at once. */
#ifndef DUALDB_GOVERNOR_H
#define DUALDB_GOVERNOR_H

#include <stdbool.h>

/* Wait for a turn; false when none came in time.  Interruptible. */
extern bool governor_enter(void);
extern void governor_leave(void);

#endif							/* DUALDB_GOVERNOR_H */
