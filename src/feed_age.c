/*
 * How old the revocations of this database are.
 *
 * They come through the bridge, and the sync writes down when it last heard of
 * them (bridge.sync_state).  Where there is no bridge they are this database's
 * own and never old.  The time is read again only when the one that is known
 * has become too old itself, so a sync that works costs nothing here.
 */
#include "dualdb.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "feed_age.h"

/* Of the last time that was read; DT_NOBEGIN: none. */
static TimestampTz known = DT_NOBEGIN;

static bool
is_too_old(TimestampTz synced_at)
{
	return synced_at < GetCurrentTimestamp() - max_feed_age * USECS_PER_SEC;
}

/* DT_NOBEGIN when there has been no sync. */
static TimestampTz
read_time(Relation rel, AttrNumber column)
{
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(RelationGetRelid(rel)));
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple	row = systable_getnext(scan);
	TimestampTz synced_at = DT_NOBEGIN;

	if (HeapTupleIsValid(row))
	{
		bool		isnull;
		Datum		d = heap_getattr(row, column, RelationGetDescr(rel), &isnull);

		if (!isnull)
			synced_at = DatumGetTimestampTz(d);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	return synced_at;
}

bool
feed_is_too_old(void)
{
	Oid			schema;
	Oid			table;
	AttrNumber	column;
	Relation	rel;

	if (max_feed_age == 0 || !is_too_old(known))
		return false;

	schema = get_namespace_oid("bridge", true);
	table = OidIsValid(schema) ? get_relname_relid("sync_state", schema) : InvalidOid;
	column = OidIsValid(table) ? get_attnum(table, "synced_at") : InvalidAttrNumber;
	if (column == InvalidAttrNumber || get_atttype(table, column) != TIMESTAMPTZOID)
		return false;
	rel = table_open(table, AccessShareLock);
	known = read_time(rel, column);
	table_close(rel, AccessShareLock);
	return is_too_old(known);
}
