/* How old the revocations of this database are: see feed_age.c. */
#ifndef DUALDB_FEED_AGE_H
#define DUALDB_FEED_AGE_H

/* Has the last sync been longer ago than dualdb.max_feed_age allows? */
extern bool feed_is_too_old(void);

#endif							/* DUALDB_FEED_AGE_H */
