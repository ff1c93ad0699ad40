/* Permission names: resource:action, with whole-segment wildcards. */
#ifndef DUALDB_PERMISSION_H
#define DUALDB_PERMISSION_H

#include <stdbool.h>

extern bool permission_in_scope(const char *scope, const char *wanted);

#endif							/* DUALDB_PERMISSION_H */
