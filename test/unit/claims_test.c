/*
 * Claims: types that are never coerced, and judgement by the clock and the
 * audience (RFC 7519 section 4.1).
 */
#include <stdlib.h>
#include <string.h>

#include "claims.h"
#include "fixture.h"
#include "tap.h"

#define LEEWAY	(60 * MICROS_PER_SECOND)
#define AT(s)	((s) * MICROS_PER_SECOND)

/* The base claims with one put in its place; NULL leaves it out. */
static const struct
{
	const char *name;
	const char *value;
	ClaimsStatus status;
}			cases[] = {
	{"iss", "'" ISSUER "'", CLAIMS_OK},
	{"iss", NULL, CLAIMS_MALFORMED},
	{"iss", "''", CLAIMS_MALFORMED},
	{"iss", "null", CLAIMS_MALFORMED},
	{"iss", "['" ISSUER "']", CLAIMS_MALFORMED},

	{"sub", "'alice'", CLAIMS_OK},
	{"sub", NULL, CLAIMS_MALFORMED},
	{"sub", "''", CLAIMS_MALFORMED},
	{"sub", "1", CLAIMS_MALFORMED},
	{"sub", "null", CLAIMS_MALFORMED},
	{"sub", "true", CLAIMS_MALFORMED},
	{"sub", "['alice']", CLAIMS_MALFORMED},
	{"sub", "{'sub':'alice'}", CLAIMS_MALFORMED},

	{"aud", "'" AUDIENCE "'", CLAIMS_OK},
	{"aud", "['" AUDIENCE "']", CLAIMS_OK},
	{"aud", NULL, CLAIMS_MALFORMED},
	{"aud", "1", CLAIMS_MALFORMED},
	{"aud", "null", CLAIMS_MALFORMED},
	{"aud", "true", CLAIMS_MALFORMED},
	{"aud", "{'" AUDIENCE "':true}", CLAIMS_MALFORMED},
	{"aud", "['" AUDIENCE "',1]", CLAIMS_MALFORMED},
	{"aud", "['" AUDIENCE "',null]", CLAIMS_MALFORMED},
	{"aud", "[['" AUDIENCE "']]", CLAIMS_MALFORMED},

	{"exp", "1800000600", CLAIMS_OK},
	{"exp", "1800000600.5", CLAIMS_OK},
	{"exp", "1.8000006e9", CLAIMS_OK},
	{"exp", "0", CLAIMS_OK},	/* long past, but a date */
	{"exp", "-1", CLAIMS_OK},
	{"exp", "9e12", CLAIMS_OK},
	{"exp", NULL, CLAIMS_MALFORMED},
	{"exp", "'1800000600'", CLAIMS_MALFORMED},
	{"exp", "''", CLAIMS_MALFORMED},
	{"exp", "null", CLAIMS_MALFORMED},
	{"exp", "true", CLAIMS_MALFORMED},
	{"exp", "[1800000600]", CLAIMS_MALFORMED},
	{"exp", "{}", CLAIMS_MALFORMED},
	{"exp", "9.1e12", CLAIMS_MALFORMED},
	{"exp", "-9.1e12", CLAIMS_MALFORMED},
	{"exp", "9223372036854775808", CLAIMS_MALFORMED},	/* 2^63 */
	{"exp", "-9223372036854775809", CLAIMS_MALFORMED},
	{"exp", "18446744073709551616", CLAIMS_MALFORMED},	/* 2^64 */
	{"exp", "1e99", CLAIMS_MALFORMED},

	{"nbf", "1800000000", CLAIMS_OK},
	{"nbf", "'1800000000'", CLAIMS_MALFORMED},
	{"nbf", "null", CLAIMS_MALFORMED},
	{"nbf", "9223372036854775808", CLAIMS_MALFORMED},
	{"iat", "1800000000", CLAIMS_OK},
	{"iat", "'1800000000'", CLAIMS_MALFORMED},
	{"iat", "null", CLAIMS_MALFORMED},
	{"iat", "-9223372036854775809", CLAIMS_MALFORMED},

	{"sid", "'session'", CLAIMS_OK},
	{"sid", "1", CLAIMS_MALFORMED},
	{"sid", "null", CLAIMS_MALFORMED},
	{"scope", "'orders:read'", CLAIMS_OK},
	{"scope", "''", CLAIMS_OK},
	{"scope", "['orders:read']", CLAIMS_MALFORMED},
	{"scope", "null", CLAIMS_MALFORMED},
	{"roles", "['admin','user']", CLAIMS_OK},
	{"roles", "[]", CLAIMS_OK},
	{"roles", "'admin'", CLAIMS_MALFORMED},
	{"roles", "null", CLAIMS_MALFORMED},
	{"roles", "['admin',1]", CLAIMS_MALFORMED},
	{"roles", "{'admin':true}", CLAIMS_MALFORMED},

	/* RFC 7800: proof of possession is not checked, so it is not ignored */
	{"cnf", "{'jkt':'" RFC8037_KID "'}", CLAIMS_MALFORMED},
	{"cnf", "null", CLAIMS_MALFORMED},
	{"cn", "{'jkt':'" RFC8037_KID "'}", CLAIMS_OK}
};

static const struct
{
	const char *aud;
	ClaimsStatus status;
}			audiences[] = {
	{"'" AUDIENCE "'", CLAIMS_OK},
	{"['" AUDIENCE "']", CLAIMS_OK},
	{"['https://b.example','" AUDIENCE "']", CLAIMS_OK},
	{"['" AUDIENCE "','https://b.example']", CLAIMS_OK},
	{"'https:\\/\\/app.example'", CLAIMS_OK},	/* the same string */
	{"[]", CLAIMS_WRONG_AUDIENCE},
	{"''", CLAIMS_WRONG_AUDIENCE},
	{"['']", CLAIMS_WRONG_AUDIENCE},
	{"'https://b.example'", CLAIMS_WRONG_AUDIENCE},
	{"'https://app.exampl'", CLAIMS_WRONG_AUDIENCE},
	{"'https://app.example/'", CLAIMS_WRONG_AUDIENCE},
	{"'https://APP.example'", CLAIMS_WRONG_AUDIENCE},
	{"' " AUDIENCE "'", CLAIMS_WRONG_AUDIENCE},
	{"'" AUDIENCE " https://b.example'", CLAIMS_WRONG_AUDIENCE},
	{"'*'", CLAIMS_WRONG_AUDIENCE},
	{"['https://b.example','https://app.example.evil']",
	CLAIMS_WRONG_AUDIENCE}
};

/* One more claim, and the moments around the one when it begins or ends. */
static const struct
{
	const char *name;
	const char *value;
	UnixMicros	now;
	ClaimsStatus status;
}			moments[] = {
	{"exp", "1800000600", AT(1800000600), CLAIMS_OK},
	{"exp", "1800000600", AT(1800000660) - 1, CLAIMS_OK},
	{"exp", "1800000600", AT(1800000660), CLAIMS_EXPIRED},
	{"exp", "1800000600", AT(1800000660) + 1, CLAIMS_EXPIRED},
	{"exp", "1800000600.5", AT(1800000660) + 499999, CLAIMS_OK},
	{"exp", "1800000600.5", AT(1800000660) + 500000, CLAIMS_EXPIRED},
	{"exp", "0", AT(60) - 1, CLAIMS_OK},
	{"exp", "0", AT(60), CLAIMS_EXPIRED},
	{"exp", "-1", NOW, CLAIMS_EXPIRED},
	{"exp", "-9e12", NOW, CLAIMS_EXPIRED},
	{"exp", "9e12", NOW, CLAIMS_OK},
	{"nbf", "1800000000", AT(1800000000), CLAIMS_OK},
	{"nbf", "1800000000", AT(1799999940), CLAIMS_OK},
	{"nbf", "1800000000", AT(1799999940) - 1, CLAIMS_NOT_YET_VALID},
	{"nbf", "9e12", NOW, CLAIMS_NOT_YET_VALID},
	{"nbf", "-9e12", NOW, CLAIMS_OK},
	{"iat", "1800000000", AT(1800000000), CLAIMS_OK},
	{"iat", "1800000000", AT(1799999940), CLAIMS_OK},
	{"iat", "1800000000", AT(1799999940) - 1, CLAIMS_NOT_YET_VALID},
	{"iat", "9e12", NOW, CLAIMS_NOT_YET_VALID},
	{"x", "1", 0, CLAIMS_OK}
};

static ClaimsStatus
read_claims(const char *name, const char *value, Claims *claims)
{
	char	   *text = payload_with(name, value);
	StrictJsonObject *object = strict_json_read(text, strlen(text));

	if (object == NULL)
		abort();
	return claims_read(object, claims);
}

static void
test_fields(void)
{
	Claims		claims;

	is_int(read_claims("nbf", "1799999999.25", &claims), CLAIMS_OK, "read");
	ok(strcmp(claims.issuer, ISSUER) == 0, "iss");
	ok(strcmp(claims.subject, "alice") == 0, "sub");
	is_int(claims.expires_at, AT(1800000600), "exp");
	is_int(claims.not_before, AT(1799999999) + 250000, "nbf");
	is_int(claims.issued_at, INT64_MIN, "iat absent");
	ok(claims.session_id == NULL && claims.scope == NULL &&
	   claims.roles == NULL, "sid, scope and roles absent");

	read_claims("roles", "['admin','user']", &claims);
	ok(claims.roles->nstrings == 2 &&
	   strcmp(claims.roles->strings[1], "user") == 0, "roles");
	read_claims("scope", "'a b'", &claims);
	ok(strcmp(claims.scope, "a b") == 0, "scope");
	read_claims("sid", "''", &claims);
	ok(strcmp(claims.session_id, "") == 0, "sid");
	is_int(claims.not_before, INT64_MIN, "nbf absent");
}

int
main(void)
{
	Claims		claims;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_int(read_claims(cases[i].name, cases[i].value, &claims),
			   cases[i].status, "%s %s", cases[i].name,
			   cases[i].value != NULL ? cases[i].value : "absent");
	for (size_t i = 0; i < sizeof(audiences) / sizeof(audiences[0]); i++)
	{
		read_claims("aud", audiences[i].aud, &claims);
		is_int(claims_check(&claims, AUDIENCE, NOW, LEEWAY),
			   audiences[i].status, "addressed to %s", audiences[i].aud);
	}
	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++)
	{
		read_claims(moments[i].name, moments[i].value, &claims);
		is_int(claims_check(&claims, AUDIENCE, moments[i].now, LEEWAY),
			   moments[i].status, "%s %s at %lld", moments[i].name,
			   moments[i].value, (long long) moments[i].now);
	}
	test_fields();

	/* without leeway */
	read_claims("exp", "1800000000", &claims);
	is_int(claims_check(&claims, AUDIENCE, NOW - 1, 0), CLAIMS_OK, "before");
	is_int(claims_check(&claims, AUDIENCE, NOW, 0), CLAIMS_EXPIRED, "at exp");
	return done_testing();
}
