/*
 * base64url: the vectors of RFC 4648 section 10 and RFC 7515 appendix C, and
 * every second spelling of the same bytes refused.
 */
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "base64url.h"
#include "fixture.h"
#include "tap.h"

#define ALPHABET \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

static const struct
{
	const char *plain;
	const char *encoded;
}			vectors[] = {
	{"", ""},
	{"f", "Zg"},
	{"fo", "Zm8"},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg"},
	{"fooba", "Zm9vYmE"},
	{"foobar", "Zm9vYmFy"},
	{"\003\354\377\340\301", "A-z_4ME"}
};

#define CASE(name, text, decodes)	{name, text, sizeof(text) - 1, decodes}

static const struct
{
	const char *name;
	const char *text;
	size_t		len;
	bool		decodes;
}			cases[] = {
	CASE("no padding, one byte", "Zg", true),
	CASE("padding ==", "Zg==", false),
	CASE("half of the padding", "Zg=", false),
	CASE("no padding, two bytes", "Zm8", true),
	CASE("padding =", "Zm8=", false),
	CASE("padding where none belongs", "Zm9v=", false),
	CASE("nothing but padding", "====", false),
	CASE("- and _", "-_-_", true),
	CASE("+ of the other alphabet", "+_-_", false),
	CASE("/ of the other alphabet", "-/-_", false),
	CASE("leading space", " Zm9v", false),
	CASE("space inside", "Zm 9v", false),
	CASE("trailing space", "Zm9v ", false),
	CASE("trailing newline", "Zm9v\n", false),
	CASE("CR LF inside", "Zm\r\n9v", false),
	CASE("tab inside", "Zm\t9v", false),
	CASE("NUL inside", "Zm\0009v", false),
	CASE("trailing NUL", "Zm9v\000", false),
	CASE("dot", "Zm9v.", false),
	CASE("percent escape", "Zm8%3D", false),
	CASE("high bit set", "Zm9\366", false),
	CASE("one character", "Z", false),
	CASE("five characters", "Zm9vY", false),
	CASE("four bits left over, zero", "ZA", true),
	CASE("four bits left over, lowest set", "ZB", false),
	CASE("four bits left over, highest set", "ZI", false),
	CASE("two bits left over, zero", "ZmA", true),
	CASE("two bits left over, lowest set", "ZmB", false),
	CASE("two bits left over, highest set", "ZmC", false)
};

/* Decode from and into memory of exactly the sizes given. */
static bool
decode(const char *text, size_t len, size_t cap, uint8_t *bytes, size_t *n)
{
	char	   *src = exact_copy(text, len);
	uint8_t    *dst = malloc(cap > 0 ? cap : 1);
	bool		decoded = base64url_decode(src, len, dst, cap, n);

	if (decoded)
		memcpy(bytes, dst, *n);
	free(src);
	free(dst);
	return decoded;
}

static void
test_vectors(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		const char *plain = vectors[i].plain;
		const char *encoded = vectors[i].encoded;
		char		text[16];
		uint8_t		bytes[16];
		size_t		n;

		base64url_encode((const uint8_t *) plain, strlen(plain),
						 text, BASE64URL_LEN(strlen(plain)) + 1);
		ok(strcmp(text, encoded) == 0, "\"%s\" is made", encoded);
		ok(decode(encoded, strlen(encoded), strlen(plain), bytes, &n) &&
		   n == strlen(plain) && memcmp(bytes, plain, n) == 0,
		   "\"%s\" is read", encoded);
	}
}

static void
test_cases(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		uint8_t		bytes[16];
		size_t		n;

		ok(decode(cases[i].text, cases[i].len, 16, bytes, &n) ==
		   cases[i].decodes,
		   "%s: %s", cases[i].name, cases[i].decodes ? "read" : "refused");
	}
}

static void
test_lengths(void)
{
	bool		round = true;
	bool		tight = true;

	for (size_t len = 0; len <= 100; len++)
	{
		uint8_t		bytes[100];
		uint8_t		back[100];
		size_t		encoded_len = BASE64URL_LEN(len);
		char	   *text = malloc(encoded_len + 1);
		size_t		n;

		randombytes_buf(bytes, sizeof(bytes));
		base64url_encode(bytes, len, text, encoded_len + 1);
		round &= strlen(text) == encoded_len &&
			BASE64URL_MAX_BYTES(encoded_len) == len &&
			decode(text, encoded_len, len, back, &n) &&
			n == len && memcmp(back, bytes, len) == 0;
		tight &= len == 0 || !decode(text, encoded_len, len - 1, back, &n);
		free(text);
	}
	ok(round, "0 to 100 bytes come back and take the room announced");
	ok(tight, "bytes that do not fit are refused");
}

/* Each byte value in each of the places of a group. */
static void
test_alphabet(void)
{
	for (size_t at = 0; at < 4; at++)
	{
		bool		as_expected = true;

		for (int c = 0; c < 256; c++)
		{
			char		text[] = "AAAA";
			uint8_t		bytes[3];
			size_t		n;
			bool		member = c != 0 && strchr(ALPHABET, c) != NULL;

			text[at] = (char) c;
			as_expected &= decode(text, 4, 3, bytes, &n) == member;
		}
		ok(as_expected, "the 64 characters and no others at place %zu", at);
	}
}

/* Of all short texts, as many are read as there are bytes to mean. */
static void
test_canonical(void)
{
	int			two = 0;
	int			three = 0;
	bool		same = true;

	for (int a = 0; a < 64; a++)
	{
		for (int b = 0; b < 64; b++)
		{
			char		text[] = {ALPHABET[a], ALPHABET[b], '\0', '\0'};
			char		again[4];
			uint8_t		bytes[2];
			size_t		n;

			if (base64url_decode(text, 2, bytes, sizeof(bytes), &n))
			{
				base64url_encode(bytes, n, again, sizeof(again));
				same &= strcmp(again, text) == 0;
				two++;
			}
			text[2] = ALPHABET[b];
			text[1] = 'A';
			three += base64url_decode(text, 3, bytes, sizeof(bytes), &n);
		}
	}
	is_int(two, 256, "256 of the texts of two characters are read");
	is_int(three, 64 * 16, "one in four of three characters is read");
	ok(same, "what is read is written alike");
}

int
main(void)
{
	if (sodium_init() < 0)
		return 1;
	test_vectors();
	test_cases();
	test_lengths();
	test_alphabet();
	test_canonical();
	return done_testing();
}
