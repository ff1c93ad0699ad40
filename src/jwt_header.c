/*
 * Checking the JOSE header.
 *
 * The key decides the algorithm; the header only has to agree.  All keys are
 * Ed25519, so there are exactly two spellings to agree with: EdDSA (RFC 8037)
 * and its successor Ed25519 (RFC 9864).  Nothing in the header can bring a key
 * along (CVE-2018-0114), name an extension, or say that the payload is
 * anything but the claims.
 */
#include "jwt_header.h"

#include <string.h>
#include <strings.h>

/*
 * Members that would change what is verified or with what.  crit is refused
 * because no extension is understood here (RFC 7515 section 4.1.11).
 */
static const char *const refused_members[] = {
	"b64", "crit", "cty", "enc", "jku", "jwk", "x5c", "x5t", "x5t#S256",
	"x5u", "zip"
};

static bool
is_algorithm(const char *alg)
{
	return alg != NULL &&
		(strcmp(alg, JWT_ALGORITHM) == 0 || strcmp(alg, "Ed25519") == 0);
}

/* Media types compare without case (RFC 7515 section 4.1.9). */
static bool
is_access_token(const char *typ)
{
	return typ != NULL &&
		(strcasecmp(typ, JWT_TYPE) == 0 ||
		 strcasecmp(typ, "application/" JWT_TYPE) == 0);
}

bool
jwt_header_check(const StrictJsonObject *header, const char **kid)
{
	for (size_t i = 0; i < sizeof(refused_members) / sizeof(char *); i++)
	{
		if (strict_json_get(header, refused_members[i]) != NULL)
			return false;
	}
	if (!is_algorithm(strict_json_string(header, "alg")) ||
		!is_access_token(strict_json_string(header, "typ")))
		return false;

	*kid = strict_json_string(header, "kid");
	if (*kid == NULL)
		return strict_json_get(header, "kid") == NULL;
	return **kid != '\0' && strlen(*kid) <= JWT_KID_MAX;
}
