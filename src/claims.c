/*
 * Reading and judging the claims of an access token.
 *
 * Reading fixes the types: a claim of the wrong type makes the whole token
 * invalid and is never coerced.  Judging compares with the clock and with the
 * audience, and happens again each time a remembered identity is used.
 */
#include "claims.h"

#include <stdlib.h>
#include <string.h>

/* The last second whose microseconds fit; far beyond the year 9999. */
#define NUMERIC_DATE_MAX	9.0e12

/* A required string that is not empty. */
static bool
read_required(const StrictJsonObject *json, const char *name,
			  const char **value)
{
	*value = strict_json_string(json, name);
	return *value != NULL && **value != '\0';
}

/* A string that may be absent, but not of another type. */
static bool
read_optional(const StrictJsonObject *json, const char *name,
			  const char **value)
{
	*value = strict_json_string(json, name);
	return *value != NULL || strict_json_get(json, name) == NULL;
}

/* A NumericDate (RFC 7519 section 2): seconds, possibly with a fraction. */
static bool
read_date(const StrictJsonMember *m, UnixMicros *at)
{
	double		seconds;

	if (m->type != STRICT_JSON_NUMBER)
		return false;
	seconds = strtod(m->value, NULL);
	if (!(seconds >= -NUMERIC_DATE_MAX && seconds <= NUMERIC_DATE_MAX))
		return false;
	*at = (UnixMicros) (seconds * (double) MICROS_PER_SECOND);
	return true;
}

static bool
read_optional_date(const StrictJsonObject *json, const char *name,
				   UnixMicros *at)
{
	const StrictJsonMember *m = strict_json_get(json, name);

	*at = INT64_MIN;
	return m == NULL || read_date(m, at);
}

/* The version of the user's tokens that this one is of; a small integer. */
static bool
read_version(const StrictJsonObject *json, int64_t *version)
{
	const StrictJsonMember *m = strict_json_get(json, "token_version");

	*version = 0;
	if (m == NULL)
		return true;
	if (m->type != STRICT_JSON_NUMBER || strlen(m->value) > 10 ||
		strspn(m->value, "0123456789") != strlen(m->value))
		return false;
	*version = strtoll(m->value, NULL, 10);
	return true;
}

/* Take out the claims that mean something here, and check their types. */
ClaimsStatus
claims_read(const StrictJsonObject *json, Claims *claims)
{
	const StrictJsonMember *expires = strict_json_get(json, "exp");

	claims->json = json;
	claims->audience = strict_json_get(json, "aud");
	claims->roles = strict_json_get(json, "roles");

	if (!read_required(json, "iss", &claims->issuer) ||
		!read_required(json, "sub", &claims->subject) ||
		!read_optional(json, "sid", &claims->session_id) ||
		!read_optional(json, "scope", &claims->scope) ||
		!read_version(json, &claims->token_version) ||
		expires == NULL || !read_date(expires, &claims->expires_at) ||
		!read_optional_date(json, "nbf", &claims->not_before) ||
		!read_optional_date(json, "iat", &claims->issued_at))
		return CLAIMS_MALFORMED;

	if (claims->audience == NULL ||
		(claims->audience->type != STRICT_JSON_STRING &&
		 claims->audience->type != STRICT_JSON_STRINGS))
		return CLAIMS_MALFORMED;
	if (claims->roles != NULL && claims->roles->type != STRICT_JSON_STRINGS)
		return CLAIMS_MALFORMED;

	/* a token bound to a proof key is no bearer token (RFC 7800) */
	if (strict_json_get(json, "cnf") != NULL)
		return CLAIMS_MALFORMED;
	return CLAIMS_OK;
}

static bool
addressed_to(const StrictJsonMember *aud, const char *audience)
{
	if (aud->type == STRICT_JSON_STRING)
		return strcmp(aud->value, audience) == 0;
	for (int i = 0; i < aud->nstrings; i++)
	{
		if (strcmp(aud->strings[i], audience) == 0)
			return true;
	}
	return false;
}

/* Do the claims hold for this audience at this moment? */
ClaimsStatus
claims_check(const Claims *claims, const char *audience,
			 UnixMicros now, UnixMicros leeway)
{
	if (!addressed_to(claims->audience, audience))
		return CLAIMS_WRONG_AUDIENCE;
	if (now - leeway >= claims->expires_at)
		return CLAIMS_EXPIRED;
	if (now + leeway < claims->not_before || now + leeway < claims->issued_at)
		return CLAIMS_NOT_YET_VALID;
	return CLAIMS_OK;
}
