/*
 * Keeping secrets that statements carry out of the server log.
 *
 * The server logs statements, their parameters and their plans as settings say,
 * and whichever fails.  Where such a line names one of this extension's
 * functions, its literals are taken out; where an error is about such a
 * statement, the statement is left out.  Of an error the client sees all but the
 * literals of a statement within its own.
 */
#include "dualdb.h"

#include "parser/parser.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"

#include "log_redaction.h"
#include "redact.h"

static emit_log_hook_type next_hook = NULL;

/* EXECUTE can be after a comment, EXPLAIN or another statement. */
static bool
has_execute(const char *text)
{
	const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	const char *p;

	for (p = text; (p = strpbrk(p, "eE")) != NULL; p++)
	{
		if (pg_strncasecmp(p, "execute", 7) == 0 &&
			(p == text || strchr(letters, p[-1]) == NULL) &&
			(p[7] == '\0' || strchr(letters, p[7]) == NULL))
			return true;
	}
	return false;
}

/*
 * Is the running statement to be kept out?  An EXECUTE does not say what was
 * prepared.
 */
static bool
statement_is_secret(void)
{
	return debug_query_string != NULL &&
		(mentions_secrets(debug_query_string) || has_execute(debug_query_string));
}

static char *
redacted(const char *text)
{
	char	   *result;

	if (text == NULL)
		return NULL;
	result = palloc(REDACTED_SIZE(strlen(text)));
	redact_literals(text, !standard_conforming_strings, result);
	return result;
}

/*
 * A statement that runs within another one.  In the context it is between double
 * quotes, where literals cannot be told from identifiers.
 */
static void
redact_inner_statement(ErrorData *edata)
{
	if (edata->context != NULL && mentions_secrets(edata->context) &&
		strpbrk(edata->context, "'$") != NULL)
		edata->hide_ctx = true;
	if (edata->internalquery != NULL && mentions_secrets(edata->internalquery))
	{
		edata->internalquery = redacted(edata->internalquery);
		edata->internalpos = 0;
	}
}

/*
 * A line about a statement, its parameters or its plan.  A client that asked for
 * such lines gets it redacted, too.
 */
static void
redact_log_line(ErrorData *edata)
{
	/* the detail of an EXECUTE is the statement that was prepared */
	if (!mentions_secrets(edata->message) &&
		(edata->detail == NULL || !mentions_secrets(edata->detail)) &&
		!statement_is_secret())
		return;
	edata->message = redacted(edata->message);
	edata->detail = redacted(edata->detail);
	edata->detail_log = redacted(edata->detail_log);
	edata->context = redacted(edata->context);
	edata->hide_stmt = true;
}

/* An error: the log leaves out what the client may see. */
static void
redact_error(ErrorData *edata)
{
	if (!statement_is_secret())
		return;
	edata->hide_stmt = true;
	edata->hide_ctx = true;
	/* a detail can show a row or the parameters; our own is for the log */
	if (edata->detail != NULL && edata->detail_log == NULL)
		edata->detail_log = redacted("hidden by dualdb");
}

/* Citus shows what it sends to other nodes as a notice. */
static void
redact_forwarded_token(ErrorData *edata)
{
	if (strstr(edata->message, "dualdb.forwarded_token") != NULL)
		edata->message = redacted(edata->message);
}

static void
redact(ErrorData *edata)
{
	if (edata->message != NULL)
	{
		if (edata->elevel == LOG)
			redact_log_line(edata);
		else
		{
			redact_error(edata);
			redact_forwarded_token(edata);
		}
		redact_inner_statement(edata);
	}
	if (next_hook)
		next_hook(edata);
}

void
log_redaction_init(void)
{
	next_hook = emit_log_hook;
	emit_log_hook = redact;
}
