/*
 * bcrypt, of the password itself or of a hash of it.
 *
 * bcrypt reads no more than 72 bytes, so some programs hash the password first:
 * Django, passlib and WordPress, each in a way of its own.
 */
#include "bcrypt_hash.h"

#include <stdio.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

#define SALT_CHARS		22
#define COST_MIN		4
#define COST_MAX		31

#define WORDPRESS_KEY	"wp-sha384"
#define SHA384_BYTES	48

/* "$2b$12$" and the salt, as crypt(3) wants them. */
static bool
read_salt(HashReader *r, char variant, uint32_t cost, LegacyHash *hash)
{
	const char *salt;
	size_t		len;

	if (cost < COST_MIN || cost > COST_MAX ||
		!read_crypt64(r, SALT_CHARS, SALT_CHARS, &salt, &len))
		return false;
	snprintf(hash->setting, sizeof(hash->setting), "$2%c$%02u$%.*s",
			 variant, cost, (int) len, salt);
	hash->work = (uint64_t) 1 << cost;
	return true;
}

/* "2b", or another of the variants */
static bool
read_variant(HashReader *r, const char *variants, char *variant)
{
	if (!read_literal(r, "2") || r->pos == r->end || *r->pos == '\0' ||
		strchr(variants, *r->pos) == NULL)
		return false;
	*variant = *r->pos++;
	return true;
}

/* "$2b$12$" salt */
bool
bcrypt_read(HashReader *r, LegacyHash *hash)
{
	char		variant;
	uint32_t	cost;

	if (!read_literal(r, "$") || !read_variant(r, "abxy", &variant) ||
		!read_literal(r, "$") || r->end - r->pos < 2 ||
		r->pos[0] < '0' || r->pos[0] > '9' ||
		r->pos[1] < '0' || r->pos[1] > '9')
		return false;
	cost = (uint32_t) ((r->pos[0] - '0') * 10 + r->pos[1] - '0');
	r->pos += 2;
	return read_literal(r, "$") && read_salt(r, variant, cost, hash);
}

/* "2b,12$" salt "$" */
bool
bcrypt_read_passlib_v1(HashReader *r, LegacyHash *hash)
{
	char		variant;
	uint32_t	cost;

	return read_variant(r, "ab", &variant) &&
		read_literal(r, ",") && read_decimal(r, &cost) &&
		read_literal(r, "$") && read_salt(r, variant, cost, hash) &&
		read_literal(r, "$");
}

/* "t=2b,r=12$" salt "$" */
bool
bcrypt_read_passlib_v2(HashReader *r, LegacyHash *hash)
{
	uint32_t	cost;

	return read_literal(r, "t=2b,r=") &&
		read_decimal(r, &cost) &&
		read_literal(r, "$") && read_salt(r, 'b', cost, hash) &&
		read_literal(r, "$");
}

static void
hmac_sha256(const char *password, size_t len, const LegacyHash *hash,
			uint8_t mac[crypto_auth_hmacsha256_BYTES])
{
	crypto_auth_hmacsha256_state state;
	const char *salt = hash->setting + strlen("$2b$12$");

	crypto_auth_hmacsha256_init(&state, (const uint8_t *) salt, SALT_CHARS);
	crypto_auth_hmacsha256_update(&state, (const uint8_t *) password, len);
	crypto_auth_hmacsha256_final(&state, mac);
	sodium_memzero(&state, sizeof(state));
}

static bool
hmac_sha384(const char *password, size_t len, uint8_t mac[SHA384_BYTES])
{
	unsigned int mac_len = 0;

	if (HMAC(EVP_sha384(), WORDPRESS_KEY, (int) strlen(WORDPRESS_KEY),
			 (const uint8_t *) password, len, mac, &mac_len) != NULL)
		return true;
	ERR_clear_error();
	return false;
}

/* What bcrypt gets for the password; false when there was no memory. */
bool
bcrypt_input(const char *password, size_t len, const LegacyHash *hash,
			 char input[BCRYPT_INPUT_SIZE])
{
	uint8_t		bytes[SHA384_BYTES];
	size_t		n = crypto_hash_sha256_BYTES;
	bool		computed = true;

	switch (hash->input)
	{
		case INPUT_PASSWORD:
			n = len < BCRYPT_INPUT_SIZE ? len : BCRYPT_INPUT_SIZE - 1;
			memcpy(input, password, n);
			input[n] = '\0';
			return true;
		case INPUT_SHA256_HEX:
		case INPUT_SHA256_BASE64:
			crypto_hash_sha256(bytes, (const uint8_t *) password, len);
			break;
		case INPUT_HMAC_SHA256_BASE64:
			hmac_sha256(password, len, hash, bytes);
			break;
		case INPUT_HMAC_SHA384_BASE64:
			n = SHA384_BYTES;
			computed = hmac_sha384(password, len, bytes);
			break;
	}
	if (computed && hash->input == INPUT_SHA256_HEX)
		sodium_bin2hex(input, BCRYPT_INPUT_SIZE, bytes, n);
	else if (computed)
		sodium_bin2base64(input, BCRYPT_INPUT_SIZE, bytes, n,
						  sodium_base64_VARIANT_ORIGINAL);
	sodium_memzero(bytes, sizeof(bytes));
	return computed;
}
