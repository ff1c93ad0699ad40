/* Strict base64url (RFC 4648 section 5) without padding, on bytes. */
#ifndef DUALDB_BASE64URL_H
#define DUALDB_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters that n bytes become, without the terminating NUL. */
#define BASE64URL_LEN(n)		(((n) * 4 + 2) / 3)

/* Bytes that n characters can become at most. */
#define BASE64URL_MAX_BYTES(n)	((n) * 3 / 4)

/* Is every byte below 0x80? */
extern bool all_ascii(const char *src, size_t srclen);
extern bool base64url_decode(const char *src, size_t srclen,
							 uint8_t *dst, size_t dstcap, size_t *dstlen);
extern void base64url_encode(const uint8_t *src, size_t srclen,
							 char *dst, size_t dstcap);

#endif							/* DUALDB_BASE64URL_H */
