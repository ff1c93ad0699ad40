/*
 * Password hashes of other programs, argon2 excepted.
 *
 * The beginning of a string decides which format it is.  All end with the
 * digest, and what comes before it is the setting: the parameters and the salt.
 */
#include "legacy_hash.h"

#include <string.h>
#include <sodium.h>

#include "bcrypt_hash.h"
#include "crypt_hash.h"
#include "pbkdf2_hash.h"
#include "scrypt_hash.h"

typedef struct LegacyFormat
{
	const char *ahead;			/* the beginning that only tells the format */
	const char *start;			/* the beginning of what is read */
	const char *name;
	bool		(*read) (HashReader *r, LegacyHash *hash);
	LegacyFunction function;
	BcryptInput input;
	HashEncoding encoding;		/* of the digest */
	size_t		digest_len;
} LegacyFormat;

#define BCRYPT(ahead, start, name, read, input) \
	{ahead, start, name, read, LEGACY_BCRYPT, input, ENCODING_CRYPT, 31}
#define CRYPT(start, name, read, function, digest_len) \
	{"", start, name, read, function, INPUT_PASSWORD, ENCODING_CRYPT, digest_len}
#define DERIVED(ahead, name, read, function, encoding, digest_len) \
	{ahead, "", name, read, function, INPUT_PASSWORD, encoding, digest_len}

static const LegacyFormat formats[] = {
	BCRYPT("", "$2a$", "bcrypt", bcrypt_read, INPUT_PASSWORD),
	BCRYPT("", "$2b$", "bcrypt", bcrypt_read, INPUT_PASSWORD),
	BCRYPT("", "$2x$", "bcrypt", bcrypt_read, INPUT_PASSWORD),
	BCRYPT("", "$2y$", "bcrypt", bcrypt_read, INPUT_PASSWORD),
	BCRYPT("bcrypt$", "", "django_bcrypt", bcrypt_read, INPUT_PASSWORD),
	BCRYPT("bcrypt_sha256$", "", "django_bcrypt_sha256",
		   bcrypt_read, INPUT_SHA256_HEX),
	BCRYPT("$bcrypt-sha256$v=2,", "", "passlib_bcrypt_sha256",
		   bcrypt_read_passlib_v2, INPUT_HMAC_SHA256_BASE64),
	BCRYPT("$bcrypt-sha256$", "2", "passlib_bcrypt_sha256",
		   bcrypt_read_passlib_v1, INPUT_SHA256_BASE64),
	BCRYPT("$wp", "$2y$", "wordpress_bcrypt",
		   bcrypt_read, INPUT_HMAC_SHA384_BASE64),

	CRYPT("$1$", "md5crypt", crypt_read_md5, LEGACY_MD5CRYPT, 22),
	CRYPT("$5$", "sha256crypt", crypt_read_sha, LEGACY_SHA256CRYPT, 43),
	CRYPT("$6$", "sha512crypt", crypt_read_sha, LEGACY_SHA512CRYPT, 86),
	CRYPT("$7$", "crypt_scrypt", crypt_read_scrypt, LEGACY_CRYPT_SCRYPT, 43),
	CRYPT("$y$", "yescrypt", crypt_read_yescrypt, LEGACY_YESCRYPT, 43),

	DERIVED("$pbkdf2$", "passlib_pbkdf2_sha1", pbkdf2_read_passlib,
			LEGACY_PBKDF2_SHA1, ENCODING_BASE64_ADAPTED, 20),
	DERIVED("$pbkdf2-sha256$", "passlib_pbkdf2_sha256", pbkdf2_read_passlib,
			LEGACY_PBKDF2_SHA256, ENCODING_BASE64_ADAPTED, 32),
	DERIVED("$pbkdf2-sha512$", "passlib_pbkdf2_sha512", pbkdf2_read_passlib,
			LEGACY_PBKDF2_SHA512, ENCODING_BASE64_ADAPTED, 64),
	DERIVED("pbkdf2_sha1$", "django_pbkdf2_sha1", pbkdf2_read_text,
			LEGACY_PBKDF2_SHA1, ENCODING_BASE64, 20),
	DERIVED("pbkdf2_sha256$", "django_pbkdf2_sha256", pbkdf2_read_text,
			LEGACY_PBKDF2_SHA256, ENCODING_BASE64, 32),
	DERIVED("pbkdf2:sha1:", "werkzeug_pbkdf2_sha1", pbkdf2_read_text,
			LEGACY_PBKDF2_SHA1, ENCODING_HEX, 20),
	DERIVED("pbkdf2:sha256:", "werkzeug_pbkdf2_sha256", pbkdf2_read_text,
			LEGACY_PBKDF2_SHA256, ENCODING_HEX, 32),
	DERIVED("pbkdf2:sha512:", "werkzeug_pbkdf2_sha512", pbkdf2_read_text,
			LEGACY_PBKDF2_SHA512, ENCODING_HEX, 64),

	DERIVED("$scrypt$", "passlib_scrypt", scrypt_read_passlib,
			LEGACY_SCRYPT, ENCODING_BASE64_BARE, 32),
	DERIVED("scrypt$", "django_scrypt", scrypt_read_django,
			LEGACY_SCRYPT, ENCODING_BASE64, 64),
	DERIVED("scrypt:", "werkzeug_scrypt", scrypt_read_werkzeug,
			LEGACY_SCRYPT, ENCODING_HEX, 64)
};

/* The one that no beginning tells. */
static const LegacyFormat better_auth =
	DERIVED("", "better_auth_scrypt", scrypt_read_better_auth,
			LEGACY_SCRYPT, ENCODING_HEX, 64);

/* The format that begins so, with the reader after what only tells that. */
static const LegacyFormat *
find_format(HashReader *r)
{
	HashReader	salt = *r;
	LegacyHash	scratch;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
	{
		HashReader	ahead = *r;
		HashReader	start;

		if (!read_literal(&ahead, formats[i].ahead))
			continue;
		start = ahead;
		if (read_literal(&start, formats[i].start))
		{
			*r = ahead;
			return &formats[i];
		}
	}
	return scrypt_read_better_auth(&salt, &scratch) ? &better_auth : NULL;
}

/* Is it within N times r, p times r and the work that scrypt may cost? */
static bool
scrypt_affordable(const LegacyHash *hash)
{
	/* N is at most 2^31 and r and p below 2^30, so that nothing overflows */
	return hash->n * hash->r <= SCRYPT_MEMORY_MAX &&
		(uint64_t) hash->p * hash->r <= SCRYPT_LANES_MAX &&
		hash->n * hash->r * hash->p <= SCRYPT_WORK_MAX;
}

bool
legacy_affordable(const LegacyHash *hash)
{
	switch (hash->function)
	{
		case LEGACY_BCRYPT:
			return hash->work <= (uint64_t) 1 << BCRYPT_COST_MAX;
		case LEGACY_MD5CRYPT:
			return true;
		case LEGACY_SHA256CRYPT:
		case LEGACY_SHA512CRYPT:
			return hash->work <= SHA_CRYPT_ROUNDS_MAX;
		case LEGACY_PBKDF2_SHA1:
		case LEGACY_PBKDF2_SHA256:
		case LEGACY_PBKDF2_SHA512:
			return hash->work <= PBKDF2_ITERATIONS_MAX;
		case LEGACY_SCRYPT:
		case LEGACY_CRYPT_SCRYPT:
		case LEGACY_YESCRYPT:
			return scrypt_affordable(hash);
	}
	return false;
}

/* The setting; the reader is left before the digest. */
static const LegacyFormat *
read_setting(HashReader *r, LegacyHash *hash, HashStatus *status)
{
	const char *start = r->pos;
	const LegacyFormat *format = find_format(r);

	memset(hash, 0, sizeof(*hash));
	*status = HASH_UNKNOWN;
	if (format == NULL)
		return NULL;
	hash->name = format->name;
	hash->function = format->function;
	hash->input = format->input;
	hash->digest_len = format->digest_len;
	*status = format->read(r, hash) ? HASH_OK : HASH_MALFORMED;
	hash->setting_len = (size_t) (r->pos - start);
	if (*status == HASH_OK && hash->n != 0)
		hash->work = hash->n * hash->r * hash->p;
	return format;
}

HashStatus
legacy_setting_parse(const char *str, size_t len, LegacyHash *hash)
{
	HashReader	r = {str, str + len};
	HashStatus	status;

	read_setting(&r, hash, &status);
	if (status == HASH_OK && r.pos != r.end)
		status = HASH_MALFORMED;
	if (status == HASH_OK && !legacy_affordable(hash))
		status = HASH_TOO_COSTLY;
	return status;
}

HashStatus
legacy_hash_parse(const char *str, size_t len, LegacyHash *hash)
{
	HashReader	r = {str, str + len};
	HashStatus	status;
	const LegacyFormat *format = read_setting(&r, hash, &status);
	size_t		digest_len;

	if (status != HASH_OK)
		return status;
	if (!read_bytes(&r, format->encoding, hash->digest,
					sizeof(hash->digest), &digest_len) ||
		digest_len != hash->digest_len || r.pos != r.end)
		return HASH_MALFORMED;
	return legacy_affordable(hash) ? HASH_OK : HASH_TOO_COSTLY;
}

PasswordStatus
legacy_hash_compute(const char *password, size_t len, const LegacyHash *hash,
					uint8_t digest[LEGACY_DIGEST_MAX])
{
	switch (hash->function)
	{
		case LEGACY_BCRYPT:
		case LEGACY_MD5CRYPT:
		case LEGACY_SHA256CRYPT:
		case LEGACY_SHA512CRYPT:
		case LEGACY_CRYPT_SCRYPT:
		case LEGACY_YESCRYPT:
			return crypt_hash_compute(password, len, hash, digest);
		case LEGACY_PBKDF2_SHA1:
		case LEGACY_PBKDF2_SHA256:
		case LEGACY_PBKDF2_SHA512:
			return pbkdf2_hash_compute(password, len, hash, digest);
		case LEGACY_SCRYPT:
			return scrypt_hash_compute(password, len, hash, digest);
	}
	return PASSWORD_NO_MEMORY;
}

PasswordStatus
legacy_hash_verify(const char *password, size_t len, const LegacyHash *hash)
{
	uint8_t		digest[LEGACY_DIGEST_MAX];
	PasswordStatus status = legacy_hash_compute(password, len, hash, digest);

	if (status == PASSWORD_OK &&
		sodium_memcmp(digest, hash->digest, hash->digest_len) != 0)
		status = PASSWORD_MISMATCH;
	sodium_memzero(digest, sizeof(digest));
	return status;
}
