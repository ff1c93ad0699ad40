/*
 * JSON Web Tokens (RFC 7519) as compact JWS (RFC 7515) with Ed25519 (RFC 8037),
 * under the best current practices of RFC 8725.
 *
 * Verification goes outside in: shape, header, key, signature, claims.  Nothing
 * of the payload is looked at before the signature holds, and the signature is
 * checked over the bytes as received, never over a re-encoding.
 *
 * The file compiles with or without a server.
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <string.h>
#include <sodium.h>

#include "jws.h"
#include "jwt.h"
#include "jwt_header.h"

/* Decode a segment to NUL-terminated text. */
static char *
decode_segment(const char *segment, size_t len, size_t *decoded_len)
{
	size_t		cap = BASE64URL_MAX_BYTES(len);
	char	   *decoded = palloc(cap + 1);

	if (!base64url_decode(segment, len, (uint8_t *) decoded, cap, decoded_len))
		return NULL;
	decoded[*decoded_len] = '\0';
	return decoded;
}

static StrictJsonObject *
read_header(const JwsCompact *jws)
{
	size_t		len;
	char	   *json = decode_segment(jws->header, jws->header_len, &len);

	return json != NULL ? strict_json_read(json, len) : NULL;
}

static bool
key_usable(const TrustedKey *key, UnixMicros now)
{
	return now >= key->not_before && now < key->not_after;
}

/*
 * The key that the header names.  A header may leave the name out only where
 * there is a single usable key to mean.
 */
static const TrustedKey *
find_key(const JwtContext *context, const char *kid)
{
	const TrustedKey *found = NULL;

	for (int i = 0; i < context->keys->nkeys; i++)
	{
		const TrustedKey *key = &context->keys->keys[i];

		if (!key_usable(key, context->now) ||
			(kid != NULL && strcmp(key->kid, kid) != 0))
			continue;
		if (found != NULL)
			return NULL;
		found = key;
	}
	return found;
}

static bool
signature_holds(const char *token, const JwsCompact *jws,
				const TrustedKey *key)
{
	uint8_t		signature[JWS_ED25519_SIGNATURE_LEN];
	size_t		len;

	return base64url_decode(jws->signature, jws->signature_len,
							signature, sizeof(signature), &len) &&
		len == sizeof(signature) &&
		crypto_sign_verify_detached(signature, (const uint8_t *) token,
									jws->signing_input_len,
									key->public_key) == 0;
}

static JwtStatus
read_claims(const JwsCompact *jws, VerifiedToken *verified)
{
	size_t		len;
	char	   *payload = decode_segment(jws->payload, jws->payload_len, &len);
	StrictJsonObject *json;

	json = payload != NULL ? strict_json_read(payload, len) : NULL;
	if (json == NULL || claims_read(json, &verified->claims) != CLAIMS_OK)
		return JWT_CLAIMS_MALFORMED;
	verified->payload = payload;
	return JWT_OK;
}

/*
 * Verify a token.  What verified points to lives in the caller's memory
 * context; verified->key points into context->keys.
 */
JwtStatus
jwt_verify(const char *token, size_t len,
		   const JwtContext *context, VerifiedToken *verified)
{
	JwsCompact	jws;
	StrictJsonObject *header;
	const char *kid;
	JwtStatus	status;

	if (!jws_split(token, len, &jws))
		return JWT_MALFORMED;
	header = read_header(&jws);
	if (header == NULL)
		return JWT_MALFORMED;
	if (!jwt_header_check(header, &kid))
		return JWT_HEADER_REFUSED;
	verified->key = find_key(context, kid);
	if (verified->key == NULL)
		return JWT_UNKNOWN_KEY;
	if (!signature_holds(token, &jws, verified->key))
		return JWT_WRONG_SIGNATURE;
	status = read_claims(&jws, verified);
	return status == JWT_OK ? jwt_check_claims(verified, context) : status;
}

/*
 * What can change from one moment to the next about a token whose signature
 * has been verified.
 */
JwtStatus
jwt_check_claims(const VerifiedToken *verified, const JwtContext *context)
{
	/* an issuer's key vouches for that issuer only */
	if (strcmp(verified->claims.issuer, verified->key->issuer) != 0)
		return JWT_WRONG_ISSUER;
	if (!key_usable(verified->key, context->now))
		return JWT_UNKNOWN_KEY;
	switch (claims_check(&verified->claims, context->audience,
						 context->now, context->leeway))
	{
		case CLAIMS_OK:
			return JWT_OK;
		case CLAIMS_MALFORMED:
			return JWT_CLAIMS_MALFORMED;
		case CLAIMS_WRONG_AUDIENCE:
			return JWT_WRONG_AUDIENCE;
		case CLAIMS_EXPIRED:
			return JWT_EXPIRED;
		case CLAIMS_NOT_YET_VALID:
			return JWT_NOT_YET_VALID;
	}
	return JWT_CLAIMS_MALFORMED;
}

/* For the server log only; a caller sees one message for all of them. */
const char *
jwt_status_reason(JwtStatus status)
{
	switch (status)
	{
		case JWT_OK:
			return "The token is valid.";
		case JWT_MALFORMED:
			return "The token is malformed.";
		case JWT_HEADER_REFUSED:
			return "The header is not that of an access token.";
		case JWT_UNKNOWN_KEY:
			return "No trusted key that is in force has the token's key id.";
		case JWT_WRONG_SIGNATURE:
			return "The signature does not match.";
		case JWT_CLAIMS_MALFORMED:
			return "The claims are malformed or incomplete.";
		case JWT_WRONG_ISSUER:
			return "The key belongs to another issuer.";
		case JWT_WRONG_AUDIENCE:
			return "The token is for another audience.";
		case JWT_EXPIRED:
			return "The token has expired.";
		case JWT_REVOKED:
			return "The token has been revoked.";
		case JWT_FEED_TOO_OLD:
			return "The last sync is longer ago than dualdb.max_feed_age.";
		case JWT_NOT_YET_VALID:
			return "The token is not valid yet.";
	}
	return "";
}

/* Append the base64url of src to the token being built; return its end. */
static char *
append_segment(char *end, const uint8_t *src, size_t len)
{
	size_t		encoded_len = BASE64URL_LEN(len);

	base64url_encode(src, len, end, encoded_len + 1);
	return end + encoded_len;
}

char *
jwt_sign(const char *kid, const char *payload, size_t payload_len,
		 const uint8_t *secret_key)
{
	/* kid is a thumbprint, so nothing in it needs escaping */
	char	   *header = psprintf("{\"alg\":\"%s\",\"typ\":\"%s\",\"kid\":\"%s\"}",
								  JWT_ALGORITHM, JWT_TYPE, kid);
	size_t		header_len = strlen(header);
	uint8_t		signature[JWS_ED25519_SIGNATURE_LEN];
	char	   *token;
	char	   *end;

	token = palloc(BASE64URL_LEN(header_len) + BASE64URL_LEN(payload_len) +
				   BASE64URL_LEN(sizeof(signature)) + 3);
	end = append_segment(token, (const uint8_t *) header, header_len);
	*end++ = '.';
	end = append_segment(end, (const uint8_t *) payload, payload_len);
	crypto_sign_detached(signature, NULL, (const uint8_t *) token,
						 (size_t) (end - token), secret_key);
	*end++ = '.';
	append_segment(end, signature, sizeof(signature));
	return token;
}
