/*
 * Passing a token on to the other nodes of a sharded database.
 *
 * Row-level security is done where the rows are, and that node must know the
 * caller.  What Citus carries there is SET LOCAL; so the token travels as the
 * setting dualdb.forwarded_token, and is verified there.  Whoever sets it
 * themselves has to have a token that is valid, as with authenticate().
 *
 * It counts in the transaction that sets it, and in no other: not for a session,
 * which belongs to the next client of a pool, too, nor from the settings of a role
 * or a connection.
 *
 * A token is a bearer's secret: the setting shows nothing, and the statement is
 * taken out of pg_stat_activity on the node that gets it.
 */
#include "dualdb.h"

#include <sodium.h>

#include "executor/spi.h"
#include "utils/builtins.h"

#include "forwarding.h"
#include "identity.h"

void
forward_token(const text *token)
{
	char	   *value = text_to_cstring(token);
	char	   *literal = quote_literal_cstr(value);
	char	   *statement = psprintf("SET LOCAL dualdb.forwarded_token = %s", literal);
	volatile int result = 0;

	SPI_connect();
	PG_TRY();
	{
		result = SPI_execute(statement, false, 0);
	}
	PG_FINALLY();
	{
		sodium_memzero(statement, strlen(statement));
		sodium_memzero(literal, strlen(literal));
		sodium_memzero(value, strlen(value));
	}
	PG_END_TRY();
	SPI_finish();
	if (result != SPI_OK_UTILITY)
		elog(ERROR, "could not pass the token on: %s",
			 SPI_result_code_string(result));
}

/* Every value remembers its transaction: the end of another one brings it back. */
bool
check_forwarded_token(char **newval, void **extra, GucSource source)
{
	uint64	   *transaction = guc_malloc(LOG, sizeof(uint64));

	(void) newval;
	(void) source;
	if (transaction == NULL)
	{
		GUC_check_errcode(ERRCODE_OUT_OF_MEMORY);
		GUC_check_errmsg("out of memory");
		return false;
	}
	*transaction = identity_transaction();
	*extra = transaction;
	return true;
}

void
assign_forwarded_token(const char *newval, void *extra)
{
	identity_forwarded_anew(extra != NULL ? *(const uint64 *) extra : 0);
	if (newval != NULL && newval[0] != '\0')
		hide_statement();
}

const char *
show_forwarded_token(void)
{
	return "";
}
