/* JWS compact serialization (RFC 7515 section 7.1), on bytes. */
#ifndef DUALDB_JWS_H
#define DUALDB_JWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Caps that hold before any work is done on a token. */
#define JWS_MAX_LEN			(16 * 1024)
#define JWS_MAX_HEADER_LEN	(4 * 1024)

#define JWS_ED25519_SIGNATURE_LEN	64

/* The three segments, still encoded, pointing into the token. */
typedef struct JwsCompact
{
	const char *header;
	size_t		header_len;
	const char *payload;
	size_t		payload_len;
	const char *signature;
	size_t		signature_len;
	size_t		signing_input_len;	/* from the token's first byte */
} JwsCompact;

extern bool jws_split(const char *token, size_t len, JwsCompact *jws);

#endif							/* DUALDB_JWS_H */
