/* Claims under a right signature, each refused with its own reason. */
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "fixture.h"
#include "jws.h"
#include "jwt.h"
#include "tap.h"

#define US	MICROS_PER_SECOND

static uint8_t secret_key[64];
static TrustedKey key = {RFC8037_KID, ISSUER, {0}, INT64_MIN, INT64_MAX};
static const TrustedKeySet keys = {1, &key};

/* The base claims with one put in its place; NULL leaves it out. */
static const struct
{
	const char *name;
	const char *value;
	JwtStatus	status;
}			cases[] = {
	{"iss", "'https://auth.example'", JWT_OK},
	{"iss", "'https:\\/\\/auth.example'", JWT_OK},	/* the same string */
	{"iss", "'https://auth.exampl'", JWT_WRONG_ISSUER},
	{"iss", "'https://auth.example.evil'", JWT_WRONG_ISSUER},
	{"iss", "'https://auth.example/'", JWT_WRONG_ISSUER},
	{"iss", "'evil https://auth.example'", JWT_WRONG_ISSUER},
	{"iss", "'auth.example'", JWT_WRONG_ISSUER},
	{"iss", "'https'", JWT_WRONG_ISSUER},	/* CVE-2024-53861 */
	{"iss", "'https://AUTH.example'", JWT_WRONG_ISSUER},
	{"iss", "'http://auth.example'", JWT_WRONG_ISSUER},
	{"iss", "' https://auth.example'", JWT_WRONG_ISSUER},
	{"iss", "'https://auth.example '", JWT_WRONG_ISSUER},
	{"iss", "''", JWT_CLAIMS_MALFORMED},
	{"iss", "['https://auth.example']", JWT_CLAIMS_MALFORMED},
	{"iss", NULL, JWT_CLAIMS_MALFORMED},

	{"aud", "'https://app.example'", JWT_OK},
	{"aud", "['https://b.example','https://app.example']", JWT_OK},
	{"aud", "'https://b.example'", JWT_WRONG_AUDIENCE},
	{"aud", "[]", JWT_WRONG_AUDIENCE},
	{"aud", "1", JWT_CLAIMS_MALFORMED},
	{"aud", NULL, JWT_CLAIMS_MALFORMED},

	{"sub", "'x'", JWT_OK},
	{"sub", "''", JWT_CLAIMS_MALFORMED},
	{"sub", "1", JWT_CLAIMS_MALFORMED},
	{"sub", NULL, JWT_CLAIMS_MALFORMED},

	{"exp", "1799999941", JWT_OK},
	{"exp", "1799999940", JWT_EXPIRED},
	{"exp", "1799999940.5", JWT_OK},
	{"exp", "-1", JWT_EXPIRED},
	{"exp", "'1800000600'", JWT_CLAIMS_MALFORMED},
	{"exp", "9223372036854775808", JWT_CLAIMS_MALFORMED},
	{"exp", "1e99", JWT_CLAIMS_MALFORMED},
	{"exp", "1e999", JWT_CLAIMS_MALFORMED},
	{"exp", "1e999999", JWT_CLAIMS_MALFORMED},
	{"exp", "NaN", JWT_CLAIMS_MALFORMED},
	{"exp", "Infinity", JWT_CLAIMS_MALFORMED},
	{"exp", NULL, JWT_CLAIMS_MALFORMED},
	{"nbf", "1800000060", JWT_OK},
	{"nbf", "1800000061", JWT_NOT_YET_VALID},
	{"iat", "1800000060", JWT_OK},
	{"iat", "1800000061", JWT_NOT_YET_VALID},

	{"roles", "['user']", JWT_OK},
	{"roles", "'user'", JWT_CLAIMS_MALFORMED},
	{"jti", "'0190c5f0'", JWT_OK},
	{"cnf", "{'jkt':'" RFC8037_KID "'}", JWT_CLAIMS_MALFORMED},
	{"x", "{'y':[1,{'z':null}]}", JWT_OK},
	{"x", "{'y':1,'y':1}", JWT_CLAIMS_MALFORMED},
	{"x", "'\\u0000'", JWT_CLAIMS_MALFORMED},
	{"x", "'\\ud800'", JWT_CLAIMS_MALFORMED},
	{"x", "'\377'", JWT_CLAIMS_MALFORMED},
	{"x", "1,'exp':1800000600", JWT_CLAIMS_MALFORMED},	/* twice */
	{"x", "1,'\\u0065xp':1800000600", JWT_CLAIMS_MALFORMED}
};

static JwtStatus
verify_bytes(const char *token, size_t len, VerifiedToken *verified)
{
	JwtContext	context = {&keys, AUDIENCE, NOW, 60 * US};
	char	   *copy = exact_copy(token, len);
	JwtStatus	status = jwt_verify(copy, len, &context, verified);

	free(copy);
	return status;
}

static JwtStatus
verify_payload(const char *payload)
{
	VerifiedToken verified;
	char	   *token = jwt_sign(RFC8037_KID, payload, strlen(payload),
								 secret_key);

	return verify_bytes(token, strlen(token), &verified);
}

static void
test_payloads(void)
{
	char	   *payload = payload_with("", NULL);
	size_t		len = strlen(payload);
	char	   *longer = malloc(len + 8);

	sprintf(longer, " %s\n", payload);
	is_int(verify_payload(longer), JWT_OK, "white space around the claims");
	sprintf(longer, "%sx", payload);
	is_int(verify_payload(longer), JWT_CLAIMS_MALFORMED, "a letter after them");
	sprintf(longer, "%s{}", payload);
	is_int(verify_payload(longer), JWT_CLAIMS_MALFORMED, "an object after");
	sprintf(longer, "[%s]", payload);
	is_int(verify_payload(longer), JWT_CLAIMS_MALFORMED, "in an array");
	sprintf(longer, "\357\273\277%s", payload);
	is_int(verify_payload(longer), JWT_CLAIMS_MALFORMED, "a byte order mark");
	is_int(verify_payload("x"), JWT_CLAIMS_MALFORMED, "no JSON");
	is_int(verify_payload("null"), JWT_CLAIMS_MALFORMED, "null");
	is_int(verify_payload("{}"), JWT_CLAIMS_MALFORMED, "no claims");

	/* a token within a token */
	is_int(verify_payload(jwt_sign(RFC8037_KID, payload, len, secret_key)),
		   JWT_CLAIMS_MALFORMED, "nested");
	is_int(verify_payload(payload), JWT_OK, "the claims themselves");
}

/* A claim that fills the token up to the cap, or beyond it. */
static void
test_length(void)
{
	VerifiedToken verified;
	bool		within = true;
	bool		beyond = true;
	size_t		longest = 0;

	for (size_t n = 11900; n < 12100; n++)
	{
		char	   *value = malloc(n + 3);
		char	   *payload;
		char	   *token;
		JwtStatus	status;

		memset(value, 'x', n + 2);
		value[0] = value[n + 1] = '\'';
		value[n + 2] = '\0';
		payload = payload_with("x", value);
		token = jwt_sign(RFC8037_KID, payload, strlen(payload), secret_key);
		status = verify_bytes(token, strlen(token), &verified);
		if (strlen(token) <= JWS_MAX_LEN)
		{
			within &= status == JWT_OK;
			longest = strlen(token);
		}
		else
			beyond &= status == JWT_MALFORMED;
		free(value);
		free(payload);
	}
	ok(longest >= JWS_MAX_LEN - 1 && within, "tokens up to the cap");
	ok(beyond, "tokens beyond it");
}

static void
test_reasons(void)
{
	bool		distinct = true;

	for (int i = JWT_OK; i <= JWT_NOT_YET_VALID; i++)
	{
		const char *reason = jwt_status_reason((JwtStatus) i);

		ok(strlen(reason) > 10 && reason[strlen(reason) - 1] == '.',
		   "status %d has a reason", i);
		for (int j = JWT_OK; j < i; j++)
			distinct &= strcmp(reason, jwt_status_reason((JwtStatus) j)) != 0;
	}
	ok(distinct, "each its own");
}

int
main(void)
{
	if (sodium_init() < 0)
		return 1;
	rfc8037_key(key.public_key, secret_key);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_int(verify_payload(payload_with(cases[i].name, cases[i].value)),
			   cases[i].status, "%s %s", cases[i].name,
			   cases[i].value != NULL ? cases[i].value : "absent");
	test_payloads();
	test_length();
	test_reasons();
	return done_testing();
}
