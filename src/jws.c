/*
 * Splitting a compact JWS:
 *
 *	BASE64URL(header) "." BASE64URL(payload) "." BASE64URL(signature)
 *
 * Exactly three segments, none of them empty.  The alphabet is checked by the
 * decoder, which sees every byte that is not one of the two dots.
 */
#include "jws.h"

#include <string.h>

bool
jws_split(const char *token, size_t len, JwsCompact *jws)
{
	const char *end = token + len;
	const char *dot1;
	const char *dot2;

	if (len == 0 || len > JWS_MAX_LEN)
		return false;
	dot1 = memchr(token, '.', len);
	if (dot1 == NULL)
		return false;
	dot2 = memchr(dot1 + 1, '.', (size_t) (end - dot1 - 1));
	if (dot2 == NULL ||
		memchr(dot2 + 1, '.', (size_t) (end - dot2 - 1)) != NULL)
		return false;

	jws->header = token;
	jws->header_len = (size_t) (dot1 - token);
	jws->payload = dot1 + 1;
	jws->payload_len = (size_t) (dot2 - dot1 - 1);
	jws->signature = dot2 + 1;
	jws->signature_len = (size_t) (end - dot2 - 1);
	jws->signing_input_len = (size_t) (dot2 - token);
	return jws->header_len > 0 && jws->header_len <= JWS_MAX_HEADER_LEN &&
		jws->payload_len > 0 && jws->signature_len > 0;
}
