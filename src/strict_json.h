/* A JSON object read under the strict rules for token headers and claims. */
#ifndef DUALDB_STRICT_JSON_H
#define DUALDB_STRICT_JSON_H

#include <stdbool.h>
#include <stddef.h>

#define STRICT_JSON_MAX_DEPTH	32
#define STRICT_JSON_MAX_MEMBERS	128		/* of any one object */
#define STRICT_JSON_MAX_NUMBER	40	/* characters */

typedef enum StrictJsonType
{
	STRICT_JSON_NULL,
	STRICT_JSON_BOOLEAN,
	STRICT_JSON_NUMBER,
	STRICT_JSON_STRING,
	STRICT_JSON_STRINGS,		/* an array of nothing but strings */
	STRICT_JSON_OTHER			/* an object, or any other array */
} StrictJsonType;

/* One member of the outermost object. */
typedef struct StrictJsonMember
{
	const char *name;
	StrictJsonType type;
	const char *value;			/* a scalar's text, escapes resolved */
	const char **strings;		/* elements of a STRICT_JSON_STRINGS */
	int			nstrings;
} StrictJsonMember;

typedef struct StrictJsonObject
{
	int			nmembers;
	StrictJsonMember members[STRICT_JSON_MAX_MEMBERS];
} StrictJsonObject;

/*
 * Read len bytes at json, which a NUL must follow.  All memory is the caller's
 * memory context.  NULL when a rule is broken; nothing is raised.
 */
extern StrictJsonObject *strict_json_read(const char *json, size_t len);

extern const StrictJsonMember *strict_json_get(const StrictJsonObject *object,
											   const char *name);

/* The text of a string member; NULL when it is absent or no string. */
extern const char *strict_json_string(const StrictJsonObject *object,
									  const char *name);

#endif							/* DUALDB_STRICT_JSON_H */
