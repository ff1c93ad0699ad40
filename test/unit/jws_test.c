/*
 * The shape of a compact JWS (RFC 7515 section 7.1): three segments, none of
 * them empty, within the caps.
 */
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "fixture.h"
#include "jws.h"
#include "tap.h"

/* RFC 8037 appendix A.4 */
#define TOKEN \
	"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc" \
	".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5Bh" \
	"VsPt9g7sVvpAr_MuM0KAg"

static const struct
{
	const char *name;
	const char *token;
	bool		split;
}			cases[] = {
	{"RFC 8037 A.4", TOKEN, true},
	{"a dot after it", TOKEN ".", false},
	{"a dot before it", "." TOKEN, false},
	{"three characters", "a.b.c", true},
	{"empty", "", false},
	{"no dot", "abc", false},
	{"one dot", "a.b", false},
	{"one dot at the end", "a.", false},
	{"two dots alone", "..", false},
	{"header empty", ".b.c", false},
	{"payload empty, as if detached", "a..c", false},
	{"signature empty, as of alg none", "a.b.", false},
	{"two dots at the end", "a..", false},
	{"four segments", "a.b.c.d", false},
	{"four segments, the last empty", "a.b.c.", false},
	{"five segments, a JWE", "a.b.c.d.e", false},
	{"JSON serialization", "{\"payload\":\"a\",\"signatures\":[]}", false}
};

static bool
split(const char *token, size_t len)
{
	char	   *copy = exact_copy(token, len);
	JwsCompact	jws;
	bool		result = jws_split(copy, len, &jws);

	free(copy);
	return result;
}

/* Segments of these lengths. */
static bool
split_lengths(size_t header, size_t payload, size_t signature)
{
	size_t		len = header + payload + signature + 2;
	char	   *token = malloc(len);
	bool		result;

	memset(token, 'A', len);
	token[header] = '.';
	token[header + 1 + payload] = '.';
	result = split(token, len);
	free(token);
	return result;
}

static void
test_segments(void)
{
	static const char token[] = TOKEN;
	JwsCompact	jws;

	ok(jws_split(token, strlen(token), &jws), "the token splits");
	ok(jws.header == token && jws.header_len == 20, "header");
	ok(jws.payload == token + 21 && jws.payload_len == 35, "payload");
	ok(jws.signature == token + 57 && jws.signature_len == 86, "signature");
	is_int(jws.signing_input_len, 56, "what is signed");
}

static void
test_caps(void)
{
	size_t		header = JWS_MAX_HEADER_LEN;
	size_t		rest = JWS_MAX_LEN - header - 2 - 86;
	char	   *dots = malloc(JWS_MAX_LEN + 1);

	ok(split_lengths(header, 100, 86), "the longest header");
	ok(!split_lengths(header + 1, 100, 86), "a longer header");
	ok(split_lengths(header, rest, 86), "the longest token");
	ok(!split_lengths(header, rest + 1, 86), "a longer token");
	ok(split_lengths(1, 1, JWS_MAX_LEN - 4), "the longest signature");
	ok(!split_lengths(1, 1, JWS_MAX_LEN - 3), "a longer signature");

	memset(dots, '.', JWS_MAX_LEN + 1);
	ok(!split(dots, JWS_MAX_LEN), "nothing but dots");
	ok(!split(dots, JWS_MAX_LEN + 1), "nothing but more dots");
	free(dots);
}

/* The token's own length ends it, not a NUL. */
static void
test_end(void)
{
	ok(!split(TOKEN, 20), "cut before the first dot");
	ok(!split(TOKEN, 21), "cut after the first dot");
	ok(!split(TOKEN, 56), "cut before the second dot");
	ok(!split(TOKEN, 57), "cut after the second dot");
	ok(split(TOKEN, 58), "cut after the signature's first character");
	ok(split("a\0.b.c", 6), "a NUL is left to the decoder");
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok(split(cases[i].token, strlen(cases[i].token)) == cases[i].split,
		   "%s: %s", cases[i].name, cases[i].split ? "split" : "refused");
	test_segments();
	test_caps();
	test_end();
	return done_testing();
}
