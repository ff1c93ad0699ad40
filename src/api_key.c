/*
 * The text of an API key.
 *
 * One double-click selects it, secret scanners find it by its prefix, and the
 * check at its end sorts out mistyped and made-up ones before any look-up.  The
 * check is no protection: the secret is.
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <string.h>
#include <sodium.h>

#include "api_key.h"

static const char alphabet[] =
"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#define PREFIX_LEN		(sizeof(API_KEY_PREFIX) - 1)
#define CHECKED_LEN		(API_KEY_LEN - API_KEY_CHECK_LEN)

static void
random_characters(char *dst, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = alphabet[randombytes_uniform(sizeof(alphabet) - 1)];
}

/* CRC-32 as zlib computes it; 59 bytes need no table. */
static uint32_t
crc32_of(const char *data, size_t len)
{
	uint32_t	crc = 0xffffffff;

	for (size_t i = 0; i < len; i++)
	{
		crc ^= (uint8_t) data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0xedb88320 & -(crc & 1));
	}
	return ~crc;
}

static void
write_check(const char *key, char check[API_KEY_CHECK_LEN])
{
	uint32_t	crc = crc32_of(key, CHECKED_LEN);

	for (int i = API_KEY_CHECK_LEN - 1; i >= 0; i--)
	{
		check[i] = alphabet[crc % 62];
		crc /= 62;
	}
}

void
api_key_new_id(char id[API_KEY_ID_LEN + 1])
{
	random_characters(id, API_KEY_ID_LEN);
	id[API_KEY_ID_LEN] = '\0';
}

void
api_key_new(const char *id, char key[API_KEY_LEN + 1])
{
	char	   *p = key;

	memcpy(p, API_KEY_PREFIX, PREFIX_LEN);
	p += PREFIX_LEN;
	memcpy(p, id, API_KEY_ID_LEN);
	p += API_KEY_ID_LEN;
	*p++ = '_';
	random_characters(p, API_KEY_SECRET_LEN);
	write_check(key, p + API_KEY_SECRET_LEN);
	key[API_KEY_LEN] = '\0';
}

/* The id in a well-formed key; false for all that cannot be one. */
bool
api_key_id(const char *key, size_t len, char id[API_KEY_ID_LEN + 1])
{
	char		check[API_KEY_CHECK_LEN];

	if (len != API_KEY_LEN || memcmp(key, API_KEY_PREFIX, PREFIX_LEN) != 0 ||
		key[PREFIX_LEN + API_KEY_ID_LEN] != '_')
		return false;
	write_check(key, check);
	if (memcmp(check, key + CHECKED_LEN, API_KEY_CHECK_LEN) != 0)
		return false;
	memcpy(id, key + PREFIX_LEN, API_KEY_ID_LEN);
	id[API_KEY_ID_LEN] = '\0';
	return strspn(id, alphabet) == API_KEY_ID_LEN;
}
