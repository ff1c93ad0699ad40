/*
 * The text of API keys: made ones are taken, and one changed character is
 * refused before any look-up.
 */
#include <string.h>

#include <sodium.h>

#include "api_key.h"
#include "tap.h"

static const char base62[] =
"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static bool
accepted(const char *key, size_t len)
{
	char		id[API_KEY_ID_LEN + 1];

	return api_key_id(key, len, id);
}

/* CRC-32 over bits from the lowest, as zlib has it, written another way. */
static uint32_t
reference_crc(const char *data, size_t len)
{
	uint32_t	table[256];
	uint32_t	crc = UINT32_MAX;

	for (uint32_t i = 0; i < 256; i++)
	{
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = (table[i] & 1) != 0 ? 0xedb88320 ^ table[i] >> 1
				: table[i] >> 1;
	}
	for (size_t i = 0; i < len; i++)
		crc = table[(crc ^ (uint8_t) data[i]) & 0xff] ^ crc >> 8;
	return crc ^ UINT32_MAX;
}

/* Write the check that belongs to what is before it. */
static void
write_reference_check(char *key)
{
	size_t		checked = API_KEY_LEN - API_KEY_CHECK_LEN;
	uint32_t	crc = reference_crc(key, checked);

	for (int i = API_KEY_CHECK_LEN - 1; i >= 0; i--)
	{
		key[checked + i] = base62[crc % 62];
		crc /= 62;
	}
}

static void
test_round_trip(void)
{
	char		id[API_KEY_ID_LEN + 1];
	char		other_id[API_KEY_ID_LEN + 1];
	char		key[API_KEY_LEN + 1];
	char		other[API_KEY_LEN + 1];
	int			good = 0;
	int			seen[128] = {0};
	int			kinds = 0;

	is_int(API_KEY_LEN, 70, "a key has 70 characters");
	for (int i = 0; i < 1000; i++)
	{
		char		found[API_KEY_ID_LEN + 1];
		char		again[API_KEY_LEN + 1];

		api_key_new_id(id);
		api_key_new(id, key);
		strcpy(again, key);
		write_reference_check(again);
		good += strlen(id) == API_KEY_ID_LEN && strlen(key) == API_KEY_LEN &&
			strncmp(key, "ddb_", 4) == 0 &&
			strncmp(key + 4, id, API_KEY_ID_LEN) == 0 &&
			key[4 + API_KEY_ID_LEN] == '_' &&
			strspn(key + 5 + API_KEY_ID_LEN, base62) ==
			API_KEY_SECRET_LEN + API_KEY_CHECK_LEN &&
			api_key_id(key, API_KEY_LEN, found) && strcmp(found, id) == 0 &&
			strcmp(key, again) == 0;
		for (const char *c = key + 5 + API_KEY_ID_LEN; *c != '\0'; c++)
			seen[(int) *c] = 1;
	}
	is_int(good, 1000, "a thousand keys are well-formed and give their ids");
	for (int i = 0; i < 128; i++)
		kinds += seen[i];
	is_int(kinds, 62, "their secrets use the whole alphabet");

	api_key_new_id(other_id);
	ok(strcmp(id, other_id) != 0, "two ids differ");
	api_key_new(id, other);
	ok(strncmp(key, other, 5 + API_KEY_ID_LEN) == 0 &&
	   strcmp(key + 5 + API_KEY_ID_LEN, other + 5 + API_KEY_ID_LEN) != 0,
	   "two keys of one id have other secrets");
}

/* Every other base62 character, in every place. */
static void
test_changes(void)
{
	char		id[API_KEY_ID_LEN + 1];
	char		key[API_KEY_LEN + 1];

	api_key_new_id(id);
	api_key_new(id, key);
	ok(accepted(key, API_KEY_LEN), "the key that is changed is good");
	for (size_t i = 0; i < API_KEY_LEN; i++)
	{
		char		kept = key[i];
		int			taken = 0;

		for (int c = 0; c < 256; c++)
		{
			key[i] = (char) c;
			if (key[i] != kept)
				taken += accepted(key, API_KEY_LEN);
		}
		key[i] = kept;
		is_int(taken, 0, "no other character in place %d", (int) i);
	}
	for (size_t i = 0; i + 1 < API_KEY_LEN; i++)
	{
		char		kept = key[i];

		if (kept == key[i + 1])
			continue;
		key[i] = key[i + 1];
		key[i + 1] = kept;
		ok(!accepted(key, API_KEY_LEN), "places %d and %d swapped", (int) i,
		   (int) i + 1);
		key[i + 1] = key[i];
		key[i] = kept;
	}
	ok(accepted(key, API_KEY_LEN), "the key is good again");
}

static void
test_lengths(void)
{
	char		id[API_KEY_ID_LEN + 1];
	char		key[2 * API_KEY_LEN + 1];

	api_key_new_id(id);
	api_key_new(id, key);
	memcpy(key + API_KEY_LEN, key, API_KEY_LEN);
	key[2 * API_KEY_LEN] = '\0';
	for (size_t len = 0; len <= 2 * API_KEY_LEN; len++)
		is_int(accepted(key, len), len == API_KEY_LEN,
			   "the first %d characters", (int) len);
}

/* A right check does not make up for what is wrong before it. */
static void
test_right_check(void)
{
	static const struct
	{
		size_t		place;
		char		character;
		bool		good;
		const char *name;
	}			cases[] = {
		{10, 'Z', true, "another character of the id, with its check"},
		{30, 'Z', true, "another character of the secret, with its check"},
		{0, 'D', false, "prefix in other letters"},
		{0, 'x', false, "another prefix"},
		{3, '-', false, "another end of the prefix"},
		{20, '-', false, "another separator"},
		{20, 'a', false, "no separator"},
		{4, '_', false, "an underscore in the id"},
		{19, ' ', false, "a blank in the id"},
		{12, '\0', false, "NUL in the id"},
		{12, '\xe4', false, "a byte above ASCII in the id"}
	};
	char		key[API_KEY_LEN + 1];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		api_key_new("0123456789abcdef", key);
		key[cases[i].place] = cases[i].character;
		write_reference_check(key);
		is_int(accepted(key, API_KEY_LEN), cases[i].good, "%s", cases[i].name);
	}
}

int
main(void)
{
	if (sodium_init() < 0)
		return 1;
	test_round_trip();
	test_changes();
	test_lengths();
	test_right_check();
	return done_testing();
}
