/* What connection pools send between clients ends every identity. */
#ifndef DUALDB_DISCARD_H
#define DUALDB_DISCARD_H

extern void discard_init(void);

#endif							/* DUALDB_DISCARD_H */
