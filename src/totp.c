/*
 * Time-based one-time passwords: HMAC-SHA-1, six digits, steps of 30 seconds,
 * which is what every authenticator application does.
 *
 * The HMAC is PostgreSQL's own, since libsodium has no SHA-1.
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <string.h>
#include <sodium.h>

#include "common/hmac.h"
#include "common/sha1.h"

#include "totp.h"

#define DIGITS_MODULUS	1000000

/* One step of drift to either side (RFC 6238 section 5.2). */
#define DRIFT_STEPS		1

static bool
hmac_sha1(const uint8_t *key, size_t key_len, const uint8_t *data, size_t len,
		  uint8_t digest[SHA1_DIGEST_LENGTH])
{
	pg_hmac_ctx *ctx = pg_hmac_create(PG_SHA1);
	bool		ok;

	if (ctx == NULL)
		return false;
	ok = pg_hmac_init(ctx, key, key_len) == 0 &&
		pg_hmac_update(ctx, data, len) == 0 &&
		pg_hmac_final(ctx, digest, SHA1_DIGEST_LENGTH) == 0;
	pg_hmac_free(ctx);
	return ok;
}

/* HOTP (RFC 4226 section 5.3) of the step. */
bool
totp_code(const uint8_t *secret, size_t len, uint64_t step, uint32_t *code)
{
	uint8_t		counter[8];
	uint8_t		digest[SHA1_DIGEST_LENGTH];
	int			offset;

	for (int i = 7; i >= 0; i--)
	{
		counter[i] = (uint8_t) (step & 0xff);
		step >>= 8;
	}
	if (!hmac_sha1(secret, len, counter, sizeof(counter), digest))
		return false;
	offset = digest[SHA1_DIGEST_LENGTH - 1] & 0x0f;
	*code = ((uint32_t) (digest[offset] & 0x7f) << 24 |
			 (uint32_t) digest[offset + 1] << 16 |
			 (uint32_t) digest[offset + 2] << 8 |
			 (uint32_t) digest[offset + 3]) % DIGITS_MODULUS;
	sodium_memzero(digest, sizeof(digest));
	return true;
}

/*
 * The step that the typed code is of, or -1.  Steps up to last_step have been
 * used; a code counts once (RFC 6238 section 5.2).
 */
int64_t
totp_match(const uint8_t *secret, size_t len, const char *typed,
		   int64_t now, int64_t last_step)
{
	int64_t		current = now / TOTP_STEP_SECONDS;
	int64_t		matched = -1;

	if (strlen(typed) != TOTP_DIGITS ||
		strspn(typed, "0123456789") != TOTP_DIGITS)
		return -1;
	for (int64_t step = current - DRIFT_STEPS; step <= current + DRIFT_STEPS; step++)
	{
		char		digits[TOTP_DIGITS + 1];
		uint32_t	code;

		if (step <= last_step || !totp_code(secret, len, (uint64_t) step, &code))
			continue;
		snprintf(digits, sizeof(digits), "%06u", (unsigned) (code % DIGITS_MODULUS));
		if (sodium_memcmp(digits, typed, TOTP_DIGITS) == 0)
			matched = step;
		sodium_memzero(digits, sizeof(digits));
	}
	return matched;
}

/* RFC 4648 section 6, without padding: how authenticators take a secret. */
void
base32_encode(const uint8_t *src, size_t len, char *dst)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	uint32_t	bits = 0;
	int			nbits = 0;

	for (size_t i = 0; i < len; i++)
	{
		bits = bits << 8 | src[i];
		for (nbits += 8; nbits >= 5; nbits -= 5)
			*dst++ = alphabet[bits >> (nbits - 5) & 31];
	}
	if (nbits > 0)
		*dst++ = alphabet[bits << (5 - nbits) & 31];
	*dst = '\0';
}
