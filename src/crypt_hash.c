/*
 * Formats of crypt(3), by libxcrypt.
 *
 * crypt_rn() takes a string that it does not know for traditional DES, and a
 * cost that is in the string for granted.  So it gets no string but those that
 * were read here, part by part.
 */
#include "crypt_hash.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "bcrypt_hash.h"

#define MD5_SALT_CHARS		8
#define SHA_SALT_CHARS		16
#define SCRYPT_SALT_CHARS	86
#define SHA_ROUNDS			5000
#define SHA_ROUNDS_MIN		1000

/* Keep what has been read as the setting. */
static bool
keep_setting(const char *start, const HashReader *r, LegacyHash *hash)
{
	size_t		len = (size_t) (r->pos - start);

	if (len >= sizeof(hash->setting))
		return false;
	memcpy(hash->setting, start, len);
	hash->setting[len] = '\0';
	return true;
}

/* salt "$", which ends the setting */
static bool
read_salt(HashReader *r, size_t max, const char *start, LegacyHash *hash)
{
	const char *salt;
	size_t		len;

	return read_crypt64(r, 1, max, &salt, &len) && read_literal(r, "$") &&
		keep_setting(start, r, hash);
}

/* "$1$" salt "$" */
bool
crypt_read_md5(HashReader *r, LegacyHash *hash)
{
	const char *start = r->pos;

	hash->work = 1;
	return read_literal(r, "$1$") &&
		read_salt(r, MD5_SALT_CHARS, start, hash);
}

/* "$6$" ["rounds=" number "$"] salt "$", or "$5$" */
bool
crypt_read_sha(HashReader *r, LegacyHash *hash)
{
	const char *start = r->pos;
	uint32_t	rounds = SHA_ROUNDS;

	if (!read_literal(r, "$5$") && !read_literal(r, "$6$"))
		return false;
	if (read_literal(r, "rounds=") &&
		(!read_decimal(r, &rounds) || rounds < SHA_ROUNDS_MIN ||
		 !read_literal(r, "$")))
		return false;
	hash->work = rounds;
	return read_salt(r, SHA_SALT_CHARS, start, hash);
}

/* Five characters of six bits each, the lowest first. */
static bool
read_30_bits(HashReader *r, uint32_t *value)
{
	const char *text;
	size_t		len;

	*value = 0;
	if (!read_crypt64(r, 5, 5, &text, &len))
		return false;
	for (size_t i = 0; i < len; i++)
		*value |= (uint32_t) crypt64_value(text[i]) << (6 * i);
	return true;
}

/* One character of six bits. */
static bool
read_6_bits(HashReader *r, uint32_t *value)
{
	const char *text;
	size_t		len;

	if (!read_crypt64(r, 1, 1, &text, &len))
		return false;
	*value = (uint32_t) crypt64_value(*text);
	return true;
}

static bool
note_scrypt_cost(LegacyHash *hash, uint32_t log2_n, uint32_t r, uint32_t p)
{
	if (log2_n == 0 || r == 0 || p == 0)
		return false;
	/* what is beyond 2^31 bytes anyway needs no exact number */
	hash->n = (uint64_t) 1 << (log2_n < 31 ? log2_n : 31);
	hash->r = r;
	hash->p = p;
	return true;
}

/* "$7$" log2 of N, r, p, salt "$" */
bool
crypt_read_scrypt(HashReader *r, LegacyHash *hash)
{
	const char *start = r->pos;
	uint32_t	log2_n;
	uint32_t	block;
	uint32_t	parallelism;

	return read_literal(r, "$7$") && read_6_bits(r, &log2_n) &&
		read_30_bits(r, &block) && read_30_bits(r, &parallelism) &&
		note_scrypt_cost(hash, log2_n, block, parallelism) &&
		read_salt(r, SCRYPT_SALT_CHARS, start, hash);
}

/*
 * Is it base64 of whole bytes?  yescrypt takes no other salt: the bits that are
 * left over, the highest of the last character, are zero.
 */
static bool
is_whole_bytes(const char *salt, size_t len)
{
	switch (len % 4)
	{
		case 0:
			return true;
		case 2:
			return crypt64_value(salt[len - 1]) < 4;
		case 3:
			return crypt64_value(salt[len - 1]) < 16;
	}
	return false;
}

/*
 * "$y$j" log2 of N less one, r less one, "$" salt "$"
 *
 * j is the flavour that crypt_gensalt() makes.  It makes no optional
 * parameters, nor a number that is more than one character, which the last
 * sixteen of the alphabet begin.
 */
bool
crypt_read_yescrypt(HashReader *r, LegacyHash *hash)
{
	const char *start = r->pos;
	const char *salt;
	uint32_t	log2_n;
	uint32_t	block;

	if (!read_literal(r, "$y$j") ||
		!read_6_bits(r, &log2_n) || log2_n >= 48 ||
		!read_6_bits(r, &block) || block >= 48 ||
		!note_scrypt_cost(hash, log2_n + 1, block + 1, 1) ||
		!read_literal(r, "$"))
		return false;
	salt = r->pos;
	return read_salt(r, SCRYPT_SALT_CHARS, start, hash) &&
		is_whole_bytes(salt, (size_t) (r->pos - salt - 1));
}

/*
 * crypt_rn() of the passphrase.  Its result ends with the digest; of what comes
 * before, bcrypt rewrites bits that it does not use.  Only the pointer tells
 * whether it failed: errno may be set all the same.  The setting is one that
 * libxcrypt takes, so a failure is want of memory.
 */
static PasswordStatus
crypt_digest(const char *passphrase, const LegacyHash *hash,
			 uint8_t digest[LEGACY_DIGEST_MAX])
{
	size_t		setting_len = strlen(hash->setting);
	struct crypt_data *data = calloc(1, sizeof(*data));
	PasswordStatus status = PASSWORD_NO_MEMORY;
	const char *made;

	if (data == NULL)
		return PASSWORD_NO_MEMORY;
	made = crypt_rn(passphrase, hash->setting, data, (int) sizeof(*data));
	if (made != NULL && strlen(made) == setting_len + hash->digest_len)
	{
		memcpy(digest, made + setting_len, hash->digest_len);
		status = PASSWORD_OK;
	}
	sodium_memzero(data, sizeof(*data));
	free(data);
	return status;
}

/*
 * The digest of the password.  One that is longer than libxcrypt takes, or has
 * a NUL in it, is no password of such a hash.
 */
PasswordStatus
crypt_hash_compute(const char *password, size_t len, const LegacyHash *hash,
				   uint8_t digest[LEGACY_DIGEST_MAX])
{
	char		passphrase[CRYPT_MAX_PASSPHRASE_SIZE];
	PasswordStatus status;

	if (hash->function == LEGACY_BCRYPT)
	{
		if (!bcrypt_input(password, len, hash, passphrase))
			return PASSWORD_NO_MEMORY;
	}
	else if (len < sizeof(passphrase))
	{
		memcpy(passphrase, password, len);
		passphrase[len] = '\0';
	}
	else
		return PASSWORD_MISMATCH;

	status = memchr(password, '\0', len) != NULL ? PASSWORD_MISMATCH
		: crypt_digest(passphrase, hash, digest);
	sodium_memzero(passphrase, sizeof(passphrase));
	return status;
}
