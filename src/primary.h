/* What only the primary server does. */
#ifndef DUALDB_PRIMARY_H
#define DUALDB_PRIMARY_H

/* An error with a hint where this server is a standby. */
extern void require_primary(void);

#endif							/* DUALDB_PRIMARY_H */
