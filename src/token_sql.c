/* SQL functions that verify tokens and say who the caller is. */
#include "dualdb.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "forwarding.h"
#include "identity.h"
#include "permission.h"
#include "verifier.h"

PG_FUNCTION_INFO_V1(dualdb_jwt_verify);
PG_FUNCTION_INFO_V1(dualdb_authenticate);
PG_FUNCTION_INFO_V1(dualdb_authenticate_session);
PG_FUNCTION_INFO_V1(dualdb_user_id);
PG_FUNCTION_INFO_V1(dualdb_session_id);
PG_FUNCTION_INFO_V1(dualdb_claims);
PG_FUNCTION_INFO_V1(dualdb_has_role);
PG_FUNCTION_INFO_V1(dualdb_has_permission);
PG_FUNCTION_INFO_V1(dualdb_permission_covered);

/* One message for every refusal; the reason is for the server log. */
static void
raise_token_refused(JwtStatus reason)
{
	ereport(ERROR,
			errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			errmsg("token is not valid"),
			errdetail_log("%s", jwt_status_reason(reason)),
			errhidestmt(true),
			errhidecontext(true));
}

/* JSON text is UTF-8 (RFC 8259 section 8.1), and so must the database be. */
static void
require_utf8(void)
{
	if (GetDatabaseEncoding() != PG_UTF8)
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("tokens require a database with encoding UTF8"),
				errhidestmt(true),
				errhidecontext(true));
}

/* Verify argument 0; NULL, with a reason, when it is refused. */
static const VerifiedToken *
check_argument(FunctionCallInfo fcinfo, const char *expected,
			   JwtStatus *reason)
{
	hide_statement();
	require_utf8();
	*reason = JWT_MALFORMED;
	if (PG_ARGISNULL(0))
		return NULL;
	return verifier_check(PG_GETARG_TEXT_PP(0), expected, reason);
}

static Datum
jsonb_from_text(const char *json)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

/* jwt_verify(token text, audience text) returns jsonb */
Datum
dualdb_jwt_verify(PG_FUNCTION_ARGS)
{
	char	   *expected = PG_ARGISNULL(1) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(1));
	JwtStatus	reason;
	const VerifiedToken *verified = check_argument(fcinfo, expected, &reason);

	if (verified == NULL)
		raise_token_refused(reason);
	PG_RETURN_DATUM(jsonb_from_text(verified->payload));
}

/* Behind a pooler the session belongs to the next client, too. */
static void
require_session_identity(void)
{
	if (!session_identity)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("an identity for the session is not allowed here"),
				errhint("Call dualdb.authenticate() in each transaction."),
				errhidestmt(true),
				errhidecontext(true));
}

static Datum
authenticate(FunctionCallInfo fcinfo, IdentityScope scope)
{
	JwtStatus	reason;
	const VerifiedToken *verified;

	/* should anything go wrong from here on, the caller is nobody */
	identity_refuse(scope);
	if (scope == IDENTITY_SESSION)
		require_session_identity();
	if (forward_tokens && scope == IDENTITY_SESSION)
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("a sharded database knows no identity for a session"),
				errhint("Call dualdb.authenticate() in each transaction."),
				errhidestmt(true),
				errhidecontext(true));
	verified = check_argument(fcinfo, NULL, &reason);
	if (verified == NULL)
		raise_token_refused(reason);
	identity_set(scope, verified);
	if (forward_tokens)
		forward_token(PG_GETARG_TEXT_PP(0));
	PG_RETURN_TEXT_P(cstring_to_text(verified->claims.subject));
}

/* authenticate(token text) returns text */
Datum
dualdb_authenticate(PG_FUNCTION_ARGS)
{
	return authenticate(fcinfo, IDENTITY_TRANSACTION);
}

/* authenticate_session(token text) returns text */
Datum
dualdb_authenticate_session(PG_FUNCTION_ARGS)
{
	return authenticate(fcinfo, IDENTITY_SESSION);
}

/* user_id() returns text */
Datum
dualdb_user_id(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();

	if (identity == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(identity->user_id));
}

/* session_id() returns text */
Datum
dualdb_session_id(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();

	if (identity == NULL || identity->session_id == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(identity->session_id));
}

/* claims() returns jsonb */
Datum
dualdb_claims(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();

	if (identity == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(jsonb_from_text(identity->payload));
}

/* has_role(role text) returns boolean */
Datum
dualdb_has_role(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();
	char	   *role;

	if (identity == NULL || PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	role = text_to_cstring(PG_GETARG_TEXT_PP(0));
	for (int i = 0; i < identity->nroles; i++)
	{
		if (strcmp(identity->roles[i], role) == 0)
			PG_RETURN_BOOL(true);
	}
	PG_RETURN_BOOL(false);
}

/* has_permission(permission text) returns boolean */
Datum
dualdb_has_permission(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();

	if (identity == NULL || identity->scope == NULL || PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(permission_in_scope(identity->scope,
									   text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

/* permission_covered(scope text, permission text) returns boolean */
Datum
dualdb_permission_covered(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(permission_in_scope(text_to_cstring(PG_GETARG_TEXT_PP(0)),
									   text_to_cstring(PG_GETARG_TEXT_PP(1))));
}
