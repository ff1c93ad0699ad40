/* The claims of an access token (RFC 7519 section 4, RFC 9068 section 2.2). */
#ifndef DUALDB_CLAIMS_H
#define DUALDB_CLAIMS_H

#include <stdint.h>

#include "strict_json.h"

/* Microseconds since the Unix epoch, as all times here are. */
typedef int64_t UnixMicros;

#define MICROS_PER_SECOND	INT64_C(1000000)

typedef struct Claims
{
	const StrictJsonObject *json;
	const char *issuer;
	const char *subject;
	const char *session_id;		/* sid; NULL when absent */
	const char *scope;			/* NULL when absent */
	const StrictJsonMember *audience;	/* a string or strings */
	const StrictJsonMember *roles;	/* strings; NULL when absent */
	int64_t		token_version;	/* 0 when absent */
	UnixMicros	expires_at;
	UnixMicros	not_before;		/* no bound: INT64_MIN */
	UnixMicros	issued_at;		/* no bound: INT64_MIN */
} Claims;

typedef enum ClaimsStatus
{
	CLAIMS_OK,
	CLAIMS_MALFORMED,
	CLAIMS_WRONG_AUDIENCE,
	CLAIMS_EXPIRED,
	CLAIMS_NOT_YET_VALID
} ClaimsStatus;

extern ClaimsStatus claims_read(const StrictJsonObject *json, Claims *claims);
extern ClaimsStatus claims_check(const Claims *claims, const char *audience,
								 UnixMicros now, UnixMicros leeway);

#endif							/* DUALDB_CLAIMS_H */
