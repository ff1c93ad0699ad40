/* Taking the literals out of SQL text. */
#ifndef DUALDB_REDACT_H
#define DUALDB_REDACT_H

#include <stdbool.h>
#include <stddef.h>

/* Room for the redaction of any text of n bytes, NUL included. */
#define REDACTED_SIZE(n)	((n) * 3 + 4)

/* Does the text name something whose arguments may be secret? */
extern bool mentions_secrets(const char *text);

/*
 * Write the text to dst with *** in place of each string literal and without
 * comments.  backslashes says whether a backslash escapes in plain literals.
 */
extern void redact_literals(const char *text, bool backslashes, char *dst);

#endif							/* DUALDB_REDACT_H */
