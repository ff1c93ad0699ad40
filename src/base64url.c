/*
 * Strict base64url without padding.
 *
 * libsodium's codec does the work: it runs in constant time and refuses
 * padding, foreign characters and non-zero trailing bits (RFC 7515 section 2,
 * RFC 4648 section 3.5).  A second spelling of the same bytes would be a second
 * token with the same signature.
 */
#include "base64url.h"

#include <sodium.h>

/*
 * libsodium 1.0.18 takes every byte above ASCII for the last character of the
 * alphabet where char is signed, so such bytes must not get there.
 */
bool
all_ascii(const char *src, size_t srclen)
{
	unsigned char all = 0;

	for (size_t i = 0; i < srclen; i++)
		all |= (unsigned char) src[i];
	return all < 0x80;
}

/* Decode all of src; false when it is not canonical or does not fit. */
bool
base64url_decode(const char *src, size_t srclen,
				 uint8_t *dst, size_t dstcap, size_t *dstlen)
{
	return all_ascii(src, srclen) &&
		sodium_base642bin(dst, dstcap, src, srclen, NULL, dstlen, NULL,
						  sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0;
}

/* Encode; dst has room for BASE64URL_LEN(srclen) + 1 characters. */
void
base64url_encode(const uint8_t *src, size_t srclen, char *dst, size_t dstcap)
{
	sodium_bin2base64(dst, dstcap, src, srclen,
					  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}
