/* Secrets on their way through the server: the master keys and passwords. */
#include "dualdb.h"

#include <sodium.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"

/* The way out of each refusal, or NULL for success. */
static const char *
master_key_problem(MasterKeyStatus status)
{
	switch (status)
	{
		case MASTER_KEY_OK:
			return NULL;
		case MASTER_KEY_NOT_CONFIGURED:
			return "Set dualdb.key_file to a file of 32 random bytes outside the data directory, mode 0600, owned by the server's user.";
		case MASTER_KEY_UNREADABLE:
			return "The server's user must be able to read the file.";
		case MASTER_KEY_NOT_REGULAR:
			return "It must be a regular file.";
		case MASTER_KEY_WRONG_OWNER:
			return "The file must belong to the server's user.";
		case MASTER_KEY_OPEN_MODE:
			return "The file's mode must be 0600 or stricter.";
		case MASTER_KEY_WRONG_SIZE:
			return "The file must hold exactly 32 bytes, or as many for each key in a rotation of the master key.";
		case MASTER_KEY_ZEROS:
			return "A key in the file is all zeros: it has not been written to disk. Bring the file back from its copy.";
		case MASTER_KEY_IN_DATA_DIRECTORY:
			return "The file must lie outside the data directory, where backups and replicas would carry it along.";
		case MASTER_KEY_NO_MEMORY:
			return "There was no locked memory for it; see RLIMIT_MEMLOCK.";
	}
	return NULL;
}

const MasterKeys *
require_master_keys(void)
{
	const MasterKeys *keys = NULL;
	MasterKeyStatus status = master_key_load(key_file, DataDir, &keys);
	int			saved_errno = errno;

	if (status == MASTER_KEY_NOT_CONFIGURED)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("no key file is configured"),
				errhint("%s", master_key_problem(status)),
				errhidestmt(true),
				errhidecontext(true));
	errno = saved_errno;
	if (status == MASTER_KEY_UNREADABLE)
		ereport(ERROR,
				errcode(ERRCODE_CONFIG_FILE_ERROR),
				errmsg("could not read the key file: %m"),
				errdetail_log("The key file is \"%s\".", key_file),
				errhint("%s", master_key_problem(status)),
				errhidestmt(true),
				errhidecontext(true));
	if (status != MASTER_KEY_OK)
		ereport(ERROR,
				errcode(ERRCODE_CONFIG_FILE_ERROR),
				errmsg("key file refused"),
				errdetail_log("The key file is \"%s\".", key_file),
				errhint("%s", master_key_problem(status)),
				errhidestmt(true),
				errhidecontext(true));
	return keys;
}

/*
 * Take the running statement out of pg_stat_activity, where every session of
 * the same role could read the password or token in it.
 */
void
hide_statement(void)
{
	static TimestampTz hidden = 0;
	TimestampTz statement = GetCurrentStatementStartTimestamp();

	if (hidden == statement)
		return;
	pgstat_report_activity(STATE_RUNNING, "<hidden by dualdb>");
	hidden = statement;
}

/*
 * Wipe what fetching an argument copied.  The argument itself belongs to the
 * caller.
 */
void
wipe_detoasted(struct varlena *value, Datum argument)
{
	if ((Pointer) value != DatumGetPointer(argument))
		sodium_memzero(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}
