/* Verifying and signing JSON Web Tokens with Ed25519 keys. */
#ifndef DUALDB_JWT_H
#define DUALDB_JWT_H

#include <stdint.h>

#include "claims.h"
#include "jwk.h"

/* A public key that tokens may be signed with. */
typedef struct TrustedKey
{
	const char *kid;
	const char *issuer;
	uint8_t		public_key[JWK_ED25519_KEY_LEN];
	UnixMicros	not_before;		/* no bound: INT64_MIN */
	UnixMicros	not_after;		/* no bound: INT64_MAX */
} TrustedKey;

typedef struct TrustedKeySet
{
	int			nkeys;
	const TrustedKey *keys;
} TrustedKeySet;

/* Whom a token is for, and when. */
typedef struct JwtContext
{
	const TrustedKeySet *keys;
	const char *audience;
	UnixMicros	now;
	UnixMicros	leeway;
} JwtContext;

typedef enum JwtStatus
{
	JWT_OK,
	JWT_MALFORMED,
	JWT_HEADER_REFUSED,
	JWT_UNKNOWN_KEY,
	JWT_WRONG_SIGNATURE,
	JWT_CLAIMS_MALFORMED,
	JWT_WRONG_ISSUER,
	JWT_WRONG_AUDIENCE,
	JWT_EXPIRED,
	JWT_REVOKED,
	JWT_FEED_TOO_OLD,
	JWT_NOT_YET_VALID
} JwtStatus;

typedef struct VerifiedToken
{
	Claims		claims;
	const TrustedKey *key;
	const char *payload;		/* the claims as JSON text */
} VerifiedToken;

extern JwtStatus jwt_verify(const char *token, size_t len,
							const JwtContext *context, VerifiedToken *verified);
extern JwtStatus jwt_check_claims(const VerifiedToken *verified,
								  const JwtContext *context);
extern const char *jwt_status_reason(JwtStatus status);

/* A compact JWS of the payload, in the caller's memory context. */
extern char *jwt_sign(const char *kid, const char *payload, size_t payload_len,
					  const uint8_t *secret_key);

#endif							/* DUALDB_JWT_H */
