/*
 * The strict JSON reader: every rule that tokens need closed (RFC 8259, RFC
 * 7515 section 4, RFC 7519 section 4) kept by one text and broken by the next.
 */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "strict_json.h"
#include "tap.h"

#define FORTY_DIGITS	"1234567890123456789012345678901234567890"
#define CASE(name, text, accepted)	{name, text, sizeof(text) - 1, accepted}

/* In the texts, ' stands for ". */
static const struct
{
	const char *name;
	const char *text;
	size_t		len;
	bool		accepted;
}			cases[] = {
	/* an object at the top */
	CASE("object without members", "{}", true),
	CASE("one member", "{'a':1}", true),
	CASE("white space around", " \t\r\n{ 'a' : [ 1 , 2 ] } \t\r\n", true),
	CASE("array", "[{}]", false),
	CASE("string", "'a'", false),
	CASE("number", "1", false),
	CASE("true", "true", false),
	CASE("null", "null", false),
	CASE("nothing", "", false),
	CASE("a space", " ", false),
	CASE("nothing but white space", " \t\r\n", false),

	/* nothing but the object */
	CASE("not closed", "{", false),
	CASE("not opened", "}", false),
	CASE("closed as an array", "{]", false),
	CASE("array closed as an object", "{'a':[}", false),
	CASE("closed twice", "{}}", false),
	CASE("closed twice, opened again", "{}}{", false),
	CASE("two objects", "{}{}", false),
	CASE("word after it", "{} x", false),
	CASE("comma after it", "{},", false),
	CASE("NUL after it", "{}\000", false),
	CASE("NUL and object after it", "{}\000{}", false),
	CASE("NUL before it", "\000{}", false),
	CASE("comma after the last member", "{'a':1,}", false),
	CASE("comma before the first member", "{,'a':1}", false),
	CASE("comma after the last element", "{'a':[1,]}", false),
	CASE("no value", "{'a':}", false),
	CASE("no colon", "{'a'}", false),
	CASE("no name", "{:1}", false),
	CASE("name without quotes", "{a:1}", false),
	CASE("name that is a number", "{1:1}", false),
	CASE("comment", "{/**/}", false),
	CASE("form feed", "{\f}", false),
	CASE("no-break space", "{\302\240}", false),
	CASE("true", "{'a':true}", true),
	CASE("True", "{'a':True}", false),
	CASE("truefalse", "{'a':truefalse}", false),
	CASE("undefined", "{'a':undefined}", false),

	/* characters */
	CASE("two bytes", "{'a':'\302\200'}", true),
	CASE("two bytes, overlong", "{'a':'\301\277'}", false),
	CASE("NUL, overlong", "{'a':'\300\200'}", false),
	CASE("three bytes", "{'a':'\340\240\200'}", true),
	CASE("three bytes, overlong", "{'a':'\340\237\277'}", false),
	CASE("before the surrogates", "{'a':'\355\237\277'}", true),
	CASE("first surrogate", "{'a':'\355\240\200'}", false),
	CASE("last surrogate", "{'a':'\355\277\277'}", false),
	CASE("after the surrogates", "{'a':'\356\200\200'}", true),
	CASE("four bytes", "{'a':'\360\220\200\200'}", true),
	CASE("four bytes, overlong", "{'a':'\360\217\277\277'}", false),
	CASE("last code point", "{'a':'\364\217\277\277'}", true),
	CASE("beyond the last code point", "{'a':'\364\220\200\200'}", false),
	CASE("five bytes", "{'a':'\370\210\200\200\200'}", false),
	CASE("byte FF", "{'a':'\377'}", false),
	CASE("continuation alone", "{'a':'\200'}", false),
	CASE("cut by the quote", "{'a':'\342\202'}", false),
	CASE("cut by the end", "{'a':'\342\202", false),
	CASE("invalid in a name", "{'\377':1}", false),
	CASE("invalid after the object", "{}\377", false),
	CASE("byte order mark", "\357\273\277{}", false),
	CASE("UTF-16, big-endian", "\000{\000}", false),
	CASE("UTF-16, little-endian", "{\000}\000", false),
	CASE("UTF-16 with byte order mark", "\377\376{\000}\000", false),
	CASE("NUL in a string", "{'a':'\000'}", false),
	CASE("NUL in a name", "{'\000':1}", false),
	CASE("tab in a string", "{'a':'\t'}", false),
	CASE("newline in a string", "{'a':'\n'}", false),
	CASE("DEL in a string", "{'a':'\177'}", true),

	/* escapes */
	CASE("escapes", "{'a':'\\'\\\\\\/\\b\\f\\n\\r\\t\\u00e9'}", true),
	CASE("unknown escape", "{'a':'\\x41'}", false),
	CASE("escape cut by the end", "{'a':'\\", false),
	CASE("\\u with three digits", "{'a':'\\u004'}", false),
	CASE("\\u with another digit", "{'a':'\\u004g'}", false),
	CASE("\\u0001", "{'a':'\\u0001'}", true),
	CASE("\\u0000", "{'a':'\\u0000'}", false),
	CASE("\\u0000 in a name", "{'a\\u0000':1}", false),
	CASE("\\u0000 further in", "{'a':[{'b':['\\u0000']}]}", false),
	CASE("surrogate pair", "{'a':'\\ud83d\\ude00'}", true),
	CASE("high surrogate alone", "{'a':'\\ud83d'}", false),
	CASE("high surrogate and a letter", "{'a':'\\ud83d\\u0041'}", false),
	CASE("high surrogate twice", "{'a':'\\ud83d\\ud83d'}", false),
	CASE("low surrogate alone", "{'a':'\\ude00'}", false),
	CASE("surrogates swapped", "{'a':'\\ude00\\ud83d'}", false),
	CASE("surrogate in a name", "{'\\ud83d':1}", false),

	/* numbers */
	CASE("numbers", "{'a':[0,-0,1,-1,1.5,1e2,1E+2,1e-2,0.0]}", true),
	CASE("1e99", "{'a':1e99}", true),
	CASE("1e100", "{'a':1e100}", false),
	CASE("1e-99", "{'a':1e-99}", true),
	CASE("1e-100", "{'a':1e-100}", false),
	CASE("1e999", "{'a':1e999}", false),
	CASE("-1E+999", "{'a':-1E+999}", false),
	CASE("1e999999", "{'a':1e999999}", false),
	CASE("exponent with zeros before", "{'a':1e0000000002}", true),
	CASE("1e999 in an array", "{'a':[1e999]}", false),
	CASE("1e999 in an object", "{'a':{'b':1e999}}", false),
	CASE("1e999 in a string", "{'a':'1e999'}", true),
	CASE("40 digits", "{'a':" FORTY_DIGITS "}", true),
	CASE("41 digits", "{'a':" FORTY_DIGITS "1}", false),
	CASE("41 digits further in", "{'a':[[" FORTY_DIGITS "1]]}", false),
	CASE("NaN", "{'a':NaN}", false),
	CASE("Infinity", "{'a':Infinity}", false),
	CASE("-Infinity", "{'a':-Infinity}", false),
	CASE("leading zero", "{'a':01}", false),
	CASE("leading zero after the sign", "{'a':-01}", false),
	CASE("plus sign", "{'a':+1}", false),
	CASE("sign alone", "{'a':-}", false),
	CASE("no digits before the point", "{'a':.5}", false),
	CASE("no digits after the point", "{'a':5.}", false),
	CASE("no digits in the exponent", "{'a':1e}", false),
	CASE("hexadecimal", "{'a':0x1}", false),
	CASE("underscore", "{'a':1_000}", false),

	/* names */
	CASE("two names", "{'a':1,'b':2}", true),
	CASE("a name twice", "{'a':1,'a':2}", false),
	CASE("a name twice, apart", "{'a':1,'b':2,'a':1}", false),
	CASE("a name twice, around an object", "{'a':{'b':1},'a':1}", false),
	CASE("a name twice, around an array", "{'a':['a'],'a':['a']}", false),
	CASE("names by case", "{'a':1,'A':2}", true),
	CASE("names by normal form", "{'\303\251':1,'e\314\201':2}", true),
	CASE("an empty name", "{'':1}", true),
	CASE("an empty name twice", "{'':1,'':2}", false),
	CASE("another name in escapes", "{'a':1,'\\u0062':2}", true),
	CASE("the same name in escapes", "{'a':1,'\\u0061':2}", false),
	CASE("the same name in escapes first", "{'\\u0061':1,'a':2}", false),
	CASE("the same name in two escapes", "{'\\/':1,'\\u002F':2}", false),
	CASE("the same name in a surrogate pair",
		 "{'\360\237\230\200':1,'\\ud83d\\ude00':2}", false),
	CASE("the same name in two objects", "{'a':{'a':1},'b':{'a':1}}", true),
	CASE("a name twice further in", "{'a':{'b':1,'b':2}}", false),
	CASE("objects in an array", "{'a':[{'b':1},{'b':2}]}", true),
	CASE("a name twice in an array", "{'a':[{'b':1},{'b':2,'b':3}]}", false),
	CASE("a name twice, deep", "{'a':[[{'b':{'c':1,'c':2}}]]}", false),
	CASE("a name twice after an object closed",
		 "{'a':{'b':{'x':1},'c':{'x':1},'b':1}}", false)
};

/* From memory that ends with the NUL that the reader asks for. */
static StrictJsonObject *
read_bytes(const char *text, size_t len)
{
	char	   *copy = malloc(len + 1);

	memcpy(copy, text, len);
	copy[len] = '\0';
	for (size_t i = 0; i < len; i++)
	{
		if (copy[i] == '\'')
			copy[i] = '"';
	}
	return strict_json_read(copy, len);
}

/* head, then n times of open, middle, n times of close, tail */
static bool
reads_nested(const char *head, const char *open, int n, const char *middle,
			 const char *close, const char *tail)
{
	size_t		o = strlen(open);
	size_t		c = strlen(close);
	char	   *text = calloc(1, strlen(head) + strlen(middle) +
							  strlen(tail) + (size_t) n * (o + c) + 1);
	char	   *end = stpcpy(text, head);

	for (int i = 0; i < n; i++)
		end = stpcpy(end, open);
	end = stpcpy(end, middle);
	for (int i = 0; i < n; i++)
		end = stpcpy(end, close);
	end = stpcpy(end, tail);
	return read_bytes(text, (size_t) (end - text)) != NULL;
}

static void
test_depth(void)
{
	static const int refused[] = {33, 34, 100, 8000, 16000};

	ok(reads_nested("{'a':", "[", 31, "", "]", "}"), "arrays, 32 levels");
	ok(reads_nested("", "{'a':", 32, "1", "}", ""), "objects, 32 levels");
	ok(reads_nested("{'a':", "[", 31, "1", "]", ",'b':[[1]]}"),
	   "a level closed counts no more");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		int			n = refused[i];

		ok(!reads_nested("{'a':", "[", n - 1, "", "]", "}"),
		   "arrays, %d levels", n);
		ok(!reads_nested("{'a':", "[", n - 1, "", "", ""),
		   "arrays, %d levels, never closed", n);
		ok(n > 8000 || !reads_nested("", "{'a':", n, "1", "}", ""),
		   "objects, %d levels", n);
	}
	ok(!reads_nested("{}", "]", 100, "{'a':", "", ""),
	   "closing first gives no credit");
	ok(reads_nested("{'a':'", "[{", 100, "", "", "'}"),
	   "brackets in a string do not count");
	ok(reads_nested("{'a':'\\'", "[{", 100, "", "", "'}"),
	   "nor behind an escaped quote");
	ok(reads_nested("{'", "[{", 100, "", "", "':1}"), "nor in a name");
	ok(!reads_nested("{'a':'\\\\','b':", "[", 32, "", "]", "}"),
	   "they do behind a string that ends in a backslash");
}

/* n members named m0, m1, ... */
static char *
members(int n)
{
	char	   *text = malloc((size_t) n * 10 + 3);
	char	   *end = text;

	for (int i = 0; i < n; i++)
		end += sprintf(end, "%c'm%d':%d", i == 0 ? '{' : ',', i, i);
	strcpy(end, "}");
	return text;
}

static void
test_bounds(void)
{
	char	   *most = members(STRICT_JSON_MAX_MEMBERS);
	char	   *more = members(STRICT_JSON_MAX_MEMBERS + 1);
	char		room[32768 + 1];
	StrictJsonObject *object = read_bytes(most, strlen(most));

	ok(object != NULL && object->nmembers == STRICT_JSON_MAX_MEMBERS,
	   "the most members");
	ok(object != NULL && strcmp(strict_json_get(object, "m127")->value,
								"127") == 0, "the last of them");
	ok(read_bytes(more, strlen(more)) == NULL, "one more");
	ok(reads_nested("{'a':[", most, 1, ",", most, "]}"),
	   "the most members, twice further in");
	ok(!reads_nested("{'a':[", most, 1, ",", more, "]}"),
	   "one more further in");

	memset(room, ' ', sizeof(room));
	memcpy(room, "{}", 2);
	ok(read_bytes(room, 32767) != NULL, "32767 bytes");
	ok(read_bytes(room, 32768) == NULL, "32768 bytes");
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok((read_bytes(cases[i].text, cases[i].len) != NULL) ==
		   cases[i].accepted, "%s: %s", cases[i].name,
		   cases[i].accepted ? "read" : "refused");
	test_depth();
	test_bounds();
	return done_testing();
}
