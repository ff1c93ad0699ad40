/*
 * PHC strings: what is read, each way of being malformed, and the caps on what
 * a stored hash may cost.
 */
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "fixture.h"
#include "phc.h"
#include "tap.h"

#define SALT8	"c29tZXNhbHQ"
#define SALT16	"c29tZXNhbHRzb21lc2FsdA"
#define HASH32	"Gpj7qOY5RCXJvcMzqcdQqvgR3wcPX7SleI4c9NtXk6E"
#define TAIL	"$" SALT16 "$" HASH32
#define BYTES3	"AAAA"
#define BYTES15	BYTES3 BYTES3 BYTES3 BYTES3 BYTES3
#define BYTES63	BYTES15 BYTES15 BYTES15 BYTES15 BYTES3
#define GOOD	"$argon2id$v=19$m=64,t=2,p=1" TAIL

#define COST(cost)	"$argon2id$v=19$" cost TAIL
#define CASE(name, text, status)	{name, text, sizeof(text) - 1, status}

static const struct
{
	const char *name;
	const char *text;
	size_t		len;
	HashStatus	status;
}			cases[] = {
	CASE("argon2id", GOOD, HASH_OK),
	CASE("argon2i", "$argon2i$v=19$m=64,t=2,p=1" TAIL, HASH_OK),
	CASE("argon2d", "$argon2d$v=19$m=64,t=2,p=1" TAIL, HASH_UNKNOWN),
	CASE("argon2", "$argon2$v=19$m=64,t=2,p=1" TAIL, HASH_UNKNOWN),
	CASE("argon2id in capitals", "$ARGON2ID$v=19$m=64,t=2,p=1" TAIL,
		 HASH_UNKNOWN),
	CASE("a name that goes on", "$argon2idx$v=19$m=64,t=2,p=1" TAIL,
		 HASH_UNKNOWN),
	CASE("Django's prefix", "argon2" GOOD, HASH_UNKNOWN),
	CASE("bcrypt",
		 "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK",
		 HASH_UNKNOWN),
	CASE("scrypt", "$scrypt$ln=8,r=8,p=1$wlhLyXmP8b53bm1NKYVQqg$mTpv",
		 HASH_UNKNOWN),
	CASE("plain text", "password", HASH_UNKNOWN),
	CASE("empty", "", HASH_UNKNOWN),
	CASE("one dollar", "$", HASH_UNKNOWN),
	CASE("no first dollar", "argon2id$v=19$m=64,t=2,p=1" TAIL, HASH_UNKNOWN),
	CASE("leading space", " " GOOD, HASH_UNKNOWN),

	CASE("version 16", "$argon2id$v=16$m=64,t=2,p=1" TAIL, HASH_UNKNOWN),
	CASE("no version, which means 16", "$argon2id$m=64,t=2,p=1" TAIL,
		 HASH_UNKNOWN),
	CASE("version 18", "$argon2id$v=18$m=64,t=2,p=1" TAIL, HASH_UNKNOWN),
	CASE("version 190", "$argon2id$v=190$m=64,t=2,p=1" TAIL, HASH_UNKNOWN),
	CASE("version 019", "$argon2id$v=019$m=64,t=2,p=1" TAIL, HASH_UNKNOWN),
	CASE("version empty", "$argon2id$v=$m=64,t=2,p=1" TAIL, HASH_UNKNOWN),
	CASE("version twice", "$argon2id$v=19$v=19$m=64,t=2,p=1" TAIL,
		 HASH_MALFORMED),

	CASE("no cost", "$argon2id$v=19" TAIL, HASH_MALFORMED),
	CASE("no memory", COST("t=2,p=1"), HASH_MALFORMED),
	CASE("no iterations", COST("m=64,p=1"), HASH_MALFORMED),
	CASE("no lanes", COST("m=64,t=2"), HASH_MALFORMED),
	CASE("another order", COST("t=2,m=64,p=1"), HASH_MALFORMED),
	CASE("memory twice", COST("m=64,m=64,t=2,p=1"), HASH_MALFORMED),
	CASE("key id", COST("m=64,t=2,p=1,keyid=AAAA"), HASH_MALFORMED),
	CASE("associated data", COST("m=64,t=2,p=1,data=AAAA"), HASH_MALFORMED),
	CASE("trailing comma", COST("m=64,t=2,p=1,"), HASH_MALFORMED),
	CASE("leading zero of memory", COST("m=064,t=2,p=1"), HASH_MALFORMED),
	CASE("leading zero of iterations", COST("m=64,t=02,p=1"), HASH_MALFORMED),
	CASE("leading zero of lanes", COST("m=64,t=2,p=01"), HASH_MALFORMED),
	CASE("no digits of memory", COST("m=,t=2,p=1"), HASH_MALFORMED),
	CASE("no digits of iterations", COST("m=64,t=,p=1"), HASH_MALFORMED),
	CASE("no digits of lanes", COST("m=64,t=2,p="), HASH_MALFORMED),
	CASE("zero memory", COST("m=0,t=2,p=1"), HASH_MALFORMED),
	CASE("zero iterations", COST("m=64,t=0,p=1"), HASH_MALFORMED),
	CASE("zero lanes", COST("m=64,t=2,p=0"), HASH_MALFORMED),
	CASE("plus sign", COST("m=+64,t=2,p=1"), HASH_MALFORMED),
	CASE("minus sign", COST("m=-64,t=2,p=1"), HASH_MALFORMED),
	CASE("hexadecimal", COST("m=0x40,t=2,p=1"), HASH_MALFORMED),
	CASE("fraction", COST("m=64.0,t=2,p=1"), HASH_MALFORMED),
	CASE("exponent", COST("m=6e1,t=2,p=1"), HASH_MALFORMED),
	CASE("space before a number", COST("m= 64,t=2,p=1"), HASH_MALFORMED),
	CASE("space after a comma", COST("m=64, t=2,p=1"), HASH_MALFORMED),

	CASE("8 KiB for one lane", COST("m=8,t=1,p=1"), HASH_OK),
	CASE("7 KiB for one lane", COST("m=7,t=1,p=1"), HASH_MALFORMED),
	CASE("32 KiB for four lanes", COST("m=32,t=1,p=4"), HASH_OK),
	CASE("31 KiB for four lanes", COST("m=31,t=1,p=4"), HASH_MALFORMED),
	CASE("16 lanes", COST("m=136,t=1,p=16"), HASH_OK),
	CASE("17 lanes", COST("m=136,t=1,p=17"), HASH_TOO_COSTLY),
	CASE("256 MiB", COST("m=262144,t=1,p=1"), HASH_OK),
	CASE("256 MiB and 1 KiB", COST("m=262145,t=1,p=1"), HASH_TOO_COSTLY),
	CASE("64 iterations", COST("m=64,t=64,p=1"), HASH_OK),
	CASE("65 iterations", COST("m=64,t=65,p=1"), HASH_TOO_COSTLY),
	CASE("256 MiB four times", COST("m=262144,t=4,p=1"), HASH_OK),
	CASE("256 MiB five times", COST("m=262144,t=5,p=1"), HASH_TOO_COSTLY),
	CASE("16 MiB 64 times", COST("m=16384,t=64,p=1"), HASH_OK),
	CASE("16 MiB and 1 KiB 64 times", COST("m=16385,t=64,p=1"),
		 HASH_TOO_COSTLY),
	CASE("nine digits of memory", COST("m=999999999,t=1,p=1"),
		 HASH_TOO_COSTLY),
	CASE("nine digits of iterations", COST("m=64,t=999999999,p=1"),
		 HASH_TOO_COSTLY),
	CASE("ten digits of memory", COST("m=1000000000,t=1,p=1"),
		 HASH_MALFORMED),
	CASE("2^32 + 64 KiB", COST("m=4294967360,t=2,p=1"), HASH_MALFORMED),
	CASE("2^32 + 2 iterations", COST("m=64,t=4294967298,p=1"),
		 HASH_MALFORMED),
	CASE("2^32 + 1 lanes", COST("m=64,t=2,p=4294967297"), HASH_MALFORMED),
	CASE("2^64 + 64 KiB", COST("m=18446744073709551680,t=2,p=1"),
		 HASH_MALFORMED),

	CASE("salt of 8 bytes", "$argon2id$v=19$m=64,t=2,p=1$" SALT8 "$" HASH32,
		 HASH_OK),
	CASE("salt of 7 bytes", "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbA$" HASH32,
		 HASH_MALFORMED),
	CASE("salt of 64 bytes",
		 "$argon2id$v=19$m=64,t=2,p=1$" BYTES63 "AA$" HASH32, HASH_OK),
	CASE("salt of 65 bytes",
		 "$argon2id$v=19$m=64,t=2,p=1$" BYTES63 "AAA$" HASH32,
		 HASH_MALFORMED),
	CASE("salt empty", "$argon2id$v=19$m=64,t=2,p=1$$" HASH32,
		 HASH_MALFORMED),
	CASE("salt padded",
		 "$argon2id$v=19$m=64,t=2,p=1$" SALT16 "==$" HASH32, HASH_MALFORMED),
	CASE("salt with bits left over",
		 "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdB$" HASH32,
		 HASH_MALFORMED),
	CASE("hash of 16 bytes",
		 "$argon2id$v=19$m=64,t=2,p=1$" SALT16 "$" BYTES15 "AA", HASH_OK),
	CASE("hash of 15 bytes",
		 "$argon2id$v=19$m=64,t=2,p=1$" SALT16 "$" BYTES15, HASH_MALFORMED),
	CASE("salt and hash of 64 bytes",
		 "$argon2id$v=19$m=64,t=2,p=1$" BYTES63 "AA$" BYTES63 "AA", HASH_OK),
	CASE("hash of 65 bytes",
		 "$argon2id$v=19$m=64,t=2,p=1$" SALT16 "$" BYTES63 "AAA",
		 HASH_MALFORMED),
	CASE("hash empty", "$argon2id$v=19$m=64,t=2,p=1$" SALT16 "$",
		 HASH_MALFORMED),
	CASE("hash absent", "$argon2id$v=19$m=64,t=2,p=1$" SALT16,
		 HASH_MALFORMED),
	CASE("hash padded", GOOD "=", HASH_MALFORMED),
	CASE("hash with bits left over",
		 "$argon2id$v=19$m=64,t=2,p=1$" SALT16 "$" BYTES15 "AB",
		 HASH_MALFORMED),
	CASE("+ and / of base64",
		 "$argon2id$v=19$m=64,t=2,p=1$+/+/+/+/+/+/$" HASH32, HASH_OK),
	CASE("- of base64url",
		 "$argon2id$v=19$m=64,t=2,p=1$-/+/+/+/+/+/$" HASH32, HASH_MALFORMED),
	CASE("_ of base64url",
		 "$argon2id$v=19$m=64,t=2,p=1$+_+/+/+/+/+/$" HASH32, HASH_MALFORMED),
	CASE("byte beyond ASCII in place of /",
		 "$argon2id$v=19$m=64,t=2,p=1$+\377+/+/+/+/+/$" HASH32,
		 HASH_MALFORMED),
	CASE(". of crypt",
		 "$argon2id$v=19$m=64,t=2,p=1$./+/+/+/+/+/$" HASH32, HASH_MALFORMED),

	CASE("trailing dollar", GOOD "$", HASH_MALFORMED),
	CASE("another part", GOOD "$AAAA", HASH_MALFORMED),
	CASE("trailing space", GOOD " ", HASH_MALFORMED),
	CASE("trailing newline", GOOD "\n", HASH_MALFORMED),
	CASE("trailing NUL", GOOD "\000", HASH_MALFORMED),
	CASE("NUL in the salt",
		 "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHR\000b21lc2FsdA$" HASH32,
		 HASH_MALFORMED)
};

/* Parse from memory that ends with the string. */
static HashStatus
parse(const char *text, size_t len, Argon2Phc *phc)
{
	char	   *copy = exact_copy(text, len);
	HashStatus	status = phc_parse(copy, len, phc);

	free(copy);
	return status;
}

static void
test_fields(void)
{
	static const char str[] =
		"$argon2i$v=19$m=65536,t=2,p=4$" SALT8
		"$RdescudvJCsgt3ub+b+dWRWJTmaaJObG";
	Argon2Phc	phc;

	is_int(parse(str, strlen(str), &phc), HASH_OK, "a foreign hash is read");
	ok(!phc.is_argon2id, "it is argon2i");
	is_int(phc.memory_kib, 65536, "its memory");
	is_int(phc.iterations, 2, "its iterations");
	is_int(phc.parallelism, 4, "its lanes");
	ok(phc.salt_len == 8 && memcmp(phc.salt, "somesalt", 8) == 0, "its salt");
	ok(phc.hash_len == 24 && phc.hash[0] == 0x45 && phc.hash[23] == 0xc6,
	   "its hash");

	is_int(parse(GOOD, strlen(GOOD), &phc), HASH_OK, "our own is read");
	ok(phc.is_argon2id, "it is argon2id");
	ok(phc.salt_len == 16 && phc.hash_len == 32, "its lengths");
}

/* A shorter hash is a hash, too, so only its shortest length counts here. */
static void
test_cut(void)
{
	static const char str[] =
		"$argon2id$v=19$m=64,t=2,p=1$" SALT16 "$" BYTES15 "AA";
	Argon2Phc	phc;
	bool		refused = true;

	for (size_t len = 0; len < strlen(str); len++)
		refused &= parse(str, len, &phc) != HASH_OK;
	ok(refused, "a string cut short anywhere is refused");
	is_int(parse(str, strlen(str), &phc), HASH_OK, "the whole of it is read");
}

static void
test_long(void)
{
	size_t		len = 1024 * 1024;
	char	   *str = malloc(len);
	Argon2Phc	phc;

	memset(str, 'A', len);
	memcpy(str, GOOD, strlen(GOOD));
	is_int(parse(str, strlen(GOOD), &phc), HASH_OK, "a string that goes on");
	is_int(parse(str, PHC_STRING_MAX + 1, &phc), HASH_MALFORMED,
		   "a string of more than %d bytes", PHC_STRING_MAX);
	is_int(parse(str, len, &phc), HASH_MALFORMED, "a string of a megabyte");
	memset(str + strlen("$argon2id$v=19$m="), '9', len - 17);
	is_int(parse(str, len, &phc), HASH_MALFORMED, "a number of a megabyte");
	free(str);
}

int
main(void)
{
	Argon2Phc	phc;

	if (sodium_init() < 0)
		return 1;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_int(parse(cases[i].text, cases[i].len, &phc), cases[i].status,
			   "%s", cases[i].name);
	test_fields();
	test_cut();
	test_long();
	return done_testing();
}
