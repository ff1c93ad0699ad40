/*
 * The JOSE header: the key decides the algorithm, nothing brings a key along,
 * and only access tokens pass (RFC 7515 section 4, RFC 8725, RFC 9068).
 */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "jwt_header.h"
#include "tap.h"

/* The base header with one member put in its place; NULL leaves it out. */
static const struct
{
	const char *name;
	const char *value;
	bool		accepted;
}			cases[] = {
	{"alg", "'EdDSA'", true},
	{"alg", "'Ed25519'", true}, /* RFC 9864 */
	{"alg", "'\\u0045dDSA'", true},
	{"alg", NULL, false},
	{"alg", "'none'", false},
	{"alg", "'None'", false},
	{"alg", "'NONE'", false},
	{"alg", "'nOnE'", false},
	{"alg", "'none '", false},
	{"alg", "''", false},
	{"alg", "'HS256'", false},	/* CVE-2015-9235 */
	{"alg", "'RS256'", false},
	{"alg", "'ES256'", false},
	{"alg", "'Ed448'", false},
	{"alg", "'eddsa'", false},
	{"alg", "'EDDSA'", false},
	{"alg", "'ed25519'", false},
	{"alg", "'EdDSA '", false},
	{"alg", "' EdDSA'", false},
	{"alg", "'EdDSA\\n'", false},
	{"alg", "'EdDS'", false},
	{"alg", "'EdDSAx'", false},
	{"alg", "null", false},
	{"alg", "true", false},
	{"alg", "0", false},
	{"alg", "['EdDSA']", false},
	{"alg", "{'EdDSA':'EdDSA'}", false},
	{"ALG", "'none'", true},	/* another member */

	{"typ", "'at+jwt'", true},
	{"typ", "'AT+JWT'", true},
	{"typ", "'application/at+jwt'", true},
	{"typ", "'Application/At+Jwt'", true},
	{"typ", NULL, false},
	{"typ", "'JWT'", false},
	{"typ", "'jwt'", false},
	{"typ", "'JOSE'", false},
	{"typ", "'rt+jwt'", false},
	{"typ", "'dpop+jwt'", false},
	{"typ", "'secevent+jwt'", false},
	{"typ", "'at+jwt '", false},
	{"typ", "'at+jwt;v=1'", false},
	{"typ", "'at jwt'", false},
	{"typ", "'text/at+jwt'", false},
	{"typ", "'application/jwt'", false},
	{"typ", "'application/application/at+jwt'", false},
	{"typ", "''", false},
	{"typ", "null", false},
	{"typ", "1", false},
	{"typ", "['at+jwt']", false},

	{"kid", "'k'", true},
	{"kid", NULL, true},
	{"kid", "''", false},
	{"kid", "null", false},
	{"kid", "1", false},
	{"kid", "true", false},
	{"kid", "['k']", false},
	{"kid", "[]", false},
	{"kid", "{'kid':'k'}", false},
	{"kid", "'../../dev/null'", true},	/* only ever compared */
	{"kid", "'k\\' OR 1=1 --'", true},

	/* harmless members pass, or those below would prove nothing */
	{"iat", "1", true},
	{"x", "'y'", true},
	{"crit", "['exp']", false},
	{"crit", "['b64']", false},
	{"crit", "[]", false},
	{"crit", "'exp'", false},
	{"crit", "null", false},
	{"crit", "{}", false},
	{"b64", "false", false},	/* RFC 7797 */
	{"b64", "true", false},
	{"b64", "null", false},
	{"zip", "'DEF'", false},
	{"enc", "'A256GCM'", false},
	{"cty", "'JWT'", false},
	{"jwk", "{'kty':'OKP','crv':'Ed25519','x':'" RFC8037_X "'}", false},
	{"jwk", "null", false},
	{"jku", "'https://evil.example/jwks.json'", false},
	{"x5u", "'https://evil.example/cert.pem'", false},
	{"x5c", "['MIIB']", false},
	{"x5t", "'dGh1bWI'", false},
	{"x5t#S256", "'dGh1bWI'", false},
	{"\\u0063rit", "['exp']", false},
	{"j\\u0077k", "{}", false},
	{"JWK", "{}", true}
};

static bool
accepts(const char *header, const char **kid)
{
	StrictJsonObject *object = strict_json_read(header, strlen(header));

	*kid = "untouched";
	return object != NULL && jwt_header_check(object, kid);
}

static void
test_kid(void)
{
	char		value[JWT_KID_MAX + 4];
	const char *kid;

	ok(accepts(header_with("", NULL), &kid) &&
	   strcmp(kid, RFC8037_KID) == 0, "kid is told");
	ok(accepts(header_with("kid", "'a\\u002fb'"), &kid) &&
	   strcmp(kid, "a/b") == 0, "without its escapes");
	ok(accepts(header_with("kid", NULL), &kid) && kid == NULL,
	   "no kid is told when there is none");

	snprintf(value, sizeof(value), "'%0*d'", JWT_KID_MAX, 1);
	ok(accepts(header_with("kid", value), &kid) &&
	   strlen(kid) == JWT_KID_MAX, "the longest kid");
	snprintf(value, sizeof(value), "'%0*d'", JWT_KID_MAX + 1, 1);
	ok(!accepts(header_with("kid", value), &kid), "a longer kid");
}

static void
test_whole(void)
{
	const char *kid;

	ok(accepts(json("{'typ':'at+jwt','alg':'EdDSA'}"), &kid),
	   "the order of members does not matter");
	ok(!accepts("{}", &kid), "no members");
	ok(!accepts(json("{'alg':'EdDSA','alg':'EdDSA','typ':'at+jwt'}"), &kid),
	   "alg twice");
	ok(!accepts(json("{'alg':'none','typ':'at+jwt','alg':'EdDSA'}"), &kid),
	   "alg twice, the last one right");
	ok(!accepts(json("{'x':{'alg':'EdDSA','typ':'at+jwt'}}"), &kid),
	   "the right members further in");
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const char *value = cases[i].value;
		const char *kid;

		ok(accepts(header_with(cases[i].name, value), &kid) ==
		   cases[i].accepted, "%s %s: %s", cases[i].name,
		   value != NULL ? value : "absent",
		   cases[i].accepted ? "accepted" : "refused");
	}
	test_kid();
	test_whole();
	return done_testing();
}
