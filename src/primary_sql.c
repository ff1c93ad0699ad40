/*
 * What only the primary server does.
 *
 * A standby would refuse to write anyway, but late: after a password hash has
 * been computed, and without a word about where to go.
 */
#include "dualdb.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "replication/walreceiver.h"

#include "primary.h"

PG_FUNCTION_INFO_V1(dualdb_require_primary);

/*
 * Where this standby has its changes from.  The connection string has the same
 * and may have a password; this is only host and port.  Empty before the first
 * connection.
 */
static int
sender(char *host)
{
	int			port;

	SpinLockAcquire(&WalRcv->mutex);
	strlcpy(host, WalRcv->sender_host, NI_MAXHOST);
	port = WalRcv->sender_port;
	SpinLockRelease(&WalRcv->mutex);
	return port;
}

void
require_primary(void)
{
	char		host[NI_MAXHOST];
	int			port;

	if (!RecoveryInProgress())
		return;
	hide_statement();
	port = sender(host);
	/* the statement may be a login with its password, and must not be logged */
	ereport(ERROR,
			errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
			errmsg("this function cannot be executed on a standby server"),
			*host == '\0' ? errhint("Connect to the primary server.") :
			errhint("Connect to the primary server. This standby has its changes from host \"%s\", port %d.",
					host, port),
			errhidestmt(true),
			errhidecontext(true));
}

/* require_primary() returns void */
Datum
dualdb_require_primary(PG_FUNCTION_ARGS)
{
	require_primary();
	PG_RETURN_VOID();
}
