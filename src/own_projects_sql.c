/*
 * Does a project belong to the authenticated user?  For policies, which on
 * distributed tables can hold no sub-query.
 *
 * A statement reads the user's projects once, at its first row, and looks the
 * others up in what it has read; own_projects_support.c lets it come to these rows
 * by an index.  In a database that Citus shards the statement
 * is about one shard, and the projects of that shard's rows are in one shard
 * beside it, which is read by its own name: a distributed query within a query
 * on a shard is refused.
 */
#include "dualdb.h"

#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "identity.h"

PG_FUNCTION_INFO_V1(dualdb_owns_project);
PG_FUNCTION_INFO_V1(dualdb_own_project_ids);

/* Sorted as bytes. */
typedef struct OwnProjects
{
	text	  **ids;
	uint64		n;
} OwnProjects;

#define NOT_SHARDED		INT64CONST(0)

/* The query of the table or shard that was read last. */
static SPIPlanPtr last_plan = NULL;
static int64 last_shard;

static int
compare_ids(const void *a, const void *b)
{
	const text *x = *(text *const *) a;
	const text *y = *(text *const *) b;
	size_t		nx = VARSIZE_ANY_EXHDR(x);
	size_t		ny = VARSIZE_ANY_EXHDR(y);
	int			result = memcmp(VARDATA_ANY(x), VARDATA_ANY(y), Min(nx, ny));

	return result != 0 ? result : (nx > ny) - (nx < ny);
}

/* The shard of app.projects that has the project, or would have it. */
static int64
shard_of(text *project_id)
{
	Oid			type = TEXTOID;
	Datum		value = PointerGetDatum(project_id);
	bool		isnull;

	if (!OidIsValid(get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE)))
		return NOT_SHARDED;
	SPI_execute_with_args("SELECT pg_catalog.get_shard_id_for_distribution_column('app.projects', $1) "
						  "FROM pg_catalog.pg_dist_partition p "
						  "WHERE p.logicalrelid::pg_catalog.oid OPERATOR(pg_catalog.=) "
						  "'app.projects'::pg_catalog.regclass::pg_catalog.oid",
						  1, &type, &value, NULL, true, 1);
	if (SPI_processed == 0)
		return NOT_SHARDED;
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? NOT_SHARDED : DatumGetInt64(value);
}

static SPIPlanPtr
plan_for(int64 shard)
{
	char	   *table = shard == NOT_SHARDED ? pstrdup("app.projects") :
		psprintf("app.projects_" INT64_FORMAT, shard);
	SPIPlanPtr	plan;

	if (last_plan != NULL && last_shard == shard)
		return last_plan;
	if (last_plan != NULL)
		SPI_freeplan(last_plan);
	last_plan = NULL;
	plan = SPI_prepare(psprintf("SELECT p.id FROM %s p "
								"WHERE p.user_id OPERATOR(pg_catalog.=) dualdb.user_id() "
								"ORDER BY p.id COLLATE \"C\"", table), 0, NULL);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare the query of %s", table);
	last_plan = plan;
	last_shard = shard;
	return plan;
}

/*
 * As the caller, whose policy on app.projects shows the same rows.  With a project,
 * those that are in one shard with it.
 */
static OwnProjects *
read_own_projects(text *project_id, MemoryContext context)
{
	OwnProjects *own;
	MemoryContext caller;

	SPI_connect();
	SPI_execute_plan(plan_for(project_id == NULL ? NOT_SHARDED : shard_of(project_id)),
					 NULL, NULL, true, 0);
	caller = MemoryContextSwitchTo(context);
	own = palloc(sizeof(OwnProjects));
	own->n = SPI_processed;
	own->ids = palloc_extended(sizeof(text *) * (own->n + 1), MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < own->n; i++)
	{
		bool		isnull;
		Datum		id = SPI_getbinval(SPI_tuptable->vals[i],
									   SPI_tuptable->tupdesc, 1, &isnull);

		own->ids[i] = DatumGetTextPCopy(id);
	}
	MemoryContextSwitchTo(caller);
	SPI_finish();
	return own;
}

/* owns_project(project_id text) returns boolean */
Datum
dualdb_owns_project(PG_FUNCTION_ARGS)
{
	text	   *project_id = PG_GETARG_TEXT_PP(0);
	OwnProjects *own = fcinfo->flinfo->fn_extra;

	if (identity_current() == NULL)
		PG_RETURN_BOOL(false);
	if (own == NULL)
	{
		own = read_own_projects(project_id, fcinfo->flinfo->fn_mcxt);
		fcinfo->flinfo->fn_extra = own;
	}
	PG_RETURN_BOOL(bsearch(&project_id, own->ids, own->n, sizeof(text *),
						   compare_ids) != NULL);
}

/* own_project_ids() returns text[] */
Datum
dualdb_own_project_ids(PG_FUNCTION_ARGS)
{
	OwnProjects *own;

	if (identity_current() == NULL)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(TEXTOID));
	own = read_own_projects(NULL, CurrentMemoryContext);
	PG_RETURN_ARRAYTYPE_P(construct_array((Datum *) own->ids, (int) own->n, TEXTOID,
										  -1, false, TYPALIGN_INT));
}
