/*
 * The end of every identity of the session, by what connection pools send before
 * they give the connection to the next client: DISCARD ALL, RESET ALL (asyncpg
 * among others) and SET or RESET SESSION AUTHORIZATION.
 */
#include "dualdb.h"

#include "nodes/parsenodes.h"
#include "tcop/utility.h"

#include "discard.h"
#include "identity.h"
#include "verifier.h"

static ProcessUtility_hook_type next_hook = NULL;

static bool
hands_over_session(const Node *statement)
{
	if (IsA(statement, DiscardStmt))
		return ((const DiscardStmt *) statement)->target == DISCARD_ALL;
	if (IsA(statement, VariableSetStmt))
	{
		const VariableSetStmt *set = (const VariableSetStmt *) statement;

		return set->kind == VAR_RESET_ALL ||
			(set->name != NULL &&
			 strcmp(set->name, "session_authorization") == 0);
	}
	return false;
}

static void
forget_after_hand_over(PlannedStmt *pstmt, const char *query_string,
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

	if (hands_over_session(pstmt->utilityStmt))
	{
		identity_forget_all();
		verifier_forget();
	}
}

void
discard_init(void)
{
	next_hook = ProcessUtility_hook;
	ProcessUtility_hook = forget_after_hand_over;
}
