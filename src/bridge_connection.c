/*
 * This backend's connection to the auth database.
 *
 * It is not postgres_fdw's.  A transaction that has read one row through
 * postgres_fdw cannot commit when the auth server has gone since, and a server
 * that is frozen stops the backend for as long as it stays so.  Here every wait
 * has a deadline and can be interrupted, the transaction is not involved, and a
 * server that does not answer is left: the socket is closed, and no cancel
 * request is sent, which would be another connection to wait for.
 */
#include "dualdb.h"

#include <time.h>

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/inval.h"
#include "utils/syscache.h"
#include "utils/wait_event.h"

#include "bridge_connection.h"
#include "bridge_options.h"

static PGconn *connection = NULL;

/* How many have been made: another number is another connection. */
static int64 connections_made = 0;

/* The server or the mapping has been altered since. */
static bool options_changed = false;

static int64
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

Deadline
deadline_in(int64 ms)
{
	return now_ms() + ms;
}

static void
note_changed_options(Datum arg, int cacheid, uint32 hashvalue)
{
	options_changed = true;
}

void
bridge_connection_init(void)
{
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, note_changed_options,
								  (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, note_changed_options,
								  (Datum) 0);
}

int64
bridge_connection_number(void)
{
	return connections_made;
}

/* What the other side has to say beside its answers is not for this log. */
static void
drop_notice(void *arg, const PGresult *result)
{
}

void
bridge_disconnect(void)
{
	if (connection == NULL)
		return;
	PQfinish(connection);
	connection = NULL;
	ReleaseExternalFD();
}

bool
bridge_wait(PGconn *conn, int events, Deadline deadline)
{
	for (;;)
	{
		int64		left = deadline - now_ms();
		int			got;

		if (left <= 0)
			return false;
		got = WaitLatchOrSocket(MyLatch,
								WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
								WL_TIMEOUT | events,
								PQsocket(conn), left, PG_WAIT_EXTENSION);
		if (got & WL_LATCH_SET)
		{
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
		}
		if (got & events)
			return true;
	}
}

/* Bring the connection that has been started to its end, good or bad. */
static BridgeStatus
finish_connecting(Deadline deadline)
{
	PostgresPollingStatusType poll = PGRES_POLLING_WRITING;

	while (PQstatus(connection) != CONNECTION_BAD)
	{
		if (poll == PGRES_POLLING_OK)
			return BRIDGE_OK;
		if (poll == PGRES_POLLING_FAILED)
			break;
		if (!bridge_wait(connection,
						 poll == PGRES_POLLING_READING ? WL_SOCKET_READABLE
						 : WL_SOCKET_WRITEABLE, deadline))
			return BRIDGE_LATE;
		poll = PQconnectPoll(connection);
	}
	return BRIDGE_UNREACHABLE;
}

/* Without password_required 'false', none but a password may have got us in. */
static bool
login_is_allowed(const BridgeOptions *options)
{
	return !options->password_required || PQconnectionUsedPassword(connection);
}

/* Add what is this host's, after what is the same for all. */
static void
complete_options(BridgeOptions *options, const BridgeHost *host,
				 const char *session_attrs)
{
	int			n = options->n;
	const char *own[][2] = {
		{"host", host->host},
		{"hostaddr", host->hostaddr},
		{"port", host->port},
		{"target_session_attrs", session_attrs},
		{"client_encoding", "UTF8"},
		{"fallback_application_name", "dualdb"},
	};

	for (int i = 0; i < (int) lengthof(own); i++)
	{
		if (own[i][1] == NULL)
			continue;
		options->keywords[n] = own[i][0];
		options->values[n++] = own[i][1];
	}
	options->keywords[n] = NULL;
	options->values[n] = NULL;
}

static BridgeStatus
connect_to_host(BridgeOptions *options, const BridgeHost *host,
				const char *session_attrs, Deadline deadline, StringInfo detail)
{
	BridgeStatus status;

	complete_options(options, host, session_attrs);
	if (!AcquireExternalFD())
	{
		appendStringInfoString(detail, "too many open files in this backend\n");
		return BRIDGE_UNREACHABLE;
	}
	connection = PQconnectStartParams(options->keywords, options->values, 0);
	if (connection == NULL)
	{
		ReleaseExternalFD();
		appendStringInfoString(detail, "out of memory\n");
		return BRIDGE_UNREACHABLE;
	}
	PQsetNoticeReceiver(connection, drop_notice, NULL);
	status = finish_connecting(deadline);
	if (status == BRIDGE_OK && !login_is_allowed(options))
	{
		appendStringInfoString(detail, "a password is required, and none was asked for\n");
		status = BRIDGE_UNREACHABLE;
	}
	else if (status == BRIDGE_LATE)
		appendStringInfo(detail, "host \"%s\" did not answer in time\n",
						 host->host != NULL ? host->host : "");
	else if (status == BRIDGE_UNREACHABLE)
		appendStringInfoString(detail, PQerrorMessage(connection));
	if (status != BRIDGE_OK || PQsetnonblocking(connection, 1) != 0)
	{
		bridge_disconnect();
		return BRIDGE_UNREACHABLE;
	}
	connections_made++;
	return BRIDGE_OK;
}

/* Try each host, with an equal share of the time that is left. */
static BridgeStatus
connect_to_any(BridgeOptions *options, const char *session_attrs,
			   int tries_after, Deadline deadline, StringInfo detail)
{
	int			first = options->random_host ?
		(int) pg_prng_uint64_range(&pg_global_prng_state, 0, options->nhosts - 1) : 0;

	for (int i = 0; i < options->nhosts; i++)
	{
		const BridgeHost *host = &options->hosts[(first + i) % options->nhosts];
		int			tries_left = options->nhosts - i + tries_after;
		Deadline	share = now_ms() + (deadline - now_ms()) / tries_left;

		if (connect_to_host(options, host, session_attrs, share,
							detail) == BRIDGE_OK)
			return BRIDGE_OK;
	}
	return BRIDGE_UNREACHABLE;
}

static BridgeStatus
connect_anew(Deadline deadline, StringInfo detail)
{
	BridgeOptions *options = bridge_options_read();

	/* what libpq would do with the whole list: a standby, else any host */
	if (options->session_attrs == NULL ||
		strcmp(options->session_attrs, "prefer-standby") != 0)
		return connect_to_any(options, options->session_attrs, 0, deadline, detail);
	if (connect_to_any(options, "standby", options->nhosts, deadline,
					   detail) == BRIDGE_OK)
		return BRIDGE_OK;
	return connect_to_any(options, "any", 0, deadline, detail);
}

BridgeStatus
bridge_connect(Deadline deadline, PGconn **conn, bool *reused,
			   StringInfo detail)
{
	BridgeStatus status = BRIDGE_OK;

	AcceptInvalidationMessages();
	if (options_changed || (connection != NULL &&
							PQstatus(connection) == CONNECTION_BAD))
		bridge_disconnect();
	*reused = connection != NULL;
	if (!*reused)
	{
		options_changed = false;
		PG_TRY();
		{
			status = connect_anew(deadline, detail);
		}
		PG_CATCH();
		{
			bridge_disconnect();
			PG_RE_THROW();
		}
		PG_END_TRY();
	}
	*conn = connection;
	return status;
}
