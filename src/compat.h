/*
 * Differences between PostgreSQL versions, each named as the newest one spells
 * it.  No other file looks at PG_VERSION_NUM.
 */
#ifndef DUALDB_COMPAT_H
#define DUALDB_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "dualdb requires PostgreSQL 15 or newer"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "common/jsonapi.h"

/* From version 16 on, semantic actions of the JSON parser return a status. */
#if PG_VERSION_NUM >= 160000
#define JSON_ACTION_RESULT	JsonParseErrorType
#define JSON_ACTION_RETURN	return JSON_SUCCESS
#else
#define JSON_ACTION_RESULT	void
#define JSON_ACTION_RETURN	return
#endif

/* Before version 16, what a setting keeps is malloc's. */
#if PG_VERSION_NUM < 160000
#define guc_malloc(elevel, size)	malloc(size)
#endif

/* From version 17 on, the caller may bring the lexer's memory. */
#if PG_VERSION_NUM >= 170000
#define make_json_lexer(json, len) \
	makeJsonLexContextCstringLen(NULL, (json), (len), PG_UTF8, true)
#else
#define make_json_lexer(json, len) \
	makeJsonLexContextCstringLen((char *) (json), (int) (len), PG_UTF8, true)
#endif

/* From version 18 on, a primary key may be deferrable. */
#if PG_VERSION_NUM >= 180000
#define primary_key_index(rel)	RelationGetPrimaryKeyIndex((rel), false)
#else
#define primary_key_index(rel)	RelationGetPrimaryKeyIndex(rel)
#endif

/* From version 17 on, a module has shared memory without being preloaded. */
#if PG_VERSION_NUM >= 170000
#include "storage/dsm_registry.h"
static inline void *
named_shared_memory(const char *name, size_t size, void (*init) (void *))
{
	bool		found;

	return GetNamedDSMSegment(name, size, init, &found);
}
#else
#define named_shared_memory(name, size, init) NULL
#endif

#endif							/* DUALDB_COMPAT_H */
