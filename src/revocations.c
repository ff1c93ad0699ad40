/*
 * Access tokens that are refused before they expire.
 *
 * The rows are few and short-lived, so they are not cached: a token is looked up
 * by the table's primary key.  Whoever has looked one up need not do so again
 * while the generation stays the same; it moves by relcache invalidation, as
 * that of the trusted keys does.
 */
#include "dualdb.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "revocations.h"

/* Columns of the table, in its order; extension/revocations.sql. */
enum
{
	COL_KIND = 1,
	COL_ID,
	COL_MIN_VERSION,
	COL_EXPIRES_AT
};

static Oid	table_oid = InvalidOid;
static uint64_t generation = 0;

static void
relation_changed(Datum arg, Oid relid)
{
	(void) arg;
	if (relid == InvalidOid || relid == table_oid)
	{
		table_oid = InvalidOid;
		generation++;
	}
}

void
revocations_init(void)
{
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}

uint64_t
revocations_generation(void)
{
	/* changes are only heard of while the table is known */
	if (!OidIsValid(table_oid))
		table_oid = get_relname_relid("revocations",
									  get_namespace_oid("dualdb", false));
	return generation;
}

/* Does the row still refuse a token of this version? */
static bool
refuses(TupleDesc desc, HeapTuple row, int64_t token_version)
{
	bool		isnull;
	Datum		expires_at = heap_getattr(row, COL_EXPIRES_AT, desc, &isnull);
	Datum		min_version;

	if (DatumGetTimestampTz(expires_at) < GetCurrentTimestamp())
		return false;
	min_version = heap_getattr(row, COL_MIN_VERSION, desc, &isnull);
	return isnull || token_version < DatumGetInt32(min_version);
}

static bool
probe(Relation rel, Snapshot snapshot, const char *kind, const char *id,
	  int64_t token_version)
{
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	row;
	bool		found;

	/* both columns have collation "C", as ScanKeyInit assumes */
	ScanKeyInit(&keys[0], COL_KIND, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(kind));
	ScanKeyInit(&keys[1], COL_ID, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(id));
	scan = systable_beginscan(rel, primary_key_index(rel), true, snapshot, 2,
							  keys);
	row = systable_getnext(scan);
	found = HeapTupleIsValid(row) &&
		refuses(RelationGetDescr(rel), row, token_version);
	systable_endscan(scan);
	return found;
}

bool
revocations_cover(const char *session_id, const char *user_id,
				  int64_t token_version)
{
	Snapshot	snapshot;
	Relation	rel;
	bool		covered;

	(void) revocations_generation();
	rel = table_open(table_oid, AccessShareLock);
	/* the newest committed state; can be had in a parallel operation, too */
	snapshot = RegisterSnapshot(GetCatalogSnapshot(table_oid));
	covered = probe(rel, snapshot, "user", user_id, token_version) ||
		(session_id != NULL &&
		 probe(rel, snapshot, "session", session_id, token_version));
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return covered;
}
