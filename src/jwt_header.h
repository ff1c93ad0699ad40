/* The JOSE header of an access token. */
#ifndef DUALDB_JWT_HEADER_H
#define DUALDB_JWT_HEADER_H

#include "strict_json.h"

#define JWT_KID_MAX		255

/* What tokens signed here say of themselves (RFC 9068 section 2.1). */
#define JWT_TYPE		"at+jwt"
#define JWT_ALGORITHM	"EdDSA"

/*
 * Check the header of a token that an Ed25519 key is to verify.  kid is set to
 * NULL when the header names no key.
 */
extern bool jwt_header_check(const StrictJsonObject *header, const char **kid);

#endif							/* DUALDB_JWT_HEADER_H */
