/*
 * Hashes of other programs under argon2id: they verify as they did before, keep
 * nothing of the digest, and are read only as they are written.
 */
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "fixture.h"
#include "stored_hash.h"
#include "tap.h"

#define LEGACY	"$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
#define SETTING	"$2b$05$CCCCCCCCCCCCCCCCCCCCC."
#define OUTER \
	"$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA" \
	"$Gpj7qOY5RCXJvcMzqcdQqvgR3wcPX7SleI4c9NtXk6E"
#define PREFIX	"$dualdb-wrapped"

static const struct
{
	const char *name;
	const char *hash;
	HashStatus	status;
}			cases[] = {
	{"as it is written", PREFIX OUTER "$" SETTING, HASH_OK},
	{"nothing inside", PREFIX OUTER "$", HASH_MALFORMED},
	{"nothing inside, nor a dollar", PREFIX OUTER, HASH_MALFORMED},
	{"nothing outside", PREFIX "$" SETTING, HASH_MALFORMED},
	{"the digest still there", PREFIX OUTER "$" LEGACY, HASH_MALFORMED},
	{"something after it", PREFIX OUTER "$" SETTING "$", HASH_MALFORMED},
	{"argon2id inside", PREFIX OUTER "$" OUTER, HASH_MALFORMED},
	{"wrapped twice", PREFIX OUTER "$" PREFIX OUTER "$" SETTING,
	HASH_MALFORMED},
	{"plain text inside", PREFIX OUTER "$password", HASH_MALFORMED},
	{"another prefix", "$dualdb-wrappe" OUTER "$" SETTING, HASH_UNKNOWN},
	{"a prefix that goes on", PREFIX "d" OUTER "$" SETTING, HASH_UNKNOWN},
	{"four lanes outside",
		PREFIX "$argon2id$v=19$m=64,t=2,p=4$c29tZXNhbHRzb21lc2FsdA"
		"$Gpj7qOY5RCXJvcMzqcdQqvgR3wcPX7SleI4c9NtXk6E$" SETTING,
	HASH_MALFORMED},
	{"another version outside",
		PREFIX "$argon2id$v=16$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA"
		"$Gpj7qOY5RCXJvcMzqcdQqvgR3wcPX7SleI4c9NtXk6E$" SETTING,
	HASH_MALFORMED},
	{"too costly outside",
		PREFIX "$argon2id$v=19$m=262145,t=1,p=1$c29tZXNhbHRzb21lc2FsdA"
		"$Gpj7qOY5RCXJvcMzqcdQqvgR3wcPX7SleI4c9NtXk6E$" SETTING,
	HASH_TOO_COSTLY},
	{"too costly inside", PREFIX OUTER "$$2b$16$CCCCCCCCCCCCCCCCCCCCC.",
	HASH_TOO_COSTLY}
};

static void
test_cases(void)
{
	WrappedHash hash;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		size_t		len = strlen(cases[i].hash);
		char	   *copy = exact_copy(cases[i].hash, len);

		is_int(wrapped_hash_parse(copy, len, &hash), cases[i].status,
			   "%s", cases[i].name);
		free(copy);
	}
}

static void
test_round_trip(void)
{
	LegacyHash	legacy;
	StoredHash	stored;
	char		wrapped[WRAPPED_STRING_SIZE];
	char		again[WRAPPED_STRING_SIZE];

	is_int(legacy_hash_parse(LEGACY, strlen(LEGACY), &legacy), HASH_OK,
		   "a hash of another program");
	is_int(wrapped_hash_make(LEGACY, &legacy, 64, 2, wrapped), PASSWORD_OK,
		   "is wrapped");
	wrapped_hash_make(LEGACY, &legacy, 64, 2, again);
	ok(strcmp(wrapped, again) != 0, "equal ones do not look equal");
	ok(strstr(wrapped, "E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW") == NULL,
	   "the digest is gone");
	is_int(stored_hash_parse(wrapped, &stored), HASH_OK, "it is read");
	is_int(stored.kind, STORED_WRAPPED, "as what it is");
	is_int(stored_hash_verify("U*U", 3, &stored), PASSWORD_OK, "the password");
	is_int(stored_hash_verify("U*V", 3, &stored), PASSWORD_MISMATCH,
		   "another password");
	is_int(stored_hash_verify("", 0, &stored), PASSWORD_MISMATCH, "none");
	ok(stored_hash_needs_rehash(&stored, 64, 2), "it is to be replaced");
}

/* The longest setting fits. */
static void
test_longest(void)
{
	LegacyHash	legacy;
	char		longest[512] = "scrypt$262144$";
	char		wrapped[WRAPPED_STRING_SIZE];
	WrappedHash hash;

	memset(longest + strlen(longest), 's', LEGACY_SALT_MAX);
	strcat(longest, "$8$1$z3dOO9MpBUs3s0ewhDxKPHeDmF3pXIkwJtk4HLMGypfqLISFEWWrTobadY0aC/pGWcS1qimug3PUy1ppsYs5cA==");
	is_int(legacy_hash_parse(longest, strlen(longest), &legacy), HASH_OK,
		   "a salt of %d bytes", LEGACY_SALT_MAX);
	wrapped_hash_make(longest, &legacy, 262144, 2, wrapped);
	is_int(wrapped_hash_parse(wrapped, strlen(wrapped), &hash), HASH_OK,
		   "is wrapped whole");
	ok(hash.inner.salt_len == LEGACY_SALT_MAX, "salt and all");
}

int
main(void)
{
	if (sodium_init() < 0)
		return 1;
	test_cases();
	test_round_trip();
	test_longest();
	return done_testing();
}
