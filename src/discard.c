/*
 * DISCARD ALL ends every identity of the session: a connection pool sends it
 * before it gives the connection to the next client.
 */
#include "dualdb.h"

#include "nodes/parsenodes.h"
#include "tcop/utility.h"

#include "discard.h"
#include "identity.h"
#include "verifier.h"

static ProcessUtility_hook_type next_hook = NULL;

static void
forget_after_discard_all(PlannedStmt *pstmt, const char *query_string,
						 bool read_only_tree, ProcessUtilityContext context,
						 ParamListInfo params, QueryEnvironment *query_env,
						 DestReceiver *dest, QueryCompletion *qc)
{
	if (next_hook)
		next_hook(pstmt, query_string, read_only_tree, context, params,
				  query_env, dest, qc);
	else
		standard_ProcessUtility(pstmt, query_string, read_only_tree, context,
								params, query_env, dest, qc);

	if (IsA(pstmt->utilityStmt, DiscardStmt) &&
		((DiscardStmt *) pstmt->utilityStmt)->target == DISCARD_ALL)
	{
		identity_forget_all();
		verifier_forget();
	}
}

void
discard_init(void)
{
	next_hook = ProcessUtility_hook;
	ProcessUtility_hook = forget_after_discard_all;
}
