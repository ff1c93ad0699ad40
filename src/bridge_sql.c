/* SQL face of the bridge's connection. */
#include "dualdb.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "bridge_query.h"
#include "counters.h"

/* The sync is given more time: the auth database's own limit for it is 5 s. */
#define SYNC_TIMEOUTS	3
#define SYNC_MAX_TIMEOUTS	60

PG_FUNCTION_INFO_V1(dualdb_bridge_lookup);
PG_FUNCTION_INFO_V1(dualdb_bridge_fetch);
PG_FUNCTION_INFO_V1(dualdb_bridge_connection_number);

/*
 * All errors are of class 08, which says: ask again, the request was not at fault.
 * Why is told to who runs the sync; an application's users are not to learn
 * where the auth server is.
 */
static void
raise_failure(BridgeStatus status, const char *why, bool is_lookup)
{
#define detail_for_caller() \
	(is_lookup ? errdetail_log("%s", why) : errdetail("%s", why))

	switch (status)
	{
		case BRIDGE_OK:
			break;
		case BRIDGE_UNREACHABLE:
			ereport(ERROR,
					errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
					errmsg("could not connect to the auth database"),
					detail_for_caller());
			break;
		case BRIDGE_LOST:
			ereport(ERROR,
					errcode(ERRCODE_CONNECTION_FAILURE),
					errmsg("lost the connection to the auth database"),
					detail_for_caller());
			break;
		case BRIDGE_LATE:
			ereport(ERROR,
					errcode(ERRCODE_CONNECTION_FAILURE),
					errmsg("the auth database did not answer in time"),
					detail_for_caller(),
					errhint("The time is set by dualdb.bridge_timeout."));
			break;
		case BRIDGE_REFUSED:
			ereport(ERROR,
					errcode(ERRCODE_CONNECTION_EXCEPTION),
					errmsg("the auth database refused a query"),
					detail_for_caller());
			break;
	}
}

/* The arguments in libpq's form: text, or a null pointer for NULL. */
static const char **
text_arguments(ArrayType *array, int *nargs)
{
	Datum	   *elements;
	bool	   *nulls;
	const char **args;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  &nulls, nargs);
	args = palloc(sizeof(char *) * (*nargs + 1));
	for (int i = 0; i < *nargs; i++)
		args[i] = nulls[i] ? NULL : TextDatumGetCString(elements[i]);
	return args;
}

static void
put_rows(ReturnSetInfo *rsinfo, PGresult *result)
{
	TupleDesc	desc = rsinfo->setDesc;
	AttInMetadata *input = TupleDescGetAttInMetadata(desc);
	char	  **values = palloc(sizeof(char *) * desc->natts);
	MemoryContext row_context;
	MemoryContext caller;

	if (PQnfields(result) != desc->natts)
		ereport(ERROR,
				errcode(ERRCODE_PROTOCOL_VIOLATION),
				errmsg("the auth database returned %d columns instead of %d",
					   PQnfields(result), desc->natts));
	row_context = AllocSetContextCreate(CurrentMemoryContext, "dualdb row",
										ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(row_context);
	for (int row = 0; row < PQntuples(result); row++)
	{
		for (int col = 0; col < desc->natts; col++)
			values[col] = PQgetisnull(result, row, col) ? NULL
				: PQgetvalue(result, row, col);
		tuplestore_puttuple(rsinfo->setResult,
							BuildTupleFromCStrings(input, values));
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(row_context);
}

static void
run(FunctionCallInfo fcinfo, bool is_lookup)
{
	ArrayType  *arguments = PG_GETARG_ARRAYTYPE_P(1);
	StringInfoData detail;
	PGresult   *result;
	BridgeStatus status;
	BridgeQuery query;

	query.sql = text_to_cstring(PG_GETARG_TEXT_PP(0));
	query.args = text_arguments(arguments, &query.nargs);
	query.prepared = is_lookup;
	query.timeout = is_lookup ? bridge_timeout : (int64) bridge_timeout * SYNC_TIMEOUTS;
	query.renewed = !is_lookup;
	query.last_deadline = deadline_in((int64) bridge_timeout * SYNC_MAX_TIMEOUTS);
	initStringInfo(&detail);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);

	status = bridge_query(&query, &result, &detail);
	if (is_lookup)
		counter_add(status == BRIDGE_OK ? COUNTER_LOOKUPS : COUNTER_LOOKUP_FAILURES);
	while (detail.len > 0 && detail.data[detail.len - 1] == '\n')
		detail.data[--detail.len] = '\0';
	raise_failure(status, detail.data, is_lookup);
	PG_TRY();
	{
		put_rows((ReturnSetInfo *) fcinfo->resultinfo, result);
	}
	PG_FINALLY();
	{
		PQclear(result);
	}
	PG_END_TRY();
}

/* dualdb.bridge_lookup(query text, arguments text[]) returns setof record */
Datum
dualdb_bridge_lookup(PG_FUNCTION_ARGS)
{
	run(fcinfo, true);
	PG_RETURN_NULL();
}

/* dualdb.bridge_fetch(query text, arguments text[]) returns setof record */
Datum
dualdb_bridge_fetch(PG_FUNCTION_ARGS)
{
	run(fcinfo, false);
	PG_RETURN_NULL();
}

/* dualdb.bridge_connection_number() returns bigint */
Datum
dualdb_bridge_connection_number(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(bridge_connection_number());
}
