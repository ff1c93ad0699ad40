/* UUID version 7 (RFC 9562 section 5.7). */
#ifndef DUALDB_UUID7_H
#define DUALDB_UUID7_H

#define UUID_TEXT_SIZE	37

extern void uuid7_text(char text[UUID_TEXT_SIZE]);

#endif							/* DUALDB_UUID7_H */
