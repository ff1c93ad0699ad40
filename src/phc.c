/*
 * Parser for the PHC string format as argon2 uses it:
 *
 *	$argon2id$v=19$m=<KiB>,t=<iterations>,p=<lanes>$<salt>$<hash>
 *
 * Salt and hash are standard base64 without padding.  Numbers are canonical
 * decimal.  Nothing else is accepted, so that what is checked here and what
 * libsodium parses again from the same string cannot differ.
 */
#include "phc.h"

#include <string.h>
#include <sodium.h>

#include "base64url.h"

/* What is left to read. */
typedef struct Cursor
{
	const char *pos;
	const char *end;
} Cursor;

static bool
skip(Cursor *c, const char *literal)
{
	size_t		n = strlen(literal);

	if ((size_t) (c->end - c->pos) < n || memcmp(c->pos, literal, n) != 0)
		return false;
	c->pos += n;
	return true;
}

/* A decimal without sign or leading zero, below 10^9. */
static bool
read_decimal(Cursor *c, uint32_t *value)
{
	const char *start = c->pos;
	uint32_t	v = 0;

	while (c->pos < c->end && *c->pos >= '0' && *c->pos <= '9')
	{
		if (c->pos - start == 9)
			return false;
		v = v * 10 + (uint32_t) (*c->pos++ - '0');
	}
	*value = v;
	return c->pos > start && *start != '0';
}

/* Base64 up to the next '$' or the end. */
static bool
read_base64(Cursor *c, uint8_t *dst, size_t dstcap, size_t *dstlen)
{
	const char *stop = memchr(c->pos, '$', (size_t) (c->end - c->pos));
	size_t		n;

	if (stop == NULL)
		stop = c->end;
	n = (size_t) (stop - c->pos);
	if (!all_ascii(c->pos, n) ||
		sodium_base642bin(dst, dstcap, c->pos, n, NULL, dstlen, NULL,
						  sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0)
		return false;
	c->pos = stop;
	return true;
}

static bool
affordable(const Argon2Phc *phc)
{
	return phc->memory_kib <= PHC_MEMORY_MAX_KIB &&
		phc->iterations <= PHC_ITERATIONS_MAX &&
		phc->parallelism <= PHC_PARALLELISM_MAX &&
		(uint64_t) phc->memory_kib * phc->iterations <= PHC_WORK_MAX_KIB;
}

PhcStatus
phc_parse(const char *str, size_t len, Argon2Phc *phc)
{
	Cursor		c = {str, str + len};

	memset(phc, 0, sizeof(*phc));
	if (skip(&c, "$argon2id$"))
		phc->is_argon2id = true;
	else if (!skip(&c, "$argon2i$"))
		return PHC_UNKNOWN;

	/* a string without a version means version 16, which is another function */
	if (!skip(&c, "v=19$"))
		return PHC_UNKNOWN;
	if (len > PHC_STRING_MAX ||
		!skip(&c, "m=") || !read_decimal(&c, &phc->memory_kib) ||
		!skip(&c, ",t=") || !read_decimal(&c, &phc->iterations) ||
		!skip(&c, ",p=") || !read_decimal(&c, &phc->parallelism) ||
		!skip(&c, "$") ||
		!read_base64(&c, phc->salt, sizeof(phc->salt), &phc->salt_len) ||
		!skip(&c, "$") ||
		!read_base64(&c, phc->hash, sizeof(phc->hash), &phc->hash_len) ||
		c.pos != c.end)
		return PHC_MALFORMED;
	if (phc->salt_len < PHC_SALT_MIN || phc->hash_len < PHC_HASH_MIN ||
		phc->memory_kib / 8 < phc->parallelism)
		return PHC_MALFORMED;
	return affordable(phc) ? PHC_OK : PHC_TOO_COSTLY;
}
