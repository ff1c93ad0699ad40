/*
 * What verify_setup() looks at and SQL cannot: rows of tables that others own,
 * and the place of the key file.
 *
 * A superuser's query of somebody else's table runs their code: the planner
 * computes functions in expressions of its indexes, and by the time of the query
 * the table can have become a view.  So the rows are read here, by the table's
 * oid and without a plan, and only columns of the server's own types.
 */
#include "dualdb.h"

#include <sys/stat.h>
#include <unistd.h>

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(dualdb_sample_values);
PG_FUNCTION_INFO_V1(dualdb_key_file_exposed);

/* No more blocks of a table, and no more of a value, are looked at. */
#define SAMPLE_BLOCKS	1000
#define SAMPLE_BYTES	8192

/* Types that hold text and whose output is the server's own code. */
static bool
is_text_type(Oid type)
{
	switch (getBaseType(type))
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
		case JSONOID:
		case JSONBOID:
		case XMLOID:
		case TEXTARRAYOID:
		case VARCHARARRAYOID:
			return true;
		default:
			return false;
	}
}

static bool
is_sampled(Form_pg_attribute attribute)
{
	return !attribute->attisdropped && is_text_type(attribute->atttypid) &&
		(attribute->attgenerated == '\0' ||
		 attribute->attgenerated == ATTRIBUTE_GENERATED_STORED);
}

static text *
value_as_text(Datum value, Oid type)
{
	Oid			output;
	bool		is_varlena;
	char	   *string;

	getTypeOutputInfo(getBaseType(type), &output, &is_varlena);
	string = OidOutputFunctionCall(output, value);
	return cstring_to_text_with_len(string,
									pg_mbcliplen(string, (int) strlen(string),
												 SAMPLE_BYTES));
}

static TableScanDesc
begin_sample(Relation rel)
{
	TableScanDesc scan = table_beginscan_strat(rel, GetActiveSnapshot(), 0,
											   NULL, true, false);

	if (rel->rd_rel->relam == HEAP_TABLE_AM_OID)
		heap_setscanlimits(scan, 0, SAMPLE_BLOCKS);
	return scan;
}

static void
sample_row(TupleTableSlot *slot, ReturnSetInfo *result)
{
	TupleDesc	desc = slot->tts_tupleDescriptor;

	slot_getallattrs(slot);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		Datum		values[2];
		bool		nulls[2] = {false, false};

		if (slot->tts_isnull[i] || !is_sampled(attribute))
			continue;
		values[0] = NameGetDatum(&attribute->attname);
		values[1] = PointerGetDatum(value_as_text(slot->tts_values[i],
												  attribute->atttypid));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

static void
sample_rows(Relation rel, int max_rows, ReturnSetInfo *result)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = begin_sample(rel);
	MemoryContext per_row = AllocSetContextCreate(CurrentMemoryContext,
												  "dualdb sample",
												  ALLOCSET_DEFAULT_SIZES);

	while (max_rows-- > 0 &&
		   table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		MemoryContext outer = MemoryContextSwitchTo(per_row);

		CHECK_FOR_INTERRUPTS();
		sample_row(slot, result);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(per_row);
	}
	MemoryContextDelete(per_row);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * sample_values(relation oid, max_rows integer) returns setof (column_name name,
 * value text)
 *
 * Nothing when it is no table any more; one row of NULLs when somebody holds it
 * locked, for whom verify_setup() does not wait.
 */
Datum
dualdb_sample_values(PG_FUNCTION_ARGS)
{
	Oid			relation = PG_GETARG_OID(0);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	rel;

	InitMaterializedSRF(fcinfo, 0);
	if (!ConditionalLockRelationOid(relation, AccessShareLock))
	{
		Datum		values[2] = {0};
		bool		nulls[2] = {true, true};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		return (Datum) 0;
	}
	rel = try_relation_open(relation, NoLock);
	if (rel == NULL)
	{
		UnlockRelationOid(relation, AccessShareLock);
		return (Datum) 0;
	}
	if (rel->rd_rel->relkind == RELKIND_RELATION && !RELATION_IS_OTHER_TEMP(rel))
		sample_rows(rel, PG_GETARG_INT32(1), result);
	relation_close(rel, AccessShareLock);
	return (Datum) 0;
}

/*
 * key_file_exposed() returns text: a directory above the key file in which
 * somebody else could put another file in its place; NULL when there is none.
 *
 * In a sticky directory, everybody's own files are safe from the others, but
 * not what has yet to be made.
 */
Datum
dualdb_key_file_exposed(PG_FUNCTION_ARGS)
{
	char		path[MAXPGPATH];
	char	   *resolved = realpath(key_file, NULL);
	bool		holds_key = true;

	if (resolved == NULL)
		PG_RETURN_NULL();
	strlcpy(path, resolved, sizeof(path));
	free(resolved);
	while (strcmp(path, "/") != 0)
	{
		struct stat st;

		get_parent_directory(path);
		if (path[0] == '\0')
			strlcpy(path, "/", sizeof(path));
		if (stat(path, &st) != 0)
			break;
		if ((st.st_uid != 0 && st.st_uid != geteuid()) ||
			((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
			 (holds_key || (st.st_mode & S_ISVTX) == 0)))
			PG_RETURN_TEXT_P(cstring_to_text(path));
		holds_key = false;
	}
	PG_RETURN_NULL();
}
