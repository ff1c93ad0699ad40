/*
 * Asking the auth database.
 *
 * A query is one statement in a transaction of its own: one round trip, and
 * nothing is left open at the other side.  All queries read, so one that failed
 * because the idle connection had died is asked again on a new one.
 */
#include "dualdb.h"

#include "storage/latch.h"
#include "utils/memutils.h"

#include "bridge_query.h"

/* Statements that have been prepared on the connection. */
#define MAX_PREPARED	8
static char *prepared[MAX_PREPARED];
static int	nprepared = 0;

static void
forget_prepared(void)
{
	while (nprepared > 0)
		pfree(prepared[--nprepared]);
}

/* Send what has been queued, reading meanwhile what comes. */
static BridgeStatus
flush(PGconn *conn, Deadline deadline)
{
	int			left;

	while ((left = PQflush(conn)) > 0)
	{
		if (!bridge_wait(conn, WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE, deadline))
			return BRIDGE_LATE;
		if (!PQconsumeInput(conn))
			return BRIDGE_LOST;
	}
	return left == 0 ? BRIDGE_OK : BRIDGE_LOST;
}

/* The next result, NULL when there is no other. */
static BridgeStatus
next_result(PGconn *conn, const BridgeQuery *query, Deadline *deadline,
			PGresult **result)
{
	while (PQisBusy(conn))
	{
		if (!bridge_wait(conn, WL_SOCKET_READABLE, *deadline))
			return BRIDGE_LATE;
		if (!PQconsumeInput(conn))
			return BRIDGE_LOST;
		if (query->renewed)
			*deadline = Min(deadline_in(query->timeout), query->last_deadline);
	}
	*result = PQgetResult(conn);
	return BRIDGE_OK;
}

/* Wait for the one result of what has been sent. */
static BridgeStatus
receive(PGconn *conn, const BridgeQuery *query, Deadline *deadline,
		PGresult **result)
{
	BridgeStatus status = flush(conn, *deadline);
	PGresult   *rest = NULL;

	*result = NULL;
	if (status == BRIDGE_OK)
		status = next_result(conn, query, deadline, result);
	if (status == BRIDGE_OK && *result != NULL)
		status = next_result(conn, query, deadline, &rest);
	if (rest != NULL)
		PQclear(rest);
	if (status == BRIDGE_OK && (*result == NULL || rest != NULL ||
								PQstatus(conn) == CONNECTION_BAD))
		status = BRIDGE_LOST;
	return status;
}

/* The number under which the statement is prepared; -1 when it is not. */
static int
find_prepared(const char *sql)
{
	for (int i = 0; i < nprepared; i++)
		if (strcmp(prepared[i], sql) == 0)
			return i;
	return -1;
}

static BridgeStatus
prepare(PGconn *conn, const BridgeQuery *query, Deadline *deadline,
		PGresult **result)
{
	char		name[32];
	BridgeStatus status;

	snprintf(name, sizeof(name), "dualdb_%d", nprepared);
	if (!PQsendPrepare(conn, name, query->sql, query->nargs, NULL))
		return BRIDGE_LOST;
	status = receive(conn, query, deadline, result);
	if (status != BRIDGE_OK)
		return status;
	if (PQresultStatus(*result) != PGRES_COMMAND_OK)
		return BRIDGE_REFUSED;
	PQclear(*result);
	*result = NULL;
	prepared[nprepared] = MemoryContextStrdup(TopMemoryContext, query->sql);
	nprepared++;
	return BRIDGE_OK;
}

static bool
send_query(PGconn *conn, const BridgeQuery *query, int number)
{
	char		name[32];

	if (number < 0)
		return PQsendQueryParams(conn, query->sql, query->nargs, NULL,
								 query->args, NULL, NULL, 0);
	snprintf(name, sizeof(name), "dualdb_%d", number);
	return PQsendQueryPrepared(conn, name, query->nargs, query->args,
							   NULL, NULL, 0);
}

static BridgeStatus
ask(PGconn *conn, const BridgeQuery *query, Deadline *deadline,
	PGresult **result)
{
	int			number = find_prepared(query->sql);
	BridgeStatus status;

	if (query->prepared && number < 0 && nprepared < MAX_PREPARED)
	{
		status = prepare(conn, query, deadline, result);
		if (status != BRIDGE_OK)
			return status;
		number = nprepared - 1;
	}
	if (!send_query(conn, query, number))
		return BRIDGE_LOST;
	status = receive(conn, query, deadline, result);
	if (status == BRIDGE_OK && PQresultStatus(*result) != PGRES_TUPLES_OK)
		status = BRIDGE_REFUSED;
	return status;
}

/*
 * Was the prepared statement at fault?  Its views have been replaced, or a
 * pooler between has gone to another connection.
 */
static bool
statement_is_stale(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return state != NULL && (strcmp(state, "26000") == 0 ||
							 strcmp(state, "0A000") == 0);
}

/* The same, and no connection is left behind in the middle of something. */
static BridgeStatus
ask_and_tidy(PGconn *conn, const BridgeQuery *query, Deadline *deadline,
			 PGresult **result, StringInfo detail)
{
	BridgeStatus status = BRIDGE_LOST;

	*result = NULL;
	PG_TRY();
	{
		status = ask(conn, query, deadline, result);
	}
	PG_CATCH();
	{
		PQclear(*result);
		bridge_disconnect();
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (status == BRIDGE_OK)
		return status;

	if (status == BRIDGE_LATE)
		appendStringInfoString(detail, "no answer in time\n");
	else
		appendStringInfoString(detail, status == BRIDGE_REFUSED ?
							   PQresultErrorMessage(*result) : PQerrorMessage(conn));
	if (status == BRIDGE_REFUSED && statement_is_stale(*result))
		status = BRIDGE_LOST;
	PQclear(*result);
	*result = NULL;
	bridge_disconnect();
	return status;
}

BridgeStatus
bridge_query(const BridgeQuery *query, PGresult **result, StringInfo detail)
{
	Deadline	deadline = deadline_in(query->timeout);
	PGconn	   *conn;
	bool		reused;
	BridgeStatus status;

	*result = NULL;
	do
	{
		status = bridge_connect(deadline, &conn, &reused, detail);
		if (status != BRIDGE_OK)
			return status;
		if (!reused)
			forget_prepared();
		status = ask_and_tidy(conn, query, &deadline, result, detail);
	} while (reused && status == BRIDGE_LOST);
	return status;
}
