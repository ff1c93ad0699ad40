/* Keeping secrets that statements carry out of the server log. */
#ifndef DUALDB_LOG_REDACTION_H
#define DUALDB_LOG_REDACTION_H

extern void log_redaction_init(void);

#endif							/* DUALDB_LOG_REDACTION_H */
