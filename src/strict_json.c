/*
 * Strict reading of JSON objects.
 *
 * PostgreSQL's lexer and parser do the reading.  Around them stand the rules
 * that JSON leaves open and that tokens need closed: valid UTF-8, an object at
 * the top, no member name twice at any level (RFC 7515 section 4, RFC 7519
 * section 4), bounded depth, members and numbers.
 *
 * Depth, numbers and characters are checked before the parser runs: it calls
 * itself for every level and would raise an error of its own, and its errors
 * quote the text they are about.
 *
 * The file compiles with or without a server.
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <string.h>

#include "mb/pg_wchar.h"

#include "compat.h"
#include "strict_json.h"

/* The member names seen so far in one object that is still open. */
typedef struct OpenObject
{
	int			nnames;
	const char *names[STRICT_JSON_MAX_MEMBERS];
} OpenObject;

typedef struct Reader
{
	StrictJsonObject *object;
	bool		refused;
	int			depth;			/* open objects and arrays */
	OpenObject *open[STRICT_JSON_MAX_DEPTH];	/* by depth, NULL for arrays */
} Reader;

/*
 * Nesting within bounds?  Brackets inside strings do not count; whether the
 * brackets match is the parser's business.
 */
static bool
depth_bounded(const char *json, size_t len)
{
	int			depth = 0;
	bool		in_string = false;

	for (size_t i = 0; i < len; i++)
	{
		char		c = json[i];

		if (in_string)
		{
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		}
		else if (c == '"')
			in_string = true;
		else if (c == '{' || c == '[')
		{
			if (++depth > STRICT_JSON_MAX_DEPTH)
				return false;
		}
		else if (c == '}' || c == ']')
			depth--;
	}
	return true;
}

/* A number that every reader, jsonb included, takes without overflow? */
static bool
number_bounded(const char *number)
{
	const char *exponent = strpbrk(number, "eE");

	if (strlen(number) > STRICT_JSON_MAX_NUMBER)
		return false;
	if (exponent == NULL)
		return true;
	exponent += strspn(exponent, "eE+-0");
	return strlen(exponent) <= 2;
}

/*
 * The member whose value is being read.  There is one whenever a callback asks:
 * the text starts with an object, and nothing is read inside of an object
 * before its first name.
 */
static StrictJsonMember *
current_member(Reader *r)
{
	return &r->object->members[r->object->nmembers - 1];
}

/* The member's value, or an element of it, is an object or an array. */
static void
note_nesting(Reader *r, StrictJsonType type)
{
	if (r->depth == 1)
		current_member(r)->type = type;
	else if (r->depth == 2)
		current_member(r)->type = STRICT_JSON_OTHER;
}

static bool
remember_name(OpenObject *open, const char *name)
{
	for (int i = 0; i < open->nnames; i++)
	{
		if (strcmp(open->names[i], name) == 0)
			return false;
	}
	if (open->nnames == STRICT_JSON_MAX_MEMBERS)
		return false;
	open->names[open->nnames++] = name;
	return true;
}

static JSON_ACTION_RESULT
object_start(void *state)
{
	Reader	   *r = state;

	note_nesting(r, STRICT_JSON_OTHER);
	r->open[r->depth++] = palloc0(sizeof(OpenObject));
	JSON_ACTION_RETURN;
}

static JSON_ACTION_RESULT
object_end(void *state)
{
	Reader	   *r = state;

	pfree(r->open[--r->depth]);
	JSON_ACTION_RETURN;
}

static JSON_ACTION_RESULT
array_start(void *state)
{
	Reader	   *r = state;

	note_nesting(r, STRICT_JSON_STRINGS);
	r->open[r->depth++] = NULL;
	JSON_ACTION_RETURN;
}

static JSON_ACTION_RESULT
array_end(void *state)
{
	Reader	   *r = state;

	r->depth--;
	JSON_ACTION_RETURN;
}

static JSON_ACTION_RESULT
field_start(void *state, char *name, bool isnull)
{
	Reader	   *r = state;

	(void) isnull;
	if (!remember_name(r->open[r->depth - 1], name))
		r->refused = true;
	else if (r->depth == 1)
		r->object->members[r->object->nmembers++].name = name;
	JSON_ACTION_RETURN;
}

static StrictJsonType
scalar_type(JsonTokenType token)
{
	switch (token)
	{
		case JSON_TOKEN_STRING:
			return STRICT_JSON_STRING;
		case JSON_TOKEN_NUMBER:
			return STRICT_JSON_NUMBER;
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
			return STRICT_JSON_BOOLEAN;
		default:
			return STRICT_JSON_NULL;
	}
}

/* A string that stands directly in an array that is a member's value. */
static void
add_array_string(StrictJsonMember *m, const char *value)
{
	/* room doubles at each power of two */
	if ((m->nstrings & (m->nstrings - 1)) == 0)
	{
		size_t		size = sizeof(char *) * (size_t) (m->nstrings * 2 + 1);

		m->strings = m->strings ? repalloc(m->strings, size) : palloc(size);
	}
	m->strings[m->nstrings++] = value;
}

static JSON_ACTION_RESULT
scalar(void *state, char *value, JsonTokenType token)
{
	Reader	   *r = state;
	StrictJsonType type = scalar_type(token);

	if (type == STRICT_JSON_NUMBER && !number_bounded(value))
		r->refused = true;
	else if (r->depth == 1)
	{
		current_member(r)->type = type;
		current_member(r)->value = value;
	}
	else if (r->depth == 2 && r->open[1] == NULL)
	{
		if (type != STRICT_JSON_STRING)
			current_member(r)->type = STRICT_JSON_OTHER;
		else
			add_array_string(current_member(r), value);
	}
	JSON_ACTION_RETURN;
}

StrictJsonObject *
strict_json_read(const char *json, size_t len)
{
	Reader		reader = {0};
	JsonSemAction actions = {0};

	if (len > PG_INT16_MAX ||
		json[strspn(json, " \t\r\n")] != '{' ||
		pg_encoding_verifymbstr(PG_UTF8, json, (int) len) != (int) len ||
		!depth_bounded(json, len))
		return NULL;

	reader.object = palloc0(sizeof(StrictJsonObject));
	actions.semstate = &reader;
	actions.object_start = object_start;
	actions.object_end = object_end;
	actions.array_start = array_start;
	actions.array_end = array_end;
	actions.object_field_start = field_start;
	actions.scalar = scalar;

	if (pg_parse_json(make_json_lexer(json, len), &actions) != JSON_SUCCESS ||
		reader.refused)
		return NULL;
	return reader.object;
}

const StrictJsonMember *
strict_json_get(const StrictJsonObject *object, const char *name)
{
	for (int i = 0; i < object->nmembers; i++)
	{
		if (strcmp(object->members[i].name, name) == 0)
			return &object->members[i];
	}
	return NULL;
}

const char *
strict_json_string(const StrictJsonObject *object, const char *name)
{
	const StrictJsonMember *m = strict_json_get(object, name);

	return m != NULL && m->type == STRICT_JSON_STRING ? m->value : NULL;
}
