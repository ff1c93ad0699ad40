/* JSON and tokens as the tests want them, right or wrong. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "base64url.h"
#include "strict_json.h"

#define ISSUER		"https://auth.example"
#define AUDIENCE	"https://app.example"
#define NOW			INT64_C(1800000000000000)	/* microseconds */

/* RFC 8037 appendix A.1 and A.3 */
#define RFC8037_D	"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
#define RFC8037_X	"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define RFC8037_KID	"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"

/* Exactly these bytes, so that reading beyond them is noticed. */
static inline char *
exact_copy(const void *bytes, size_t len)
{
	char	   *copy = malloc(len > 0 ? len : 1);

	memcpy(copy, bytes, len);
	return copy;
}

/* JSON from text that has ' in place of " and so stays legible in C. */
static inline char *
json(const char *text)
{
	char	   *copy = strdup(text);

	for (char *c = copy; *c != '\0'; c++)
	{
		if (*c == '\'')
			*c = '"';
	}
	return copy;
}

/* Members name, value, name, value, ... up to a NULL. */
typedef const char *const Members[][2];

/*
 * An object of the base members with one more, or with another value for one;
 * without it when the value is NULL.
 */
static inline char *
object_with(Members base, const char *name, const char *value)
{
	size_t		cap = (value != NULL ? strlen(value) : 0) + 1024;
	char	   *text = malloc(cap);
	char	   *quoted;
	size_t		len = 0;
	bool		replaced = false;

	for (int i = 0; base[i][0] != NULL; i++)
	{
		const char *v = base[i][1];

		if (strcmp(base[i][0], name) == 0)
		{
			replaced = true;
			v = value;
		}
		if (v != NULL)
			len += (size_t) snprintf(text + len, cap - len, "%c'%s':%s",
									 len == 0 ? '{' : ',', base[i][0], v);
	}
	if (!replaced && value != NULL)
		len += (size_t) snprintf(text + len, cap - len, ",'%s':%s",
								 name, value);
	snprintf(text + len, cap - len, "}");
	quoted = json(text);
	free(text);
	return quoted;
}

static inline char *
header_with(const char *name, const char *value)
{
	static Members base = {
		{"alg", "'EdDSA'"}, {"typ", "'at+jwt'"},
		{"kid", "'" RFC8037_KID "'"}, {NULL, NULL}
	};

	return object_with(base, name, value);
}

static inline char *
payload_with(const char *name, const char *value)
{
	static Members base = {
		{"iss", "'" ISSUER "'"}, {"sub", "'alice'"},
		{"aud", "'" AUDIENCE "'"}, {"exp", "1800000600"}, {NULL, NULL}
	};

	return object_with(base, name, value);
}

static inline void
rfc8037_key(uint8_t public_key[32], uint8_t secret_key[64])
{
	uint8_t		seed[32];
	size_t		len;

	base64url_decode(RFC8037_D, strlen(RFC8037_D), seed, sizeof(seed), &len);
	crypto_sign_seed_keypair(public_key, secret_key, seed);
}

/* BASE64URL(header) "." BASE64URL(payload) "." BASE64URL(signature) */
static inline char *
join_token(const char *header, const char *payload,
		   const uint8_t *signature, size_t signature_len)
{
	size_t		h = BASE64URL_LEN(strlen(header));
	size_t		p = BASE64URL_LEN(strlen(payload));
	size_t		s = BASE64URL_LEN(signature_len);
	char	   *token = malloc(h + p + s + 3);

	base64url_encode((const uint8_t *) header, strlen(header), token, h + 1);
	token[h] = '.';
	base64url_encode((const uint8_t *) payload, strlen(payload),
					 token + h + 1, p + 1);
	token[h + 1 + p] = '.';
	base64url_encode(signature, signature_len, token + h + p + 2, s + 1);
	return token;
}

/* Any header and payload with the signature that belongs to them. */
static inline char *
signed_token(const char *header, const char *payload,
			 const uint8_t *secret_key)
{
	uint8_t		signature[64] = {0};
	char	   *token = join_token(header, payload, signature, 0);
	size_t		len = strlen(token) - 1;

	crypto_sign_detached(signature, NULL, (uint8_t *) token, len, secret_key);
	free(token);
	return join_token(header, payload, signature, sizeof(signature));
}

#endif							/* FIXTURE_H */
