/* Asking the auth database: see bridge_query.c. */
#ifndef DUALDB_BRIDGE_QUERY_H
#define DUALDB_BRIDGE_QUERY_H

#include "bridge_connection.h"

typedef struct BridgeQuery
{
	const char *sql;
	int			nargs;
	const char *const *args;
	bool		prepared;		/* parsed once for each connection */
	int64		timeout;		/* ms, over connecting and asking together */
	bool		renewed;		/* every piece of an answer starts it anew, */
	Deadline	last_deadline;	/* but not beyond this */
} BridgeQuery;

/*
 * BRIDGE_OK with the rows in "result", which the caller clears; else nothing, and
 * "detail" has what is for the server's log only.
 */
extern BridgeStatus bridge_query(const BridgeQuery *query, PGresult **result,
								 StringInfo detail);

#endif							/* DUALDB_BRIDGE_QUERY_H */
