/*
 * What the planner knows of owns_project(): the rows that it is true of are those
 * of the user's projects, so an index that begins with the project finds them.
 *
 * The index only narrows: the function itself still decides about each row.  In a
 * database that Citus shards it stays without, because there the projects can be
 * read only when the shard is known.
 */
#include "dualdb.h"

#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(dualdb_owns_project_support);

/* project_id = ANY (dualdb.own_project_ids()), or NULL */
static Node *
among_own_projects(List *args, Oid collation)
{
	/* the caller needs no right on the schema for it, as for the policy's function */
	Oid			ids = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
									  CStringGetDatum("own_project_ids"),
									  PointerGetDatum(buildoidvector(NULL, 0)),
									  ObjectIdGetDatum(get_namespace_oid("dualdb", false)));
	ScalarArrayOpExpr *among = makeNode(ScalarArrayOpExpr);

	if (!OidIsValid(ids) ||
		OidIsValid(get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE)))
		return NULL;
	among->opno = TextEqualOperator;
	among->opfuncid = F_TEXTEQ;
	among->useOr = true;
	among->inputcollid = collation;
	among->args = list_make2(linitial(args),
							 makeFuncExpr(ids, TEXTARRAYOID, NIL, InvalidOid, InvalidOid,
										  COERCE_EXPLICIT_CALL));
	among->location = -1;
	return (Node *) among;
}

/* The function is on the index's column, and the index is one of texts in order. */
static List *
index_condition(SupportRequestIndexCondition *request)
{
	Node	   *condition = NULL;

	if (IsA(request->node, FuncExpr) && request->opfamily == TEXT_BTREE_FAM_OID)
		condition = among_own_projects(((FuncExpr *) request->node)->args,
									   request->indexcollation);
	if (condition == NULL)
		return NIL;
	request->lossy = true;
	return list_make1(condition);
}

/* owns_project_support(internal) returns internal */
Datum
dualdb_owns_project_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestIndexCondition))
		PG_RETURN_POINTER(index_condition((SupportRequestIndexCondition *) request));
	if (IsA(request, SupportRequestSelectivity))
	{
		SupportRequestSelectivity *asked = (SupportRequestSelectivity *) request;
		Node	   *condition = among_own_projects(asked->args, asked->inputcollid);

		if (condition != NULL)
		{
			asked->selectivity = clause_selectivity(asked->root, condition, asked->varRelid,
													asked->jointype, asked->sjinfo);
			PG_RETURN_POINTER(request);
		}
	}
	PG_RETURN_POINTER(NULL);
}
