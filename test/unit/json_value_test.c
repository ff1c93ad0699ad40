/*
 * What the strict JSON reader makes of values: their types, their text, and
 * arrays of strings.
 */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "strict_json.h"
#include "tap.h"

static const struct
{
	const char *text;			/* of the value, ' for " */
	StrictJsonType type;
	const char *value;			/* NULL when it has none */
}			cases[] = {
	{"null", STRICT_JSON_NULL, "null"},
	{"true", STRICT_JSON_BOOLEAN, "true"},
	{"false", STRICT_JSON_BOOLEAN, "false"},
	{"0", STRICT_JSON_NUMBER, "0"},
	{"-1.50e+2", STRICT_JSON_NUMBER, "-1.50e+2"},
	{"''", STRICT_JSON_STRING, ""},
	{"'text'", STRICT_JSON_STRING, "text"},
	{"'null'", STRICT_JSON_STRING, "null"},
	{"'\\u00e9\\n\\\\\\/'", STRICT_JSON_STRING, "\303\251\n\\/"},
	{"'\\ud83d\\ude00'", STRICT_JSON_STRING, "\360\237\230\200"},
	{"'[1]'", STRICT_JSON_STRING, "[1]"},
	{"{}", STRICT_JSON_OTHER, NULL},
	{"{'b':'c'}", STRICT_JSON_OTHER, NULL},
	{"{'b':['c']}", STRICT_JSON_OTHER, NULL},
	{"[]", STRICT_JSON_STRINGS, NULL},
	{"['b']", STRICT_JSON_STRINGS, NULL},
	{"['b','c']", STRICT_JSON_STRINGS, NULL},
	{"[1]", STRICT_JSON_OTHER, NULL},
	{"[null]", STRICT_JSON_OTHER, NULL},
	{"['b',1]", STRICT_JSON_OTHER, NULL},
	{"[1,'b']", STRICT_JSON_OTHER, NULL},
	{"['b',null,'c']", STRICT_JSON_OTHER, NULL},
	{"['b',true]", STRICT_JSON_OTHER, NULL},
	{"[[]]", STRICT_JSON_OTHER, NULL},
	{"[['b']]", STRICT_JSON_OTHER, NULL},
	{"['b',['c']]", STRICT_JSON_OTHER, NULL},
	{"[['b'],'c']", STRICT_JSON_OTHER, NULL},
	{"[{}]", STRICT_JSON_OTHER, NULL},
	{"[{'b':'c'}]", STRICT_JSON_OTHER, NULL},
	{"['b',{'c':'d'}]", STRICT_JSON_OTHER, NULL}
};

static StrictJsonObject *
read_text(const char *text)
{
	char	   *copy = json(text);

	return strict_json_read(copy, strlen(copy));
}

static void
test_types(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char		text[128];
		StrictJsonObject *object;
		const StrictJsonMember *m;
		const char *value = cases[i].value;
		bool		is_string = cases[i].type == STRICT_JSON_STRING;

		/* neighbours that a mix-up of members would show in */
		snprintf(text, sizeof(text), "{'x':1,'a':%s,'y':['z']}",
				 cases[i].text);
		object = read_text(text);
		m = object != NULL ? strict_json_get(object, "a") : NULL;
		if (m == NULL)
		{
			ok(false, "%s is read", cases[i].text);
			continue;
		}
		is_int(m->type, cases[i].type, "%s: type", cases[i].text);
		ok(value == NULL ? m->value == NULL :
		   m->value != NULL && strcmp(m->value, value) == 0,
		   "%s: value", cases[i].text);
		ok((strict_json_string(object, "a") != NULL) == is_string,
		   "%s: %s", cases[i].text, is_string ? "a string" : "no string");
		ok(object->nmembers == 3 &&
		   strict_json_get(object, "x")->type == STRICT_JSON_NUMBER &&
		   strict_json_get(object, "y")->type == STRICT_JSON_STRINGS &&
		   strict_json_get(object, "y")->nstrings == 1,
		   "%s: neighbours", cases[i].text);
	}
}

/* n strings s0, s1, ... come back in order. */
static void
test_strings(int n)
{
	char	   *text = malloc((size_t) n * 10 + 16);
	char	   *end = stpcpy(text, "{'a':[");
	const StrictJsonMember *m;
	bool		in_order = true;

	for (int i = 0; i < n; i++)
		end += sprintf(end, "%s's%d'", i == 0 ? "" : ",", i);
	strcpy(end, "]}");
	m = strict_json_get(read_text(text), "a");
	is_int(m->type, STRICT_JSON_STRINGS, "an array of %d strings", n);
	is_int(m->nstrings, n, "its length");
	for (int i = 0; i < m->nstrings; i++)
	{
		char		expected[16];

		snprintf(expected, sizeof(expected), "s%d", i);
		in_order &= strcmp(m->strings[i], expected) == 0;
	}
	ok(in_order, "its strings");
	free(text);
}

static void
test_members(void)
{
	StrictJsonObject *object = read_text("{'b':'2','a':'1','':'0'}");

	is_int(object->nmembers, 3, "three members");
	ok(strcmp(object->members[0].name, "b") == 0 &&
	   strcmp(object->members[1].name, "a") == 0, "in the order written");
	ok(strcmp(strict_json_string(object, "a"), "1") == 0, "found by name");
	ok(strcmp(strict_json_string(object, ""), "0") == 0, "even an empty one");
	ok(strict_json_get(object, "A") == NULL, "not by another case");
	ok(strict_json_get(object, "c") == NULL, "not when absent");
	ok(strict_json_string(object, "c") == NULL, "nor as a string");

	object = read_text("{'\\u0061\\u006cg':'x'}");
	ok(strict_json_string(object, "alg") != NULL, "by what escapes mean");
	object = read_text("{'o':{'alg':'x'}}");
	ok(strict_json_get(object, "alg") == NULL, "not from further in");
	is_int(read_text("{}")->nmembers, 0, "no members");
}

int
main(void)
{
	static const int lengths[] = {0, 1, 2, 3, 4, 5, 8, 9, 100, 1000};

	test_types();
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		test_strings(lengths[i]);
	test_members();
	return done_testing();
}
