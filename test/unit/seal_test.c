/*
 * Sealed values: they open with their master key at their place, and not when
 * a bit of them has changed.
 */
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "fixture.h"
#include "seal.h"
#include "tap.h"

#define PLAIN		"thirty-two bytes of a secret key"
#define PLAIN_LEN	(sizeof(PLAIN) - 1)
#define SEALED_LEN	(PLAIN_LEN + SEAL_OVERHEAD)
#define Min(a, b)	((a) < (b) ? (a) : (b))
#define PLACE		"signing_key:0190c5f0"

static uint8_t master_key[32];
static uint8_t other_key[32];
static uint8_t sealed[SEALED_LEN];

/* Open from memory that ends with the value; tell whether plain got out. */
static SealStatus
open_as(const uint8_t *key, const char *place, const uint8_t *value,
		size_t len, size_t plain_len, bool *told)
{
	uint8_t    *copy = (uint8_t *) exact_copy(value, len);
	uint8_t    *plain = malloc(plain_len > 0 ? plain_len : 1);
	SealStatus	status;

	memset(plain, 0, plain_len);
	status = seal_open(key, place, copy, len, plain, plain_len);
	*told = plain_len > 0 &&
		memcmp(plain, PLAIN, Min(plain_len, PLAIN_LEN)) == 0;
	free(copy);
	free(plain);
	return status;
}

#define refused(expected, key, place, value, len, plain_len, ...) \
	do { \
		bool		told; \
		\
		is_int(open_as(key, place, value, len, plain_len, &told), expected, \
			   __VA_ARGS__); \
		ok(!told, "and nothing is told"); \
	} while (0)

static void
test_open(void)
{
	uint8_t		again[SEALED_LEN];
	uint8_t		nothing[SEAL_OVERHEAD];
	bool		told;

	is_int(open_as(master_key, PLACE, sealed, SEALED_LEN, PLAIN_LEN, &told),
		   SEAL_OK, "a sealed value opens");
	ok(told, "to what it was");
	is_int(sealed[0], 1, "its version");
	ok(memmem(sealed, SEALED_LEN, PLAIN, 8) == NULL, "it is not in clear");

	seal(master_key, PLACE, (const uint8_t *) PLAIN, PLAIN_LEN, again);
	ok(memcmp(sealed, again, 1 + SEAL_FINGERPRINT_LEN) == 0,
	   "the fingerprint of a key stays");
	ok(memcmp(sealed + 1 + SEAL_FINGERPRINT_LEN,
			  again + 1 + SEAL_FINGERPRINT_LEN, SEAL_NONCE_LEN) != 0,
	   "the nonce does not");
	ok(memcmp(sealed + SEAL_HEAD_LEN, again + SEAL_HEAD_LEN, PLAIN_LEN) != 0,
	   "equal values do not look equal");
	is_int(open_as(master_key, PLACE, again, SEALED_LEN, PLAIN_LEN, &told),
		   SEAL_OK, "that one opens, too");

	seal(master_key, PLACE, NULL, 0, nothing);
	is_int(open_as(master_key, PLACE, nothing, SEAL_OVERHEAD, 0, &told),
		   SEAL_OK, "nothing can be sealed");
	refused(SEAL_FORGED, master_key, "", nothing, SEAL_OVERHEAD, 0,
			"and opened at its place only");
}

static void
test_place(void)
{
	static const char *const places[] = {
		"", "signing_key:0190c5f", "signing_key:0190c5f00",
		"signing_key:0190c5f1", "Signing_key:0190c5f0",
		"totp_secret:0190c5f0", " signing_key:0190c5f0"
	};
	uint8_t		placeless[SEALED_LEN];
	bool		told;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		refused(SEAL_FORGED, master_key, places[i], sealed, SEALED_LEN,
				PLAIN_LEN, "at \"%s\"", places[i]);
	is_int(open_as(master_key, PLACE, sealed, SEALED_LEN, PLAIN_LEN, &told),
		   SEAL_OK, "at its own place");

	seal(master_key, "", (const uint8_t *) PLAIN, PLAIN_LEN, placeless);
	is_int(open_as(master_key, "", placeless, SEALED_LEN, PLAIN_LEN, &told),
		   SEAL_OK, "at no place");
	refused(SEAL_FORGED, master_key, PLACE, placeless, SEALED_LEN, PLAIN_LEN,
			"moved from no place");
}

/* Each bit of each byte. */
static void
test_altered(void)
{
	bool		told;

	for (size_t at = 0; at < SEALED_LEN; at++)
	{
		SealStatus	expected = at == 0 ? SEAL_MALFORMED :
			at <= SEAL_FINGERPRINT_LEN ? SEAL_OTHER_KEY : SEAL_FORGED;
		bool		as_expected = true;

		for (int bit = 0; bit < 8; bit++)
		{
			sealed[at] ^= (uint8_t) (1 << bit);
			as_expected &= open_as(master_key, PLACE, sealed, SEALED_LEN,
								   PLAIN_LEN, &told) == expected && !told;
			sealed[at] ^= (uint8_t) (1 << bit);
		}
		ok(as_expected, "byte %zu altered", at);
	}
	is_int(open_as(master_key, PLACE, sealed, SEALED_LEN, PLAIN_LEN, &told),
		   SEAL_OK, "unaltered");
}

static void
test_length(void)
{
	uint8_t		longer[SEALED_LEN + 1];
	bool		malformed = true;
	bool		forged = true;
	bool		told;

	for (size_t len = 0; len < SEALED_LEN; len++)
		malformed &= open_as(master_key, PLACE, sealed, len, PLAIN_LEN,
							 &told) == SEAL_MALFORMED && !told;
	ok(malformed, "cut short anywhere");
	for (size_t len = SEAL_OVERHEAD; len < SEALED_LEN; len++)
		forged &= open_as(master_key, PLACE, sealed, len,
						  len - SEAL_OVERHEAD, &told) == SEAL_FORGED && !told;
	ok(forged, "cut short, and less expected");

	memcpy(longer, sealed, SEALED_LEN);
	longer[SEALED_LEN] = 0;
	refused(SEAL_MALFORMED, master_key, PLACE, longer, SEALED_LEN + 1,
			PLAIN_LEN, "a byte more");
	refused(SEAL_FORGED, master_key, PLACE, longer, SEALED_LEN + 1,
			PLAIN_LEN + 1, "a byte more, and more expected");
	refused(SEAL_MALFORMED, master_key, PLACE, sealed, SEALED_LEN,
			PLAIN_LEN - 1, "less expected");
	refused(SEAL_MALFORMED, master_key, PLACE, sealed, SEALED_LEN,
			PLAIN_LEN + 1, "more expected");
}

static void
test_key(void)
{
	uint8_t		theirs[SEALED_LEN];
	bool		told;

	refused(SEAL_OTHER_KEY, other_key, PLACE, sealed, SEALED_LEN, PLAIN_LEN,
			"with another master key");
	seal(other_key, PLACE, (const uint8_t *) PLAIN, PLAIN_LEN, theirs);
	is_int(open_as(other_key, PLACE, theirs, SEALED_LEN, PLAIN_LEN, &told),
		   SEAL_OK, "which opens what it sealed");

	/* the fingerprint is no proof */
	memcpy(theirs + 1, sealed + 1, SEAL_FINGERPRINT_LEN);
	refused(SEAL_FORGED, master_key, PLACE, theirs, SEALED_LEN, PLAIN_LEN,
			"sealed by another, under our fingerprint");
	ok(memmem(sealed, SEALED_LEN, master_key, 8) == NULL,
	   "the master key is not in what it seals");
}

static SealStatus
open_any(const MasterKeys *keys, const char *place, const uint8_t *value,
		 size_t len, bool *told)
{
	uint8_t		plain[PLAIN_LEN] = {0};
	SealStatus	status = seal_open_any(keys, place, value, len, plain,
									   sizeof(plain));

	*told = memcmp(plain, PLAIN, PLAIN_LEN) == 0;
	return status;
}

/* While the master key is rotated, there are several. */
static void
test_several(void)
{
	MasterKeys	keys = {.n = MASTER_KEYS_MAX};
	uint8_t		forged[SEALED_LEN];
	bool		told;

	for (int at = 0; at < MASTER_KEYS_MAX; at++)
	{
		randombytes_buf(keys.key, sizeof(keys.key));
		memcpy(keys.key[at], master_key, sizeof(master_key));
		is_int(open_any(&keys, PLACE, sealed, SEALED_LEN, &told), SEAL_OK,
			   "opens by key %d", at);
		ok(told, "to what it was");
		is_int(open_any(&keys, "elsewhere", sealed, SEALED_LEN, &told),
			   SEAL_FORGED, "not at another place");
		ok(!told, "and nothing is told");
		is_int(open_any(&keys, PLACE, sealed, SEALED_LEN - 1, &told),
			   SEAL_MALFORMED, "nor cut short");
		keys.n = at;
		is_int(open_any(&keys, PLACE, sealed, SEALED_LEN, &told),
			   SEAL_OTHER_KEY, "nor without that key");
		ok(!told, "and nothing is told");
		keys.n = MASTER_KEYS_MAX;
	}

	/* what says that it is under another of the keys */
	memcpy(keys.key[0], master_key, sizeof(master_key));
	memcpy(forged, sealed, SEALED_LEN);
	seal_fingerprint(keys.key[1], forged + 1);
	is_int(open_any(&keys, PLACE, forged, SEALED_LEN, &told), SEAL_FORGED,
		   "not under another key's fingerprint");
	ok(!told, "and nothing is told");
}

/* Stored as the name of a key, so the way it is made must stay. */
static void
test_fingerprint(void)
{
	uint8_t		subkey[MASTER_SUBKEY_LEN];
	uint8_t		print[SEAL_FINGERPRINT_LEN];

	seal_fingerprint(master_key, print);
	crypto_kdf_derive_from_key(subkey, sizeof(subkey), 3, "dualdb01",
							   master_key);
	ok(memcmp(print, subkey, sizeof(print)) == 0, "of the derived key");
	ok(memcmp(print, sealed + 1, sizeof(print)) == 0,
	   "in the head of what is sealed");
}

int
main(void)
{
	if (sodium_init() < 0)
		return 1;
	randombytes_buf(master_key, sizeof(master_key));
	randombytes_buf(other_key, sizeof(other_key));
	seal(master_key, PLACE, (const uint8_t *) PLAIN, PLAIN_LEN, sealed);
	test_open();
	test_place();
	test_altered();
	test_length();
	test_key();
	test_several();
	test_fingerprint();
	return done_testing();
}
