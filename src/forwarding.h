/* Passing a token on to the other nodes of a sharded database. */
#ifndef DUALDB_FORWARDING_H
#define DUALDB_FORWARDING_H

#include "dualdb.h"

#include "utils/guc.h"

/* Until the transaction ends, its statements on other nodes come with the token. */
extern void forward_token(const text *token);

/* Hooks of dualdb.forwarded_token. */
extern bool check_forwarded_token(char **newval, void **extra, GucSource source);
extern void assign_forwarded_token(const char *newval, void *extra);
extern const char *show_forwarded_token(void);

#endif							/* DUALDB_FORWARDING_H */
