/* This backend's connection to the auth database: see bridge_connection.c. */
#ifndef DUALDB_BRIDGE_CONNECTION_H
#define DUALDB_BRIDGE_CONNECTION_H

#include <libpq-fe.h>

#include "lib/stringinfo.h"

typedef enum BridgeStatus
{
	BRIDGE_OK,
	BRIDGE_UNREACHABLE,			/* no host gave a connection */
	BRIDGE_LOST,				/* the connection broke */
	BRIDGE_LATE,				/* the deadline passed */
	BRIDGE_REFUSED				/* the auth database answered with an error */
} BridgeStatus;

/* Milliseconds of a clock that nobody sets. */
typedef int64 Deadline;

extern Deadline deadline_in(int64 ms);

extern void bridge_connection_init(void);

/*
 * The connection, made when there is none.  "reused" tells which; what went
 * wrong, which is for the server's log only, is appended to "detail".
 */
extern BridgeStatus bridge_connect(Deadline deadline, PGconn **conn,
								   bool *reused, StringInfo detail);

extern int64 bridge_connection_number(void);

/* Close it, whatever it is doing. */
extern void bridge_disconnect(void);

/* Let the socket become ready; false when the deadline passed. */
extern bool bridge_wait(PGconn *conn, int events, Deadline deadline);

#endif							/* DUALDB_BRIDGE_CONNECTION_H */
