/*
 * Opaque tokens: 256 random bits behind a prefix, known by a hash that depends
 * on the key and on what the token is for.
 */
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "fixture.h"
#include "master_key.h"
#include "opaque_token.h"
#include "tap.h"

#define TOKENS	1000

static uint8_t hash_key[32];

static bool
same_hash(const uint8_t *key, const char *purpose,
		  const char *token, size_t len)
{
	uint8_t		expected[OPAQUE_TOKEN_HASH_LEN];
	uint8_t		hash[OPAQUE_TOKEN_HASH_LEN];
	char	   *copy = exact_copy(token, len);

	opaque_token_hash(hash_key, "refresh", "token", 5, expected);
	opaque_token_hash(key, purpose, copy, len, hash);
	free(copy);
	return memcmp(hash, expected, sizeof(hash)) == 0;
}

static int
compare_tokens(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
test_new(void)
{
	static char tokens[TOKENS][OPAQUE_TOKEN_SIZE];
	uint8_t		ones[OPAQUE_TOKEN_BYTES] = {0};
	uint8_t		zeros[OPAQUE_TOKEN_BYTES] = {0};
	uint8_t		all[OPAQUE_TOKEN_BYTES];
	bool		well_formed = true;
	bool		distinct = true;

	for (int i = 0; i < TOKENS; i++)
	{
		uint8_t		bytes[OPAQUE_TOKEN_BYTES];
		size_t		n = 0;

		opaque_token_new("ddb_rt", tokens[i]);
		well_formed &= strncmp(tokens[i], "ddb_rt_", 7) == 0 &&
			strlen(tokens[i]) == 7 + 43 &&
			base64url_decode(tokens[i] + 7, 43, bytes, sizeof(bytes), &n) &&
			n == sizeof(bytes);
		for (size_t j = 0; j < n; j++)
		{
			ones[j] |= bytes[j];
			zeros[j] |= (uint8_t) ~bytes[j];
		}
	}
	ok(well_formed, "prefix, underscore and 256 bits in base64url");
	memset(all, 0xff, sizeof(all));
	ok(memcmp(ones, all, sizeof(all)) == 0 &&
	   memcmp(zeros, all, sizeof(all)) == 0, "each bit is now 0, now 1");

	qsort(tokens, TOKENS, OPAQUE_TOKEN_SIZE, compare_tokens);
	for (int i = 1; i < TOKENS; i++)
		distinct &= strcmp(tokens[i - 1], tokens[i]) != 0;
	ok(distinct, "no two tokens are alike");
}

static void
test_prefix(void)
{
	char		token[OPAQUE_TOKEN_SIZE];

	opaque_token_new("", token);
	ok(token[0] == '_' && strlen(token) == 44, "an empty prefix");
	opaque_token_new("sixteen_letters_", token);
	ok(strncmp(token, "sixteen_letters__", 17) == 0 && strlen(token) == 60,
	   "the longest prefix");
	opaque_token_new("seventeen_letters", token);
	ok(strncmp(token, "seventeen_letter_", 17) == 0 && strlen(token) == 60,
	   "a longer prefix takes no room from the secret");
}

/* Hashes are stored, so the way they are made must stay. */
static void
test_construction(void)
{
	uint8_t		subkey[32];
	uint8_t		hash[OPAQUE_TOKEN_HASH_LEN];
	uint8_t		expected[OPAQUE_TOKEN_HASH_LEN];

	crypto_kdf_derive_from_key(subkey, sizeof(subkey), 2, "dualdb01",
							   hash_key);
	crypto_generichash(expected, sizeof(expected),
					   (const uint8_t *) "refresh\0token", 13,
					   subkey, sizeof(subkey));
	opaque_token_hash(hash_key, "refresh", "token", 5, hash);
	ok(memcmp(hash, expected, sizeof(hash)) == 0,
	   "BLAKE2b under the derived key");
}

static void
test_hash(void)
{
	uint8_t		other_key[32];
	bool		each_bit = true;

	ok(same_hash(hash_key, "refresh", "token", 5), "the same token");
	ok(!same_hash(hash_key, "refresh", "Token", 5), "another token");
	ok(!same_hash(hash_key, "refresh", "toke", 4), "a shorter token");
	ok(!same_hash(hash_key, "refresh", "token ", 6), "a longer token");
	ok(!same_hash(hash_key, "refresh", "token\0", 6), "with a NUL after it");
	ok(!same_hash(hash_key, "refresh", "", 0), "no token");
	ok(!same_hash(hash_key, "reset", "token", 5), "another purpose");
	ok(!same_hash(hash_key, "", "token", 5), "no purpose");
	ok(!same_hash(hash_key, "refres", "htoken", 6), "a letter moved over");
	ok(!same_hash(hash_key, "refresht", "oken", 4), "a letter moved back");
	ok(!same_hash(hash_key, "", "refresh\0token", 13), "all in the token");
	ok(!same_hash(hash_key, "", "refreshtoken", 12), "all in one word");

	for (int bit = 0; bit < 256; bit++)
	{
		memcpy(other_key, hash_key, sizeof(other_key));
		other_key[bit / 8] ^= (uint8_t) (1 << bit % 8);
		each_bit &= !same_hash(other_key, "refresh", "token", 5);
	}
	ok(each_bit, "another master key");
	ok(same_hash(hash_key, "refresh", "token", 5), "and the same again");
}

int
main(void)
{
	if (sodium_init() < 0)
		return 1;
	randombytes_buf(hash_key, sizeof(hash_key));
	test_new();
	test_prefix();
	test_construction();
	test_hash();
	return done_testing();
}
