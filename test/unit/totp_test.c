/*
 * One-time codes: the vectors of RFC 4226 and RFC 6238, the window of steps,
 * replays, and secrets in base32 (RFC 4648).
 */
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include <sodium.h>

#include "totp.h"
#include "tap.h"

/* the secret of both RFCs */
static const uint8_t secret[] = "12345678901234567890";

#define SECRET_LEN	(sizeof(secret) - 1)
#define NO_STEP		0			/* what a new factor's last_step is */

static void
test_hotp(void)
{
	static const uint32_t expected[] = {
		755224, 287082, 359152, 969429, 338314,
		254676, 287922, 162583, 399871, 520489
	};

	for (uint64_t counter = 0; counter < 10; counter++)
	{
		uint32_t	code = UINT32_MAX;

		ok(totp_code(secret, SECRET_LEN, counter, &code),
		   "RFC 4226 counter %d", (int) counter);
		is_int(code, expected[counter], "RFC 4226 code %d", (int) counter);
	}
}

/* A match of the code at that very time. */
static const struct
{
	int64_t		at;
	const char *code;
}			vectors[] = {
	{59, "287082"},
	{1111111109, "081804"},
	{1111111111, "050471"},
	{1234567890, "005924"},
	{2000000000, "279037"},
	{INT64_C(20000000000), "353130"}
};

static void
test_totp(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		char		wrong[TOTP_DIGITS + 1];

		is_int(totp_match(secret, SECRET_LEN, vectors[i].code, vectors[i].at,
						  NO_STEP),
			   vectors[i].at / TOTP_STEP_SECONDS,
			   "RFC 6238 at %" PRId64, vectors[i].at);
		for (int digit = 0; digit < TOTP_DIGITS; digit++)
		{
			strcpy(wrong, vectors[i].code);
			wrong[digit] = wrong[digit] == '9' ? '0' : wrong[digit] + 1;
			is_int(totp_match(secret, SECRET_LEN, wrong, vectors[i].at, NO_STEP),
				   -1, "RFC 6238 at %" PRId64 ": not with another digit %d",
				   vectors[i].at, digit);
		}
	}
	is_int(totp_match((const uint8_t *) "12345678901234567891", SECRET_LEN,
					  "005924", 1234567890, NO_STEP), -1,
		   "the code of another secret");
}

/* The code of step 41152263, which is 1234567890 up to 1234567919. */
static void
test_window(void)
{
	static const struct
	{
		int64_t		at;
		bool		good;
		const char *name;
	}			cases[] = {
		{1234567859, false, "two steps early"},
		{1234567860, true, "one step early, first second"},
		{1234567889, true, "one step early, last second"},
		{1234567890, true, "first second"},
		{1234567919, true, "last second"},
		{1234567920, true, "one step late, first second"},
		{1234567949, true, "one step late, last second"},
		{1234567950, false, "two steps late"},
		{1234567890 + 86400, false, "a day late"}
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_int(totp_match(secret, SECRET_LEN, "005924", cases[i].at, NO_STEP),
			   cases[i].good ? 41152263 : -1, "%s", cases[i].name);

	/* the clock near its beginning and before it */
	is_int(totp_match(secret, SECRET_LEN, "755224", 0, -1), 0, "step 0 at 0");
	is_int(totp_match(secret, SECRET_LEN, "755224", 0, NO_STEP), -1,
		   "step 0 has been used when last_step says so");
	is_int(totp_match(secret, SECRET_LEN, "287082", 0, NO_STEP), 1,
		   "step 1 at 0");
	is_int(totp_match(secret, SECRET_LEN, "755224", -1000, NO_STEP), -1,
		   "a clock before 1970 matches nothing");
}

static void
test_replay(void)
{
	int64_t		step = 41152263;

	is_int(totp_match(secret, SECRET_LEN, "005924", 1234567890, step - 1),
		   step, "the step after the last one");
	is_int(totp_match(secret, SECRET_LEN, "005924", 1234567890, step), -1,
		   "the last step again");
	is_int(totp_match(secret, SECRET_LEN, "005924", 1234567890, step + 1), -1,
		   "a step before the last one");
	is_int(totp_match(secret, SECRET_LEN, "005924", 1234567890, INT64_MAX), -1,
		   "no step is later than the last of all");
	/* steps 37037036 and 37037037 are neighbours */
	is_int(totp_match(secret, SECRET_LEN, "050471", 1111111109, 37037036),
		   37037037, "the next step counts after the one before it");
	is_int(totp_match(secret, SECRET_LEN, "081804", 1111111111, 37037037), -1,
		   "but not the other way round");
}

static void
test_malformed(void)
{
	static const char *const codes[] = {
		"", "0", "05924", "5924", "0005924", "00592", "0059244", "005924 ",
		" 005924", "00592x", "x05924", "005 924", "005-924", "+05924",
		"-05924", "0x5924", "005924\n", "00592\xd9", "\xd9\xa0\xd9\xa0\xd9\xa5",
		"\xef\xbc\x90\xef\xbc\x90"
	};
	char		long_code[4096];

	is_int(totp_match(secret, SECRET_LEN, "005924", 1234567890, NO_STEP),
		   41152263, "six digits");
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		is_int(totp_match(secret, SECRET_LEN, codes[i], 1234567890, NO_STEP),
			   -1, "malformed code %d", (int) i);
	memset(long_code, '0', sizeof(long_code));
	long_code[sizeof(long_code) - 1] = '\0';
	is_int(totp_match(secret, SECRET_LEN, long_code, 1234567890, NO_STEP), -1,
		   "a long code");
}

static void
test_base32(void)
{
	static const struct
	{
		const char *bytes;
		const char *text;
	}			cases[] = {
		{"", ""},
		{"f", "MY"},
		{"fo", "MZXQ"},
		{"foo", "MZXW6"},
		{"foob", "MZXW6YQ"},
		{"fooba", "MZXW6YTB"},
		{"foobar", "MZXW6YTBOI"},
		{"12345678901234567890", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}
	};
	uint8_t		ones[TOTP_SECRET_LEN];
	char		text[BASE32_LEN(TOTP_SECRET_LEN) + 1];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		size_t		len = strlen(cases[i].bytes);

		memset(text, '!', sizeof(text));
		base32_encode((const uint8_t *) cases[i].bytes, len, text);
		ok(strcmp(text, cases[i].text) == 0, "base32 of \"%s\"",
		   cases[i].bytes);
		is_int(strlen(text), BASE32_LEN(len), "its length");
	}
	memset(ones, 0xff, sizeof(ones));
	base32_encode(ones, sizeof(ones), text);
	ok(strcmp(text, "77777777777777777777777777777777") == 0,
	   "base32 of all ones");
}

int
main(void)
{
	if (sodium_init() < 0)
		return 1;
	test_hotp();
	test_totp();
	test_window();
	test_replay();
	test_malformed();
	test_base32();
	return done_testing();
}
