/*
 * Passing a token on to the other nodes of a sharded database.
 *
 * Row-level security is done where the rows are, and that node must know the
 * caller.  What Citus carries there is SET LOCAL; so the token travels as the
 * setting dualdb.forwarded_token, and is verified there.  Whoever sets it
 * themselves has to have a token that is valid, as with authenticate().
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
	char	   *statement = psprintf("SET LOCAL dualdb.forwarded_token = %s",
									 quote_literal_cstr(value));
	int			result;

	SPI_connect();
	result = SPI_execute(statement, false, 0);
	SPI_finish();
	sodium_memzero(statement, strlen(statement));
	sodium_memzero(value, strlen(value));
	if (result != SPI_OK_UTILITY)
		elog(ERROR, "could not pass the token on: %s",
			 SPI_result_code_string(result));
}

void
assign_forwarded_token(const char *newval, void *extra)
{
	(void) extra;
	identity_forwarded_anew();
	if (newval != NULL && newval[0] != '\0')
		hide_statement();
}

const char *
show_forwarded_token(void)
{
	return "";
}
