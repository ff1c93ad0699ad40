/*
 * The trusted keys, cached per backend.
 *
 * A trigger on the table sends a relcache invalidation for it with every
 * change (dualdb_announce_change).  It reaches the other backends at
 * commit, and those of a hot standby when the commit is replayed there; the
 * cache is then read again at its next use.
 */
#include "dualdb.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "trusted_keys.h"
#include "unix_time.h"

/* Columns of the table, in its order; extension/trusted_keys.sql. */
enum
{
	COL_KID = 1,
	COL_ISSUER,
	COL_PUBLIC_KEY,
	COL_NOT_BEFORE,
	COL_NOT_AFTER
};

static MemoryContext cache_context = NULL;
static TrustedKeySet cache;
static bool cache_valid = false;
static Oid	cache_relid = InvalidOid;
static uint64_t generation = 0;

PG_FUNCTION_INFO_V1(dualdb_announce_change);

/* Relation 0 stands for all of them. */
static void
relation_changed(Datum arg, Oid relid)
{
	(void) arg;
	if (relid == InvalidOid || relid == cache_relid)
	{
		cache_valid = false;
		generation++;
	}
}

void
trusted_keys_init(void)
{
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}

static Oid
find_table(void)
{
	Oid			schema = get_namespace_oid("dualdb", true);
	Oid			relid = OidIsValid(schema) ?
		get_relname_relid("trusted_keys", schema) : InvalidOid;

	if (!OidIsValid(relid))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("extension \"dualdb\" is not installed in this database"),
				errhint("Run CREATE EXTENSION dualdb."));
	return relid;
}

static UnixMicros
column_time(TupleTableSlot *slot, int column, UnixMicros unbounded)
{
	bool		isnull;
	Datum		d = slot_getattr(slot, column, &isnull);

	return isnull ? unbounded : unix_micros(DatumGetTimestampTz(d));
}

static void
read_row(TupleTableSlot *slot, TrustedKey *key)
{
	bool		isnull;
	bytea	   *public_key;

	slot_getallattrs(slot);
	key->kid = text_to_cstring(DatumGetTextPP(slot_getattr(slot, COL_KID, &isnull)));
	key->issuer = text_to_cstring(DatumGetTextPP(slot_getattr(slot, COL_ISSUER, &isnull)));
	public_key = DatumGetByteaPP(slot_getattr(slot, COL_PUBLIC_KEY, &isnull));
	if (VARSIZE_ANY_EXHDR(public_key) != JWK_ED25519_KEY_LEN)
		elog(ERROR, "trusted key has a wrong length");
	memcpy(key->public_key, VARDATA_ANY(public_key), JWK_ED25519_KEY_LEN);
	key->not_before = column_time(slot, COL_NOT_BEFORE, INT64_MIN);
	key->not_after = column_time(slot, COL_NOT_AFTER, INT64_MAX);
}

/*
 * Read all rows, as the newest committed state has them.  A catalog snapshot is
 * that, and unlike GetLatestSnapshot() it can be had in a parallel operation.
 */
static void
read_table(Relation rel)
{
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(RelationGetRelid(rel)));
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	int			allocated = 8;
	TrustedKey *keys = palloc(sizeof(TrustedKey) * allocated);
	int			n = 0;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		if (n == allocated)
		{
			allocated *= 2;
			keys = repalloc(keys, sizeof(TrustedKey) * allocated);
		}
		read_row(slot, &keys[n++]);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	cache.keys = keys;
	cache.nkeys = n;
}

static void
reload(void)
{
	MemoryContext caller;
	Relation	rel;

	if (cache_context == NULL)
		cache_context = AllocSetContextCreate(TopMemoryContext,
											  "dualdb trusted keys",
											  ALLOCSET_SMALL_SIZES);
	cache_relid = find_table();
	rel = table_open(cache_relid, AccessShareLock);

	cache.nkeys = 0;
	MemoryContextReset(cache_context);
	generation++;

	/* set before reading: a change that arrives meanwhile unsets it again */
	cache_valid = true;
	PG_TRY();
	{
		caller = MemoryContextSwitchTo(cache_context);
		read_table(rel);
		MemoryContextSwitchTo(caller);
	}
	PG_CATCH();
	{
		cache_valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	table_close(rel, AccessShareLock);
}

const TrustedKeySet *
trusted_keys_get(void)
{
	/* a long statement is to see a revocation, too */
	AcceptInvalidationMessages();
	if (!cache_valid)
		reload();
	return &cache;
}

uint64_t
trusted_keys_generation(void)
{
	return generation;
}

/*
 * Trigger on dualdb.trusted_keys and dualdb.revocations, per row, for every kind
 * of change.
 */
Datum
dualdb_announce_change(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("this function can only be called as a trigger"));
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);

	/* an AFTER trigger's row is ignored, but an SQL null is not a row */
	return PointerGetDatum(NULL);
}
