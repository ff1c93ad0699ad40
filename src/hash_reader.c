/*
 * Reading the strings in which password hashes are stored.
 *
 * Each of the functions reads one part and leaves the rest; false means that
 * there is no such part, and then nothing is known of where the reader stands.
 * Every value has one spelling.
 */
#include "hash_reader.h"

#include <string.h>
#include <sodium.h>

#include "base64url.h"

/* Longest adapted base64 that is read; no salt or hash is so long. */
#define ADAPTED_SIZE	256

bool
read_literal(HashReader *r, const char *literal)
{
	size_t		n = strlen(literal);

	if ((size_t) (r->end - r->pos) < n || memcmp(r->pos, literal, n) != 0)
		return false;
	r->pos += n;
	return true;
}

/* A decimal without sign or leading zero, below 10^9. */
bool
read_decimal(HashReader *r, uint32_t *value)
{
	const char *start = r->pos;
	uint32_t	v = 0;

	while (r->pos < r->end && *r->pos >= '0' && *r->pos <= '9')
	{
		if (r->pos - start == 9)
			return false;
		v = v * 10 + (uint32_t) (*r->pos++ - '0');
	}
	*value = v;
	return r->pos > start && *start != '0';
}

/* Up to the next '$' or the end. */
static size_t
part_length(const HashReader *r)
{
	const char *stop = memchr(r->pos, '$', (size_t) (r->end - r->pos));

	return (size_t) ((stop != NULL ? stop : r->end) - r->pos);
}

int
crypt64_value(char c)
{
	if (c >= '.' && c <= '9')
		return c - '.';
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 12;
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 38;
	return -1;
}

/* Characters of crypt(3)'s base64, as many as there are up to max. */
bool
read_crypt64(HashReader *r, size_t min, size_t max,
			 const char **text, size_t *len)
{
	*text = r->pos;
	while (r->pos < r->end && (size_t) (r->pos - *text) < max &&
		   crypt64_value(*r->pos) >= 0)
		r->pos++;
	*len = (size_t) (r->pos - *text);
	return *len >= min;
}

/* A salt whose characters are its bytes; not empty. */
bool
read_salt_text(HashReader *r, uint8_t *dst, size_t dstcap, size_t *dstlen)
{
	size_t		n = part_length(r);

	if (n == 0 || n > dstcap)
		return false;
	memcpy(dst, r->pos, n);
	*dstlen = n;
	r->pos += n;
	return true;
}

static bool
decode_base64(const char *src, size_t srclen, int variant,
			  uint8_t *dst, size_t dstcap, size_t *dstlen)
{
	return all_ascii(src, srclen) &&
		sodium_base642bin(dst, dstcap, src, srclen, NULL, dstlen, NULL,
						  variant) == 0;
}

static bool
decode_adapted(const char *src, size_t srclen,
			   uint8_t *dst, size_t dstcap, size_t *dstlen)
{
	char		standard[ADAPTED_SIZE];

	if (srclen > sizeof(standard) || memchr(src, '+', srclen) != NULL)
		return false;
	for (size_t i = 0; i < srclen; i++)
		standard[i] = src[i] == '.' ? '+' : src[i];
	return decode_base64(standard, srclen,
						 sodium_base64_VARIANT_ORIGINAL_NO_PADDING,
						 dst, dstcap, dstlen);
}

static bool
decode_hex(const char *src, size_t srclen,
		   uint8_t *dst, size_t dstcap, size_t *dstlen)
{
	for (size_t i = 0; i < srclen; i++)
	{
		if (src[i] >= 'A' && src[i] <= 'F')
			return false;
	}
	return srclen % 2 == 0 &&
		sodium_hex2bin(dst, dstcap, src, srclen, NULL, dstlen, NULL) == 0 &&
		*dstlen == srclen / 2;
}

/* Bytes, written up to the next '$' or the end. */
bool
read_bytes(HashReader *r, HashEncoding encoding,
		   uint8_t *dst, size_t dstcap, size_t *dstlen)
{
	const char *src = r->pos;
	size_t		n = part_length(r);

	r->pos += n;
	switch (encoding)
	{
		case ENCODING_CRYPT:
			r->pos = src;
			return read_salt_text(r, dst, dstcap, dstlen);
		case ENCODING_BASE64:
			return decode_base64(src, n, sodium_base64_VARIANT_ORIGINAL,
								 dst, dstcap, dstlen);
		case ENCODING_BASE64_BARE:
			return decode_base64(src, n,
								 sodium_base64_VARIANT_ORIGINAL_NO_PADDING,
								 dst, dstcap, dstlen);
		case ENCODING_BASE64_ADAPTED:
			return decode_adapted(src, n, dst, dstcap, dstlen);
		case ENCODING_HEX:
			return decode_hex(src, n, dst, dstcap, dstlen);
	}
	return false;
}
