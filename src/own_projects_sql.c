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
 *
 * Citus lets whoever may write a table write its shards by name, and so put rows
 * into shards that they do not belong to.  So a project counts in the shard of its
 * hash alone, and a row is asked about in the shard of its own project, whatever
 * shard it is in itself.
 */
#include "dualdb.h"

#include <limits.h>

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "identity.h"

PG_FUNCTION_INFO_V1(dualdb_owns_project);
PG_FUNCTION_INFO_V1(dualdb_own_project_ids);

#define NOT_SHARDED		INT64CONST(0)

/* A shard of app.projects, and the hashes of the ids that it has. */
typedef struct Shard
{
	int64		id;
	int32		lowest;
	int32		highest;
} Shard;

static const Shard whole_table = {NOT_SHARDED, INT_MIN, INT_MAX};

/* The user's projects of one shard, sorted as bytes. */
typedef struct OwnProjects
{
	struct OwnProjects *next;
	Shard		shard;
	text	  **ids;
	uint64		n;
} OwnProjects;

/* What has been read, for whom, and as of when. */
typedef struct Reading
{
	MemoryContext context;		/* of all else, NULL before the first time */
	char	   *user_id;
	TransactionId xmin;
	TransactionId xmax;
	uint32		xcnt;
	int32		subxcnt;
	CommandId	curcid;
	SubTransactionId within;	/* a rollback to a savepoint changes nothing else */
	OwnProjects *shards;
} Reading;

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

static bool
contains(const OwnProjects *own, text *project_id)
{
	return bsearch(&project_id, own->ids, own->n, sizeof(text *),
				   compare_ids) != NULL;
}

/* As Citus distributes by a column of type text. */
static int32
hash_of(text *project_id)
{
	return DatumGetInt32(DirectFunctionCall1Coll(hashtext, DEFAULT_COLLATION_OID,
												 PointerGetDatum(project_id)));
}

static int32
integer_of(int column)
{
	bool		isnull;

	return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0],
									   SPI_tuptable->tupdesc, column, &isnull));
}

/* The shard of app.projects that has the project, or would have it. */
static Shard
shard_of(text *project_id)
{
	Shard		shard = whole_table;
	Oid			type = INT4OID;
	Datum		hash = Int32GetDatum(hash_of(project_id));
	bool		isnull;

	if (!OidIsValid(get_relname_relid("pg_dist_shard", PG_CATALOG_NAMESPACE)))
		return shard;
	SPI_execute_with_args("SELECT r.id, r.lowest, r.highest "
						  "FROM (SELECT s.shardid AS id, s.shardminvalue::pg_catalog.int4 AS lowest, "
						  "s.shardmaxvalue::pg_catalog.int4 AS highest "
						  "FROM pg_catalog.pg_dist_shard s "
						  "WHERE s.logicalrelid::pg_catalog.oid OPERATOR(pg_catalog.=) "
						  "'app.projects'::pg_catalog.regclass::pg_catalog.oid) r "
						  "WHERE $1 OPERATOR(pg_catalog.>=) r.lowest "
						  "AND $1 OPERATOR(pg_catalog.<=) r.highest",
						  1, &type, &hash, NULL, true, 1);
	if (SPI_processed > 0)
	{
		shard.id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
											   SPI_tuptable->tupdesc, 1, &isnull));
		shard.lowest = integer_of(2);
		shard.highest = integer_of(3);
	}
	return shard;
}

static SPIPlanPtr
plan_for(const Shard *shard)
{
	char	   *table = pstrdup("app.projects");
	const char *here = "";
	SPIPlanPtr	plan;

	if (last_plan != NULL && last_shard == shard->id)
		return last_plan;
	if (last_plan != NULL)
		SPI_freeplan(last_plan);
	last_plan = NULL;
	if (shard->id != NOT_SHARDED)
	{
		table = psprintf("app.projects_" INT64_FORMAT, shard->id);
		here = psprintf("AND pg_catalog.hashtext(p.id) OPERATOR(pg_catalog.>=) '%d' "
						"AND pg_catalog.hashtext(p.id) OPERATOR(pg_catalog.<=) '%d' ",
						shard->lowest, shard->highest);
	}
	plan = SPI_prepare(psprintf("SELECT p.id FROM %s p "
								"WHERE p.user_id OPERATOR(pg_catalog.=) dualdb.user_id() %s"
								"ORDER BY p.id COLLATE pg_catalog.\"C\"", table, here), 0, NULL);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare the query of %s", table);
	last_plan = plan;
	last_shard = shard->id;
	return plan;
}

/* A row can be where the shard of its project is not; then it is nobody's. */
static bool
is_here(const Shard *shard)
{
	return shard->id == NOT_SHARDED ||
		OidIsValid(get_relname_relid(psprintf("projects_" INT64_FORMAT, shard->id),
									 get_namespace_oid("app", false)));
}

/*
 * As the caller, whose policy on app.projects shows the same rows.  With a project,
 * those that are in one shard with it.
 */
static OwnProjects *
read_shard(text *project_id, MemoryContext context)
{
	OwnProjects *own = MemoryContextAllocZero(context, sizeof(OwnProjects));
	MemoryContext caller;

	SPI_connect();
	own->shard = project_id == NULL ? whole_table : shard_of(project_id);
	if (is_here(&own->shard))
	{
		SPI_execute_plan(plan_for(&own->shard), NULL, NULL, true, 0);
		caller = MemoryContextSwitchTo(context);
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
	}
	SPI_finish();
	return own;
}

/*
 * What was read for another user, or before another statement, does not count:
 * whoever calls this in plpgsql has one FmgrInfo for the whole transaction.
 */
static bool
is_current(const Reading *reading, const char *user_id, const Snapshot now)
{
	return reading->context != NULL && strcmp(reading->user_id, user_id) == 0 &&
		reading->xmin == now->xmin && reading->xmax == now->xmax &&
		reading->xcnt == now->xcnt && reading->subxcnt == now->subxcnt &&
		reading->curcid == now->curcid &&
		reading->within == GetCurrentSubTransactionId();
}

static Reading *
current_reading(FmgrInfo *flinfo, const char *user_id)
{
	Reading    *reading = flinfo->fn_extra;
	Snapshot	now = GetActiveSnapshot();

	if (reading == NULL)
		reading = flinfo->fn_extra = MemoryContextAllocZero(flinfo->fn_mcxt,
															sizeof(Reading));
	if (is_current(reading, user_id, now))
		return reading;
	if (reading->context != NULL)
		MemoryContextDelete(reading->context);
	reading->context = NULL;
	reading->shards = NULL;
	reading->context = AllocSetContextCreate(flinfo->fn_mcxt, "dualdb own projects",
											 ALLOCSET_SMALL_SIZES);
	reading->user_id = MemoryContextStrdup(reading->context, user_id);
	reading->xmin = now->xmin;
	reading->xmax = now->xmax;
	reading->xcnt = now->xcnt;
	reading->subxcnt = now->subxcnt;
	reading->curcid = now->curcid;
	reading->within = GetCurrentSubTransactionId();
	return reading;
}

static OwnProjects *
read_more(Reading *reading, text *project_id)
{
	OwnProjects *own = read_shard(project_id, reading->context);

	own->next = reading->shards;
	reading->shards = own;
	return own;
}

static bool
owns(Reading *reading, text *project_id)
{
	OwnProjects *own;

	for (own = reading->shards; own != NULL; own = own->next)
	{
		if (contains(own, project_id))
			return true;
	}
	for (own = reading->shards; own != NULL; own = own->next)
	{
		if (own->shard.id == NOT_SHARDED ||
			(hash_of(project_id) >= own->shard.lowest &&
			 hash_of(project_id) <= own->shard.highest))
			return false;
	}
	return contains(read_more(reading, project_id), project_id);
}

/* owns_project(project_id text) returns boolean */
Datum
dualdb_owns_project(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();

	if (identity == NULL)
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(owns(current_reading(fcinfo->flinfo, identity->user_id),
						PG_GETARG_TEXT_PP(0)));
}

/* own_project_ids() returns text[]; an index within a join asks for each row. */
Datum
dualdb_own_project_ids(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();
	Reading    *reading;
	OwnProjects *own;

	if (identity == NULL)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(TEXTOID));
	reading = current_reading(fcinfo->flinfo, identity->user_id);
	own = reading->shards != NULL ? reading->shards : read_more(reading, NULL);
	PG_RETURN_ARRAYTYPE_P(construct_array((Datum *) own->ids, (int) own->n, TEXTOID,
										  -1, false, TYPALIGN_INT));
}
