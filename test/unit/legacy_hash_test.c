/*
 * Hashes of other programs: their published vectors, each way of being
 * malformed, and the caps on what a stored hash may cost.
 */
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "fixture.h"
#include "legacy_hash.h"
#include "tap.h"

#define BCRYPT_SALT	"CCCCCCCCCCCCCCCCCCCCC."
#define BCRYPT_TAIL	BCRYPT_SALT "E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
#define PASSLIB_V1	"$5Hg1DKFqPE8C2aflZ5vVoe$12BjNE0p7axMg55.Y/mHsYiVuFBDQyu"
#define PASSLIB_V2	"$5Hg1DKFqPE8C2aflZ5vVoe$wOK1VFFtS8IGTrGa7.h5fs0u84qyPbS"
#define CHARS43		"5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"
#define CHARS86		CHARS43 CHARS43
#define BASE64_20	"SwB5AbdlSJq+rUnZJvch0GWkKcE="
#define BASE64_64	"0Zexsz2wFD4BixLz0dFHnmzevcyXxcD4f2kC4HL0V7UUPzBgJkGz1VzTNZiMs2uEN2Bg7NUy4Dm3QqI5Q0ry1Q=="
#define HEX_20		"4b007901b765489abead49d926f721d065a429c1"
#define HEX_64 \
	"f7c278f7f739ad5077f0a82b9a3d67831a7d1b05bc7b8e41fd9d55eb65c87a3f" \
	"51cefaa870eda509939a162697e744990e3143cfc78ed746f2f981bb61c569e2"
#define SCRYPT_TAIL	"$wlhLyXmP8b53bm1NKYVQqg$mTpvG8lzuuDk+DWz8HZIB6Vum6erDuUm0As5yU+VxWA"
#define SALT16		"0123456789abcdef"
#define SALT128		SALT16 SALT16 SALT16 SALT16 SALT16 SALT16 SALT16 SALT16

/* The rest of the formats is in test/sql/legacy_hashes.sql. */
static const struct
{
	const char *name;
	const char *password;
	const char *hash;
}			vectors[] = {
	{"bcrypt, empty", "",
	"$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy"},
	{"bcrypt, 2y, a byte beyond ASCII", "\xa3",
	"$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq"},
	{"bcrypt, 2x, which signs that byte", "\xa3",
	"$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"},
	{"bcrypt, 72 bytes and more",
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		"chars after 72 are ignored",
	"$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"},
	{"passlib's bcrypt_sha256, version 1", "password",
	"$bcrypt-sha256$2b,5" PASSLIB_V1},
	{"passlib's bcrypt_sha256, version 2", "password",
	"$bcrypt-sha256$v=2,t=2b,r=5" PASSLIB_V2},
	{"SHA-256-crypt", "Hello world!", "$5$saltstring$" CHARS43},
	{"scrypt of RFC 7914, by libxcrypt", "pleaseletmein",
	"$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D"},
	{"PBKDF2 of RFC 6070", "password",
	"pbkdf2_sha1$4096$salt$" BASE64_20},
	{"the same for Werkzeug", "password", "pbkdf2:sha1:4096$salt$" HEX_20},
	{"scrypt", "test", "$scrypt$ln=8,r=8,p=1" SCRYPT_TAIL}
};

static const struct
{
	const char *name;
	const char *hash;
	HashStatus	status;
}			cases[] = {
	{"empty", "", HASH_UNKNOWN},
	{"plain text", "password", HASH_UNKNOWN},
	{"traditional DES", "CCNf8Sbh3HDfQ", HASH_UNKNOWN},
	{"BSDi DES", "_J9..CCCCXBrJUJV154M", HASH_UNKNOWN},
	{"NT hash", "$3$$8846f7eaee8fb117ad06bdd830b7586c", HASH_UNKNOWN},
	{"gost-yescrypt", "$gy$j9T$" SALT16 "$" CHARS43, HASH_UNKNOWN},
	{"SHA-1-crypt", "$sha1$40000$jtNX3nZ2$hBNaIXkt4wBI2o5rsi8KejSjNqIq",
	HASH_UNKNOWN},
	{"locked", "*", HASH_UNKNOWN},
	{"Django's MD5", "md5$salt$0123456789abcdef0123456789abcdef",
	HASH_UNKNOWN},
	{"leading blank", " $2b$05$" BCRYPT_TAIL, HASH_UNKNOWN},

	{"bcrypt", "$2b$05$" BCRYPT_TAIL, HASH_OK},
	{"bcrypt 2", "$2$05$" BCRYPT_TAIL, HASH_UNKNOWN},
	{"bcrypt 2c", "$2c$05$" BCRYPT_TAIL, HASH_UNKNOWN},
	{"bcrypt 2B", "$2B$05$" BCRYPT_TAIL, HASH_UNKNOWN},
	{"bcrypt of cost 3", "$2b$03$" BCRYPT_TAIL, HASH_MALFORMED},
	{"bcrypt of cost 15", "$2b$15$" BCRYPT_TAIL, HASH_OK},
	{"bcrypt of cost 16", "$2b$16$" BCRYPT_TAIL, HASH_TOO_COSTLY},
	{"bcrypt of cost 31", "$2b$31$" BCRYPT_TAIL, HASH_TOO_COSTLY},
	{"bcrypt of cost 32", "$2b$32$" BCRYPT_TAIL, HASH_MALFORMED},
	{"bcrypt of cost 5, one digit", "$2b$5$" BCRYPT_TAIL, HASH_MALFORMED},
	{"bcrypt of cost 005", "$2b$005$" BCRYPT_TAIL, HASH_MALFORMED},
	{"bcrypt of cost +5", "$2b$+5$" BCRYPT_TAIL, HASH_MALFORMED},
	{"bcrypt, a foreign character", "$2b$05$=" BCRYPT_TAIL, HASH_MALFORMED},
	{"bcrypt, one too many", "$2b$05$" BCRYPT_TAIL ".", HASH_MALFORMED},
	{"bcrypt, something after it", "$2b$05$" BCRYPT_TAIL "$", HASH_MALFORMED},
	{"Django's bcrypt without bcrypt", "bcrypt$$5$saltstring$" CHARS43,
	HASH_MALFORMED},
	{"Django's bcrypt around DES", "bcrypt$CCNf8Sbh3HDfQ", HASH_MALFORMED},
	{"Django's bcrypt_sha256 of cost 16", "bcrypt_sha256$$2b$16$" BCRYPT_TAIL,
	HASH_TOO_COSTLY},
	{"WordPress's with another variant", "$wp$2b$05$" BCRYPT_TAIL,
	HASH_UNKNOWN},
	{"passlib's version 1 of cost 16", "$bcrypt-sha256$2b,16" PASSLIB_V1,
	HASH_TOO_COSTLY},
	{"passlib's version 1 with a zero", "$bcrypt-sha256$2b,05" PASSLIB_V1,
	HASH_MALFORMED},
	{"passlib's version 2 of 2a", "$bcrypt-sha256$v=2,t=2a,r=5" PASSLIB_V2,
	HASH_MALFORMED},
	{"passlib's version 3", "$bcrypt-sha256$v=3,t=2b,r=5" PASSLIB_V2,
	HASH_UNKNOWN},

	{"MD5-crypt", "$1$5pZSV9va$azfrPr6af3Fc7dLblQXVa0", HASH_OK},
	{"MD5-crypt, a salt of 9", "$1$5pZSV9vaa$azfrPr6af3Fc7dLblQXVa0",
	HASH_MALFORMED},
	{"MD5-crypt, no salt", "$1$$azfrPr6af3Fc7dLblQXVa0", HASH_MALFORMED},
	{"SHA-crypt, a salt of 16", "$5$" SALT16 "$" CHARS43, HASH_OK},
	{"SHA-crypt, a salt of 17", "$5$a" SALT16 "$" CHARS43, HASH_MALFORMED},
	{"SHA-crypt, a colon in the salt", "$5$a:b$" CHARS43, HASH_MALFORMED},
	{"SHA-crypt, 1000 rounds", "$6$rounds=1000$salt$" CHARS86, HASH_OK},
	{"SHA-crypt, 999 rounds", "$6$rounds=999$salt$" CHARS86, HASH_MALFORMED},
	{"SHA-crypt, 01000 rounds", "$6$rounds=01000$salt$" CHARS86,
	HASH_MALFORMED},
	{"SHA-crypt, 1000000 rounds", "$6$rounds=1000000$salt$" CHARS86, HASH_OK},
	{"SHA-crypt, 1000001 rounds", "$6$rounds=1000001$salt$" CHARS86,
	HASH_TOO_COSTLY},
	{"SHA-crypt, 2^32 + 1000 rounds", "$6$rounds=4294968296$salt$" CHARS86,
	HASH_MALFORMED},
	{"SHA-crypt, a digest too short", "$6$salt$" CHARS43, HASH_MALFORMED},

	{"libxcrypt's scrypt, 256 MiB", "$7$G6..../....salt$" CHARS43, HASH_OK},
	{"libxcrypt's scrypt, 512 MiB", "$7$H6..../....salt$" CHARS43,
	HASH_TOO_COSTLY},
	{"libxcrypt's scrypt, N of 1", "$7$.6..../....salt$" CHARS43,
	HASH_MALFORMED},
	{"libxcrypt's scrypt, r of 0", "$7$C...../....salt$" CHARS43,
	HASH_MALFORMED},
	{"libxcrypt's scrypt, p of 0", "$7$C6.........salt$" CHARS43,
	HASH_MALFORMED},
	{"libxcrypt's scrypt, all of the highest", "$7$zzzzzzzzzzzsalt$" CHARS43,
	HASH_TOO_COSTLY},
	{"yescrypt, 256 MiB", "$y$jDT$" SALT16 "$" CHARS43, HASH_OK},
	{"yescrypt, 512 MiB", "$y$jET$" SALT16 "$" CHARS43, HASH_TOO_COSTLY},
	{"yescrypt, another flavour", "$y$i9T$" SALT16 "$" CHARS43,
	HASH_MALFORMED},
	{"yescrypt, more parameters", "$y$j9T/.$" SALT16 "$" CHARS43,
	HASH_MALFORMED},
	{"yescrypt, a number of two characters", "$y$j9z.$" SALT16 "$" CHARS43,
	HASH_MALFORMED},
	{"yescrypt, a salt of one character", "$y$j75$.$" CHARS43, HASH_MALFORMED},
	{"yescrypt, a salt with bits left over", "$y$j75$zz$" CHARS43,
	HASH_MALFORMED},

	{"PBKDF2, 5000000 iterations", "pbkdf2_sha1$5000000$salt$" BASE64_20,
	HASH_OK},
	{"PBKDF2, 5000001 iterations", "pbkdf2_sha1$5000001$salt$" BASE64_20,
	HASH_TOO_COSTLY},
	{"PBKDF2, 2^32 + 1 iterations", "pbkdf2_sha1$4294967297$salt$" BASE64_20,
	HASH_MALFORMED},
	{"PBKDF2, no iterations", "pbkdf2_sha1$0$salt$" BASE64_20,
	HASH_MALFORMED},
	{"PBKDF2, -1 iterations", "pbkdf2_sha1$-1$salt$" BASE64_20,
	HASH_MALFORMED},
	{"PBKDF2, no salt", "pbkdf2_sha1$1000$$" BASE64_20, HASH_MALFORMED},
	{"PBKDF2, a salt of 128", "pbkdf2_sha1$1000$" SALT128 "$" BASE64_20,
	HASH_OK},
	{"PBKDF2, a salt of 129", "pbkdf2_sha1$1000$a" SALT128 "$" BASE64_20,
	HASH_MALFORMED},
	{"PBKDF2, another digest", "pbkdf2_sha256$1000$salt$" BASE64_20,
	HASH_MALFORMED},
	{"PBKDF2, padding lost", "pbkdf2_sha1$1000$salt$SwB5AbdlSJq+rUnZJvch0GWkKcE",
	HASH_MALFORMED},
	{"PBKDF2, bits left over",
	"pbkdf2_sha1$1000$salt$SwB5AbdlSJq+rUnZJvch0GWkKcF=", HASH_MALFORMED},
	{"PBKDF2, hexadecimal in capitals",
	"pbkdf2:sha1:1000$salt$4B007901B765489ABEAD49D926F721D065A429C1",
	HASH_MALFORMED},
	{"PBKDF2, half a byte", "pbkdf2:sha1:1000$salt$" HEX_20 "0",
	HASH_MALFORMED},
	{"PBKDF2 with MD5", "pbkdf2:md5:1000$salt$" HEX_20, HASH_UNKNOWN},
	{"passlib's PBKDF2", "$pbkdf2$1000$c2FsdA$SwB5AbdlSJq.rUnZJvch0GWkKcE",
	HASH_OK},
	{"passlib's PBKDF2, + for .",
	"$pbkdf2$1000$c2FsdA$SwB5AbdlSJq+rUnZJvch0GWkKcE", HASH_MALFORMED},

	{"scrypt, 256 MiB", "$scrypt$ln=18,r=8,p=1" SCRYPT_TAIL, HASH_OK},
	{"scrypt, 512 MiB", "$scrypt$ln=19,r=8,p=1" SCRYPT_TAIL, HASH_TOO_COSTLY},
	{"scrypt, 256 MiB four times", "$scrypt$ln=18,r=8,p=4" SCRYPT_TAIL,
	HASH_OK},
	{"scrypt, 256 MiB five times", "$scrypt$ln=18,r=8,p=5" SCRYPT_TAIL,
	HASH_TOO_COSTLY},
	{"scrypt, a small N and a large p", "$scrypt$ln=1,r=1,p=131073" SCRYPT_TAIL,
	HASH_TOO_COSTLY},
	{"scrypt, ln of 64", "$scrypt$ln=64,r=8,p=1" SCRYPT_TAIL,
	HASH_TOO_COSTLY},
	{"scrypt, ln of 0", "$scrypt$ln=0,r=8,p=1" SCRYPT_TAIL, HASH_MALFORMED},
	{"scrypt, all of the highest",
	"$scrypt$ln=999999999,r=999999999,p=999999999" SCRYPT_TAIL,
	HASH_TOO_COSTLY},
	{"scrypt, another order", "$scrypt$r=8,ln=8,p=1" SCRYPT_TAIL,
	HASH_MALFORMED},
	{"Django's scrypt", "scrypt$16384$salt$8$5$" BASE64_64, HASH_OK},
	{"Django's scrypt, N no power of 2", "scrypt$16383$salt$8$5$" BASE64_64,
	HASH_MALFORMED},
	{"Django's scrypt, N of 1", "scrypt$1$salt$8$5$" BASE64_64,
	HASH_MALFORMED},
	{"Django's scrypt, 1 GiB", "scrypt$1048576$salt$8$1$" BASE64_64,
	HASH_TOO_COSTLY},
	{"Werkzeug's scrypt", "scrypt:32768:8:1$salt$" HEX_64, HASH_OK},
	{"Werkzeug's scrypt, r of 0", "scrypt:32768:0:1$salt$" HEX_64,
	HASH_MALFORMED},
	{"better-auth's scrypt", SALT16 SALT16 ":" HEX_64, HASH_OK},
	{"better-auth's scrypt, a shorter salt", SALT16 "0:" HEX_64, HASH_UNKNOWN},
	{"better-auth's scrypt, a shorter hash", SALT16 SALT16 ":" HEX_20,
	HASH_MALFORMED},
	{"better-auth's scrypt, capitals",
	"0123456789ABCDEF" SALT16 ":" HEX_64, HASH_UNKNOWN}
};

/* Parse from memory that ends with the string. */
static HashStatus
parse(const char *text, size_t len, LegacyHash *hash)
{
	char	   *copy = exact_copy(text, len);
	HashStatus	status = legacy_hash_parse(copy, len, hash);

	free(copy);
	return status;
}

static PasswordStatus
verify(const char *hash, const char *password, size_t len)
{
	LegacyHash	parsed;
	char	   *copy = exact_copy(password, len);
	PasswordStatus status;

	if (parse(hash, strlen(hash), &parsed) != HASH_OK)
		abort();
	status = legacy_hash_verify(copy, len, &parsed);
	free(copy);
	return status;
}

static void
test_vectors(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		const char *password = vectors[i].password;
		const char *hash = vectors[i].hash;
		char	   *altered = strdup(hash);

		is_int(verify(hash, password, strlen(password)), PASSWORD_OK,
			   "%s: the password", vectors[i].name);
		is_int(verify(hash, "Password", 8), PASSWORD_MISMATCH,
			   "%s: another password", vectors[i].name);
		altered[strlen(hash) - 10] = hash[strlen(hash) - 10] == '0' ? '1' : '0';
		is_int(verify(altered, password, strlen(password)), PASSWORD_MISMATCH,
			   "%s: another digest", vectors[i].name);
		free(altered);
	}
}

/* A hash cut short is never read: all digests have one length. */
static void
test_cut(const char *name, const char *hash)
{
	LegacyHash	parsed;
	bool		refused = true;

	for (size_t len = 0; len < strlen(hash); len++)
		refused &= parse(hash, len, &parsed) != HASH_OK;
	ok(refused, "%s: cut short anywhere it is refused", name);
}

static void
test_cases(void)
{
	LegacyHash	parsed;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		is_int(parse(cases[i].hash, strlen(cases[i].hash), &parsed),
			   cases[i].status, "%s", cases[i].name);
		if (cases[i].status == HASH_OK)
			test_cut(cases[i].name, cases[i].hash);
	}
}

/* What crypt(3) would take for something else, or not at all. */
static void
test_passwords(void)
{
	char		longest[1024];
	static const char *const crypts[] = {
		"$2b$05$" BCRYPT_TAIL, "$5$saltstring$" CHARS43,
		"$1$5pZSV9va$azfrPr6af3Fc7dLblQXVa0"
	};

	memset(longest, 'x', sizeof(longest));
	for (size_t i = 0; i < sizeof(crypts) / sizeof(crypts[0]); i++)
		is_int(verify(crypts[i], longest, sizeof(longest)), PASSWORD_MISMATCH,
			   "1024 bytes for %s", crypts[i]);
	is_int(verify(crypts[0], "U*U", 3), PASSWORD_OK, "bcrypt: the password");
	is_int(verify(crypts[0], "U*U\0", 4), PASSWORD_MISMATCH,
		   "with a NUL after it");
}

int
main(void)
{
	if (sodium_init() < 0)
		return 1;
	test_vectors();
	test_cases();
	test_passwords();
	return done_testing();
}
