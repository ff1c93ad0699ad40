/* SQL functions for what survives ROLLBACK: failures and events. */
#include "dualdb.h"

#include <sodium.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "governor.h"
#include "login_guard.h"
#include "outbox.h"
#include "refusal.h"
#include "primary.h"

PG_FUNCTION_INFO_V1(dualdb_try_password);
PG_FUNCTION_INFO_V1(dualdb_try_code);
PG_FUNCTION_INFO_V1(dualdb_clear_failures);
PG_FUNCTION_INFO_V1(dualdb_post_event);
PG_FUNCTION_INFO_V1(dualdb_event_pending);
PG_FUNCTION_INFO_V1(dualdb_scrub_events);
PG_FUNCTION_INFO_V1(dualdb_pending_events);
PG_FUNCTION_INFO_V1(dualdb_pending_failures);
PG_FUNCTION_INFO_V1(dualdb_failures_shared);

static const uint8_t *
identifier_argument(FunctionCallInfo fcinfo, int n)
{
	bytea	   *identifier = PG_ARGISNULL(n) ? NULL : PG_GETARG_BYTEA_PP(n);

	if (identifier == NULL ||
		VARSIZE_ANY_EXHDR(identifier) != IDENTIFIER_LEN)
		elog(ERROR, "identifier has a wrong length");
	return (const uint8_t *) VARDATA_ANY(identifier);
}

/* The failures that the table has: arguments n to n + 2, or none. */
static FailureCount
count_argument(FunctionCallInfo fcinfo, int n)
{
	FailureCount count = {0};

	if (!PG_ARGISNULL(n))
	{
		count.in_a_row = PG_GETARG_INT32(n);
		count.in_all = PG_GETARG_INT32(n + 1);
		count.last_at = PG_GETARG_TIMESTAMPTZ(n + 2);
	}
	return count;
}

/* Seconds to wait by what the table has; without shared memory that is all. */
static int32_t
stored_wait(const FailureCount *stored)
{
	FailurePolicy policy = login_guard_policy();

	return failure_wait(&policy, stored, GetCurrentTimestamp());
}

/* A guess that has been compared counts, though memory was short afterwards. */
static AttemptOutcome
attempt_outcome(PasswordStatus status, const LoginAttempt *attempt)
{
	switch (status)
	{
		case PASSWORD_OK:
			return ATTEMPT_MATCHED;
		case PASSWORD_MISMATCH:
			return ATTEMPT_FAILED;
		case PASSWORD_NO_MEMORY:
			break;
	}
	return attempt->mismatched ? ATTEMPT_FAILED : ATTEMPT_VOID;
}

/*
 * Compare, in a turn of the governor's, unless the identifier must wait.  From
 * the guard's entrance to its exit nothing can raise an error or be interrupted.
 */
static int32_t
guarded_compare(const uint8_t *identifier, const FailureCount *stored,
				LoginAttempt *attempt, PasswordStatus *status)
{
	SharedState *s = shared_state_here();
	int32_t		wait = s == NULL ? stored_wait(stored) : 0;

	*status = PASSWORD_NO_MEMORY;
	if (wait > 0 || !governor_enter())
		return wait;
	if (s != NULL)
		wait = login_guard_enter(s, identifier, stored);
	if (wait == 0)
	{
		*status = login_compare(attempt);
		if (s != NULL)
			login_guard_leave(s, identifier, attempt_outcome(*status, attempt));
	}
	governor_leave();
	return wait;
}

/* The hashes of an array that can be compared with. */
static void
read_rivals(ArrayType *array, LoginAttempt *attempt)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &n);
	attempt->rivals = palloc(sizeof(StoredHash) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		if (!nulls[i] &&
			stored_hash_parse(TextDatumGetCString(elements[i]),
							  &attempt->rivals[attempt->nrivals]) == HASH_OK)
			attempt->nrivals++;
	}
}

static const char *
outcome_name(int32_t wait, PasswordStatus status)
{
	if (wait != 0)
		return "throttled";
	switch (status)
	{
		case PASSWORD_OK:
			return "match";
		case PASSWORD_MISMATCH:
			return "mismatch";
		case PASSWORD_NO_MEMORY:
			break;
	}
	return "busy";
}

/*
 * try_password(identifier bytea, in_a_row int, in_all int,
 * last_at timestamptz, password text, hash text, rivals text[],
 * OUT outcome text, OUT retry_after int)
 */
Datum
dualdb_try_password(PG_FUNCTION_ARGS)
{
	const uint8_t *identifier = identifier_argument(fcinfo, 0);
	FailureCount stored = count_argument(fcinfo, 1);
	text	   *password = PG_ARGISNULL(4) ? NULL : PG_GETARG_TEXT_PP(4);
	text	   *nfc = NULL;
	LoginAttempt attempt = {.password = password};
	PasswordStatus status;
	TupleDesc	tupdesc;
	Datum		values[2] = {0};
	bool		nulls[2] = {false, true};
	int32_t		wait;

	hide_statement();
	require_primary();
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (!PG_ARGISNULL(5))
		attempt.hash = text_to_cstring(PG_GETARG_TEXT_PP(5));
	if (!PG_ARGISNULL(6))
		read_rivals(PG_GETARG_ARRAYTYPE_P(6), &attempt);
	/* no other is compared, and normalizing takes time by the square of the length */
	if (password != NULL && VARSIZE_ANY_EXHDR(password) <= PASSWORD_MAX_LEN)
		nfc = password_other_form(password);
	attempt.nfc = nfc;

	wait = guarded_compare(identifier, &stored, &attempt, &status);
	if (nfc != NULL)
		sodium_memzero(VARDATA_ANY(nfc), VARSIZE_ANY_EXHDR(nfc));
	if (password != NULL)
		wipe_detoasted(password, PG_GETARG_DATUM(4));
	if (status == PASSWORD_MISMATCH)
		refusal_wait(&attempt);

	values[0] = CStringGetTextDatum(outcome_name(wait, status));
	if (wait != 0 && wait != WAIT_FOR_RESET)
	{
		values[1] = Int32GetDatum(wait);
		nulls[1] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc),
													  values, nulls)));
}

/*
 * try_code(identifier bytea, in_a_row int, in_all int, last_at timestamptz)
 * returns integer
 *
 * The guard alone, for codes that need no password hash: seconds to wait, 0
 * when the attempt may be made and has been counted as a failure, NULL when no
 * wait is long enough.
 */
Datum
dualdb_try_code(PG_FUNCTION_ARGS)
{
	const uint8_t *identifier = identifier_argument(fcinfo, 0);
	FailureCount stored = count_argument(fcinfo, 1);
	SharedState *s = shared_state_here();
	int32_t		wait;

	require_primary();
	if (s == NULL)
		wait = stored_wait(&stored);
	else
	{
		wait = login_guard_enter(s, identifier, &stored);
		if (wait == 0)
			login_guard_leave(s, identifier, ATTEMPT_FAILED);
	}
	if (wait == WAIT_FOR_RESET)
		PG_RETURN_NULL();
	PG_RETURN_INT32(wait);
}

/* failures_shared() returns boolean */
Datum
dualdb_failures_shared(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(shared_state_here() != NULL);
}

/* clear_failures(identifier bytea) returns void */
Datum
dualdb_clear_failures(PG_FUNCTION_ARGS)
{
	SharedState *s = shared_state_here();

	if (s != NULL)
		login_guard_clear(s, identifier_argument(fcinfo, 0));
	PG_RETURN_VOID();
}

static void
copy_argument(FunctionCallInfo fcinfo, int n, char *dst, size_t size)
{
	text	   *value;
	int			len;

	if (PG_ARGISNULL(n))
		return;
	value = PG_GETARG_TEXT_PP(n);
	len = pg_mbcliplen(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value),
					   (int) size - 1);
	memcpy(dst, VARDATA_ANY(value), len);
}

/*
 * post_event(kind text, user_id text, object_id text, ip text,
 * user_agent text) returns boolean
 */
Datum
dualdb_post_event(PG_FUNCTION_ARGS)
{
	SharedState *s = shared_state_here();
	OutboxEvent event = {0};

	if (s == NULL)
		PG_RETURN_BOOL(false);
	event.at = GetCurrentTimestamp();
	copy_argument(fcinfo, 0, event.kind, sizeof(event.kind));
	copy_argument(fcinfo, 1, event.user_id, sizeof(event.user_id));
	copy_argument(fcinfo, 2, event.object_id, sizeof(event.object_id));
	copy_argument(fcinfo, 3, event.ip, sizeof(event.ip));
	copy_argument(fcinfo, 4, event.user_agent, sizeof(event.user_agent));
	outbox_post(s, &event);
	PG_RETURN_BOOL(true);
}

/* event_pending(kind text, object_id text) returns boolean */
Datum
dualdb_event_pending(PG_FUNCTION_ARGS)
{
	SharedState *s = shared_state_here();

	PG_RETURN_BOOL(s != NULL &&
				   outbox_has(s, text_to_cstring(PG_GETARG_TEXT_PP(0)),
							  text_to_cstring(PG_GETARG_TEXT_PP(1))));
}

/* scrub_events(user_id text) returns void */
Datum
dualdb_scrub_events(PG_FUNCTION_ARGS)
{
	SharedState *s = shared_state_here();

	if (s != NULL)
		outbox_scrub(s, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

static void
put_text(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = *text == '\0';
	if (!nulls[column])
		values[column] = CStringGetTextDatum(text);
}

/*
 * pending_events() returns setof (at timestamptz, kind text, user_id text,
 * object_id text, ip text, user_agent text)
 */
Datum
dualdb_pending_events(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SharedState *s = shared_state_here();
	OutboxEvent *events;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	n = s != NULL ? outbox_pending(s, &events) : 0;
	for (int i = 0; i < n; i++)
	{
		Datum		values[6];
		bool		nulls[6] = {false};

		values[0] = TimestampTzGetDatum(events[i].at);
		put_text(values, nulls, 1, events[i].kind);
		put_text(values, nulls, 2, events[i].user_id);
		put_text(values, nulls, 3, events[i].object_id);
		put_text(values, nulls, 4, events[i].ip);
		put_text(values, nulls, 5, events[i].user_agent);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * pending_failures() returns setof (identifier bytea, in_a_row int,
 * in_all int, last_at timestamptz)
 */
Datum
dualdb_pending_failures(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SharedState *s = shared_state_here();
	FailureSlot *slots;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	n = s != NULL ? failures_pending(s, &slots) : 0;
	for (int i = 0; i < n; i++)
	{
		Datum		values[4];
		bool		nulls[4] = {false};
		bytea	   *identifier = palloc(VARHDRSZ + IDENTIFIER_LEN);

		SET_VARSIZE(identifier, VARHDRSZ + IDENTIFIER_LEN);
		memcpy(VARDATA(identifier), slots[i].identifier, IDENTIFIER_LEN);
		values[0] = PointerGetDatum(identifier);
		values[1] = Int32GetDatum(slots[i].count.in_a_row);
		values[2] = Int32GetDatum(slots[i].count.in_all);
		values[3] = TimestampTzGetDatum(slots[i].count.last_at);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
