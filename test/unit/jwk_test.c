/* The key's thumbprint: RFC 7638 over an RFC 8037 key. */
#include <string.h>
#include <sodium.h>

#include "fixture.h"
#include "jwk.h"
#include "tap.h"

int
main(void)
{
	uint8_t		key[JWK_ED25519_KEY_LEN];
	uint8_t		derived[JWK_ED25519_KEY_LEN];
	uint8_t		secret_key[crypto_sign_SECRETKEYBYTES];
	uint8_t		digest[crypto_hash_sha256_BYTES];
	char		kid[JWK_THUMBPRINT_SIZE];
	char		expected[JWK_THUMBPRINT_SIZE];
	size_t		len;
	bool		all_differ = true;

	if (sodium_init() < 0)
		return 1;

	/* RFC 8037 appendix A.2 and A.3 */
	ok(base64url_decode(RFC8037_X, strlen(RFC8037_X), key, sizeof(key), &len)
	   && len == sizeof(key), "the public key is read");
	rfc8037_key(derived, secret_key);
	ok(memcmp(key, derived, sizeof(key)) == 0, "it belongs to the private");
	jwk_thumbprint(key, kid);
	ok(strcmp(kid, RFC8037_KID) == 0, "its thumbprint");
	is_int(strlen(kid), JWK_THUMBPRINT_SIZE - 1, "of the length announced");

	/* the text that RFC 8037 appendix A.3 gives */
	static const char text[] =
		"{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"" RFC8037_X "\"}";

	crypto_hash_sha256(digest, (const uint8_t *) text, strlen(text));
	base64url_encode(digest, sizeof(digest), expected, sizeof(expected));
	ok(strcmp(kid, expected) == 0, "the hash of the canonical text");

	for (size_t bit = 0; bit < 8 * sizeof(key); bit++)
	{
		key[bit / 8] ^= (uint8_t) (1 << bit % 8);
		jwk_thumbprint(key, kid);
		all_differ &= strcmp(kid, RFC8037_KID) != 0;
		key[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	ok(all_differ, "one bit of the key changes it");
	jwk_thumbprint(key, kid);
	ok(strcmp(kid, RFC8037_KID) == 0, "the bit set back, it is the same");
	return done_testing();
}
