/*
 * JSON Web Tokens end to end: RFC 8037 appendix A.4, the order of the checks,
 * the choice of the key, and the attacks of RFC 8725 with a right signature.
 */
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "fixture.h"
#include "jws.h"
#include "jwt.h"
#include "jwt_header.h"
#include "tap.h"

#define US	MICROS_PER_SECOND

static uint8_t secret_key[64];
static uint8_t other_secret_key[64];
static TrustedKey keys[2];
static TrustedKeySet one_key = {1, keys};
static TrustedKeySet two_keys = {2, keys};
static VerifiedToken verified;

static JwtStatus
verify_at(const char *token, const TrustedKeySet *set, UnixMicros now)
{
	JwtContext	context = {set, AUDIENCE, now, 60 * US};
	size_t		len = strlen(token);
	char	   *copy = exact_copy(token, len);
	JwtStatus	status = jwt_verify(copy, len, &context, &verified);

	free(copy);
	return status;
}

static JwtStatus
verify(const char *token)
{
	return verify_at(token, &two_keys, NOW);
}

/* Signed with the first key, whatever the two say. */
static JwtStatus
verify_parts(const char *header, const char *payload)
{
	return verify(signed_token(header, payload, secret_key));
}

static void
test_rfc8037(void)
{
	static const char token[] =
		"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
		".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5"
		"BhVsPt9g7sVvpAr_MuM0KAg";
	JwsCompact	jws;
	uint8_t		signature[64];
	size_t		len;

	ok(strcmp(signed_token("{\"alg\":\"EdDSA\"}",
						   "Example of Ed25519 signing", secret_key),
			  token) == 0, "the token of RFC 8037 A.4 is made");
	ok(jws_split(token, strlen(token), &jws) &&
	   base64url_decode(jws.signature, jws.signature_len, signature,
						sizeof(signature), &len) &&
	   crypto_sign_verify_detached(signature, (const uint8_t *) token,
								   jws.signing_input_len,
								   keys[0].public_key) == 0,
	   "its signature holds (A.5)");
	is_int(verify_at(token, &one_key, NOW), JWT_HEADER_REFUSED,
		   "but it is no access token");
	is_int(verify_parts(header_with("", NULL), "Example of Ed25519 signing"),
		   JWT_CLAIMS_MALFORMED,
		   "and if it said so, its payload would be no claims");
}

static void
test_sign(void)
{
	char	   *payload = payload_with("", NULL);
	size_t		len = strlen(payload);
	char	   *token = jwt_sign(RFC8037_KID, payload, len, secret_key);

	is_int(verify(token), JWT_OK, "what is signed verifies");
	ok(verified.key == &keys[0], "with its key");
	ok(strcmp(verified.payload, payload) == 0, "the payload is told");
	ok(strcmp(verified.claims.subject, "alice") == 0, "and the claims");
	ok(strcmp(token, signed_token(header_with("", NULL), payload,
								  secret_key)) == 0,
	   "the header names algorithm, type and key");
	is_int(verify(jwt_sign("other", payload, len, secret_key)),
		   JWT_WRONG_SIGNATURE, "not under another's name");
	is_int(verify(jwt_sign(RFC8037_KID, payload, len, other_secret_key)),
		   JWT_WRONG_SIGNATURE, "not signed by another");
	is_int(verify(jwt_sign("other", payload, len, other_secret_key)),
		   JWT_WRONG_ISSUER, "not by another issuer's key under its name");
	payload = payload_with("iss", "'https://other.example'");
	is_int(verify(jwt_sign("other", payload, strlen(payload),
						   other_secret_key)), JWT_OK,
		   "that issuer's own token verifies");
	is_int(verify(jwt_sign(RFC8037_KID, "", 0, secret_key)), JWT_MALFORMED,
		   "an empty payload does not");
}

/* Each is signed rightly, so only what it says can be what is refused. */
static void
test_header(void)
{
	static const struct
	{
		const char *name;
		const char *value;
		JwtStatus	status;
	}			cases[] = {
		{"alg", "'EdDSA'", JWT_OK},
		{"alg", "'Ed25519'", JWT_OK},
		{"alg", "'none'", JWT_HEADER_REFUSED},
		{"alg", "'HS256'", JWT_HEADER_REFUSED},
		{"alg", NULL, JWT_HEADER_REFUSED},
		{"typ", "'JWT'", JWT_HEADER_REFUSED},
		{"crit", "['exp']", JWT_HEADER_REFUSED},
		{"b64", "false", JWT_HEADER_REFUSED},
		{"jwk", "{'kty':'OKP','crv':'Ed25519','x':'" RFC8037_X "'}",
		JWT_HEADER_REFUSED},
		{"x", "'y'", JWT_OK},
		{"kid", "'unknown'", JWT_UNKNOWN_KEY},
		{"kid", "'kprk_qmxvwayva9wwbf6iuo3vvzz7txhctwxbygrs4k'",
		JWT_UNKNOWN_KEY},
		{"kid", "'" RFC8037_KID " '", JWT_UNKNOWN_KEY},
		{"kid", "'*'", JWT_UNKNOWN_KEY},
		{"kid", "'%'", JWT_UNKNOWN_KEY},
		{"kid", "'x\\' OR \\'1\\'=\\'1'", JWT_UNKNOWN_KEY},
		{"kid", "''", JWT_HEADER_REFUSED},
		{"kid", "null", JWT_HEADER_REFUSED},
		{"kid", "['" RFC8037_KID "']", JWT_HEADER_REFUSED},
		{"kid", "'\\u0000'", JWT_MALFORMED},
		{"kid", "1e999", JWT_MALFORMED}
	};
	char		long_kid[10241] = {0};
	char	   *payload = payload_with("", NULL);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_int(verify_parts(header_with(cases[i].name, cases[i].value),
							payload), cases[i].status, "header %s %s",
			   cases[i].name, cases[i].value ? cases[i].value : "absent");

	memset(long_kid, 'x', 1000);
	is_int(verify(jwt_sign(long_kid, payload, strlen(payload), secret_key)),
		   JWT_HEADER_REFUSED, "a kid of 1000 characters");
	memset(long_kid, 'x', 10240);
	is_int(verify(jwt_sign(long_kid, payload, strlen(payload), secret_key)),
		   JWT_MALFORMED, "a kid of 10 KB");
	is_int(verify_parts(json("{'alg':'EdDSA','typ':'at+jwt','alg':'EdDSA'}"),
						payload), JWT_MALFORMED, "a header with alg twice");
	is_int(verify_parts(json("['EdDSA']"), payload), JWT_MALFORMED,
		   "a header that is an array");
	is_int(verify_parts("\357\273\277{}", payload), JWT_MALFORMED,
		   "a header with a byte order mark");
	is_int(verify_parts("\377", payload), JWT_MALFORMED,
		   "a header that is not UTF-8");
}

/* Signatures of other kinds, and none. */
static void
test_other_algorithms(void)
{
	static const char *const none[] = {
		"'none'", "'None'", "'NONE'", "'nOnE'", "'noNE'", "''", "null"
	};
	char	   *payload = payload_with("", NULL);
	char	   *header;
	char	   *token;
	uint8_t		mac[crypto_auth_hmacsha256_BYTES];
	size_t		len;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
	{
		header = header_with("alg", none[i]);
		token = join_token(header, payload, mac, 0);
		is_int(verify(token), JWT_MALFORMED, "alg %s, unsigned", none[i]);
		is_int(verify(signed_token(header, payload, secret_key)),
			   JWT_HEADER_REFUSED, "alg %s, signed", none[i]);
	}

	/* CVE-2015-9235: the public key as the secret of a MAC */
	for (int i = 0; i < 2; i++)
	{
		header = header_with("alg", i == 0 ? "'HS256'" : "'EdDSA'");
		token = join_token(header, payload, mac, 0);
		len = strlen(token) - 1;
		crypto_auth_hmacsha256(mac, (uint8_t *) token, len,
							   keys[0].public_key);
		token = join_token(header, payload, mac, sizeof(mac));
		is_int(verify(token),
			   i == 0 ? JWT_HEADER_REFUSED : JWT_WRONG_SIGNATURE,
			   "a MAC, alg %s", i == 0 ? "HS256" : "EdDSA");
	}
	is_int(verify_parts(header_with("alg", "'EdDSA'"), payload), JWT_OK,
		   "a signature, alg EdDSA");
}

static void
test_key_choice(void)
{
	char	   *payload = payload_with("", NULL);
	char	   *nameless = signed_token(header_with("kid", NULL), payload,
										secret_key);
	char	   *named = signed_token(header_with("", NULL), payload,
									 secret_key);
	TrustedKeySet no_keys = {0, NULL};

	is_int(verify_at(nameless, &one_key, NOW), JWT_OK,
		   "no kid, and one key");
	is_int(verify_at(nameless, &two_keys, NOW), JWT_UNKNOWN_KEY,
		   "no kid, and two keys");
	is_int(verify_at(nameless, &no_keys, NOW), JWT_UNKNOWN_KEY,
		   "no kid, and no key");
	is_int(verify_at(named, &one_key, NOW), JWT_OK, "kid, and one key");
	is_int(verify_at(named, &two_keys, NOW), JWT_OK, "kid, and two keys");
	is_int(verify_at(named, &no_keys, NOW), JWT_UNKNOWN_KEY,
		   "kid, and no key");

	keys[1].not_after = NOW;
	is_int(verify_at(nameless, &two_keys, NOW), JWT_OK,
		   "no kid, and one of two keys in force");
	keys[0].not_before = NOW + 1;
	is_int(verify_at(nameless, &two_keys, NOW), JWT_UNKNOWN_KEY,
		   "no kid, and none of two keys in force");
	is_int(verify_at(named, &two_keys, NOW), JWT_UNKNOWN_KEY,
		   "kid of a key not in force");
	keys[0].not_before = INT64_MIN;
	keys[1].not_after = INT64_MAX;

	keys[1].kid = RFC8037_KID;
	is_int(verify_at(named, &two_keys, NOW), JWT_UNKNOWN_KEY,
		   "kid of two keys");
	keys[1].kid = "other";
}

static void
test_key_period(void)
{
	char	   *token = signed_token(header_with("", NULL),
									 payload_with("", NULL), secret_key);
	JwtContext	context = {&one_key, AUDIENCE, NOW, 60 * US};

	keys[0].not_before = NOW;
	keys[0].not_after = NOW + 10;
	is_int(verify_at(token, &one_key, NOW - 1), JWT_UNKNOWN_KEY,
		   "before the key is in force");
	is_int(verify_at(token, &one_key, NOW), JWT_OK, "from then on");
	is_int(verify_at(token, &one_key, NOW + 10), JWT_UNKNOWN_KEY,
		   "once the key is out of force");
	is_int(verify_at(token, &one_key, NOW + 9), JWT_OK, "until then");

	context.now = NOW + 9;
	is_int(jwt_check_claims(&verified, &context), JWT_OK, "checked again");
	context.now = NOW + 10;
	is_int(jwt_check_claims(&verified, &context), JWT_UNKNOWN_KEY,
		   "checked again once the key is out of force");
	keys[0].not_before = INT64_MIN;
	keys[0].not_after = INT64_MAX;
	is_int(jwt_check_claims(&verified, &context), JWT_OK, "or in again");
	context.now = NOW + 660 * US;
	is_int(jwt_check_claims(&verified, &context), JWT_EXPIRED,
		   "checked again once the token has expired");
	context.now = NOW;
	context.audience = "https://b.example";
	is_int(jwt_check_claims(&verified, &context), JWT_WRONG_AUDIENCE,
		   "checked again for another audience");
}

int
main(void)
{
	if (sodium_init() < 0)
		return 1;
	keys[0] = (TrustedKey) {RFC8037_KID, ISSUER, {0}, INT64_MIN, INT64_MAX};
	keys[1] = (TrustedKey) {"other", "https://other.example", {0},
							INT64_MIN, INT64_MAX};
	rfc8037_key(keys[0].public_key, secret_key);
	crypto_sign_keypair(keys[1].public_key, other_secret_key);
	test_rfc8037();
	test_sign();
	test_header();
	test_other_algorithms();
	test_key_choice();
	test_key_period();
	return done_testing();
}
