/*
 * A valid token altered in every way a bearer could: cut, changed character by
 * character, respelled, taken apart and put together again.
 */
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "fixture.h"
#include "jws.h"
#include "jwt.h"
#include "tap.h"

#define ALPHABET \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

static uint8_t secret_key[64];
static TrustedKey key = {RFC8037_KID, ISSUER, {0}, INT64_MIN, INT64_MAX};
static const TrustedKeySet keys = {1, &key};
static char *header;
static char *payload;
static char *valid;
static size_t valid_len;

static JwtStatus
verify_bytes(const char *token, size_t len)
{
	JwtContext	context = {&keys, AUDIENCE, NOW, 60 * MICROS_PER_SECOND};
	VerifiedToken verified;
	char	   *copy = exact_copy(token, len);
	JwtStatus	status = jwt_verify(copy, len, &context, &verified);

	free(copy);
	return status;
}

static JwtStatus
verify(const char *token)
{
	return verify_bytes(token, strlen(token));
}

/* The valid token between two other texts. */
static JwtStatus
verify_between(const char *before, const char *after)
{
	char	   *token = malloc(strlen(before) + valid_len + strlen(after) + 1);
	JwtStatus	status;

	sprintf(token, "%s%s%s", before, valid, after);
	status = verify(token);
	free(token);
	return status;
}

static void
test_cut(void)
{
	bool		refused = true;

	for (size_t len = 0; len < valid_len; len++)
		refused &= verify_bytes(valid, len) != JWT_OK;
	ok(refused, "cut at its end, by any number of bytes");
	for (size_t from = 1; from < valid_len; from++)
		refused &= verify_bytes(valid + from, valid_len - from) != JWT_OK;
	ok(refused, "cut at its beginning");
	for (size_t at = 0; at < valid_len; at++)
	{
		char	   *token = strdup(valid);

		memmove(token + at, token + at + 1, valid_len - at);
		refused &= verify(token) != JWT_OK;
		free(token);
	}
	ok(refused, "with any byte left out");
	is_int(verify_bytes(valid, valid_len), JWT_OK, "whole");
}

/* Does every other byte out of these make the token invalid at this place? */
static bool
refused_with(size_t at, const char *bytes, size_t n)
{
	char	   *token = exact_copy(valid, valid_len);
	bool		refused = true;

	for (size_t i = 0; i < n; i++)
	{
		if (bytes[i] == valid[at])
			continue;
		token[at] = bytes[i];
		refused &= verify_bytes(token, valid_len) != JWT_OK;
	}
	free(token);
	return refused;
}

static void
test_characters(void)
{
	static const char foreign[] =
		"\0\t\n\r !\"#%&'*+,/:;=?@[\\]^`{|}~\177\200\277\303\377";
	JwsCompact	jws;
	bool		others[3] = {true, true, true};
	bool		foreigners[3] = {true, true, true};
	bool		dots = true;

	jws_split(valid, valid_len, &jws);
	for (size_t at = 0; at < valid_len; at++)
	{
		size_t		segment = at < jws.header_len ? 0 :
			at < jws.signing_input_len ? 1 : 2;

		dots &= refused_with(at, ".", 1);
		others[segment] &= refused_with(at, ALPHABET, 64);
		foreigners[segment] &= refused_with(at, foreign, sizeof(foreign) - 1);
	}
	ok(dots, "a dot in place of any character");
	for (int i = 0; i < 3; i++)
	{
		ok(others[i], "another character anywhere in segment %d", i);
		ok(foreigners[i], "a foreign byte anywhere in segment %d", i);
	}
}

static void
test_around(void)
{
	static const char *const additions[] = {
		" ", "\n", "\r\n", "\t", "=", "==", ".", "..", ".x", "A", "AA", "AAA",
		"AAAA", "\"", "'", ",", ";", "\\", "%00", "\357\273\277"
	};
	bool		before = true;
	bool		after = true;

	for (size_t i = 0; i < sizeof(additions) / sizeof(additions[0]); i++)
	{
		before &= verify_between(additions[i], "") != JWT_OK;
		after &= verify_between("", additions[i]) != JWT_OK;
	}
	ok(before, "anything before it");
	ok(after, "anything after it");
	is_int(verify_between("", ""), JWT_OK, "nothing before and after it");
	ok(verify_bytes(valid, valid_len + 1) != JWT_OK, "a NUL after it");
	ok(verify_between("Bearer ", "") != JWT_OK, "its scheme before it");
	ok(verify_between(valid, "") != JWT_OK, "twice");
	ok(verify_between("", valid) != JWT_OK, "twice");
}

/* The same segments with padding, or in the alphabet of plain base64. */
static void
test_spelling(void)
{
	char	   *token = malloc(valid_len + 16);
	JwsCompact	jws;

	jws_split(valid, valid_len, &jws);
	sprintf(token, "%.*s=.%s", (int) jws.header_len, valid, jws.payload);
	ok(verify(token) != JWT_OK, "the header padded");
	sprintf(token, "%.*s=.%s", (int) jws.signing_input_len, valid,
			jws.signature);
	ok(verify(token) != JWT_OK, "the payload padded");
	sprintf(token, "%s==", valid);
	ok(verify(token) != JWT_OK, "the signature padded");

	/* this signature has both of the characters that differ */
	ok(strchr(jws.signature, '-') != NULL && strchr(jws.signature, '_') != NULL,
	   "the signature has - and _");
	strcpy(token, valid);
	*strchr(token + jws.signing_input_len, '-') = '+';
	is_int(verify(token), JWT_WRONG_SIGNATURE, "+ for -");
	strcpy(token, valid);
	*strchr(token + jws.signing_input_len, '_') = '/';
	is_int(verify(token), JWT_WRONG_SIGNATURE, "/ for _");
	strcpy(token, valid);
	*strchr(token + jws.signing_input_len, '_') = '\377';
	is_int(verify(token), JWT_WRONG_SIGNATURE, "a byte beyond ASCII for _");
	free(token);
}

static void
test_signature(void)
{
	/* the order of the group (RFC 8032 section 5.1), little-endian */
	static const uint8_t order[32] = {
		0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
		0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
		[31] = 0x10
	};
	uint8_t		signature[72] = {0};
	uint8_t		forged[72];
	JwsCompact	jws;
	size_t		len;
	unsigned	carry = 0;

	jws_split(valid, valid_len, &jws);
	base64url_decode(jws.signature, jws.signature_len, signature, 64, &len);
	for (len = 1; len <= sizeof(signature); len++)
	{
		/* what this leaves behind must not complete a shorter one */
		verify(valid);
		is_int(verify(join_token(header, payload, signature, len)),
			   len == 64 ? JWT_OK : JWT_WRONG_SIGNATURE,
			   "a signature of %zu bytes", len);
	}

	memset(forged, 0, sizeof(forged));
	is_int(verify(join_token(header, payload, forged, 64)),
		   JWT_WRONG_SIGNATURE, "a signature of zeros");
	/* S + L verifies wherever S is not checked for its range */
	memcpy(forged, signature, sizeof(forged));
	for (int i = 0; i < 32; i++)
	{
		carry += forged[32 + i] + order[i];
		forged[32 + i] = (uint8_t) carry;
		carry >>= 8;
	}
	is_int(carry, 0, "S + L fits");
	is_int(verify(join_token(header, payload, forged, 64)),
		   JWT_WRONG_SIGNATURE, "S + L");
	memcpy(forged, signature + 32, 32);
	memcpy(forged + 32, signature, 32);
	is_int(verify(join_token(header, payload, forged, 64)),
		   JWT_WRONG_SIGNATURE, "its halves swapped");
}

/* Parts of tokens that were all signed with the key. */
static void
test_parts(void)
{
	char	   *admin = signed_token(header, payload_with("sub", "'admin'"),
									 secret_key);
	char	   *token = malloc(2 * valid_len + 16);
	JwsCompact	a;
	JwsCompact	v;

	is_int(verify(admin), JWT_OK, "another token");
	jws_split(admin, strlen(admin), &a);
	jws_split(valid, valid_len, &v);
	sprintf(token, "%.*s.%s", (int) a.signing_input_len, admin, v.signature);
	is_int(verify(token), JWT_WRONG_SIGNATURE, "its claims, our signature");
	sprintf(token, "%.*s.%s", (int) v.signing_input_len, valid, a.signature);
	is_int(verify(token), JWT_WRONG_SIGNATURE, "our claims, its signature");
	sprintf(token, "%.*s.%s", (int) v.header_len, valid, a.payload);
	is_int(verify(token), JWT_OK, "its claims and signature, the same header");

	/* the signature is over the bytes, not over what they mean */
	sprintf(token, " %s", payload);
	sprintf(token, "%s%s", join_token(header, token, key.public_key, 0),
			v.signature);
	is_int(verify(token), JWT_WRONG_SIGNATURE, "the claims after a space");
}

/* A key of small order would let anyone sign (RFC 8032 section 8.9). */
static void
test_weak_key(void)
{
	static const uint8_t neutral[64] = {1};
	uint8_t		right[32];

	memcpy(right, key.public_key, sizeof(right));
	memcpy(key.public_key, neutral, sizeof(right));
	is_int(verify(join_token(header, payload, neutral, 64)),
		   JWT_WRONG_SIGNATURE, "the neutral element as key and signature");
	is_int(verify(valid), JWT_WRONG_SIGNATURE, "the token with that key");
	memcpy(key.public_key, right, sizeof(right));
	is_int(verify(valid), JWT_OK, "the token with its own");
}

int
main(void)
{
	if (sodium_init() < 0)
		return 1;
	rfc8037_key(key.public_key, secret_key);
	header = header_with("", NULL);
	payload = payload_with("", NULL);
	valid = signed_token(header, payload, secret_key);
	valid_len = strlen(valid);
	test_cut();
	test_characters();
	test_around();
	test_spelling();
	test_signature();
	test_parts();
	test_weak_key();
	return done_testing();
}
