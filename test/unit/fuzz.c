/*
 * Mutations of valid and invalid input through the parsers: the same ones in
 * each run.  FUZZ_RUNS asks for more than the usual number for each input.
 *
 * libFuzzer: clang -DLIBFUZZER -fsanitize=fuzzer; palloc() leaks, so -fork=1.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <sodium.h>

#include "fixture.h"
#include "jwt.h"
#include "phc.h"
#include "stored_hash.h"
#include "tap.h"

#define LEEWAY		(60 * MICROS_PER_SECOND)
#define INPUT_MAX	2048

static uint8_t secret_key[64];
static TrustedKey key = {RFC8037_KID, ISSUER, {0}, INT64_MIN, INT64_MAX};
static const TrustedKeySet keys = {1, &key};
static const JwtContext context = {&keys, AUDIENCE, NOW, LEEWAY};
static char *valid_token;

extern int	LLVMFuzzerInitialize(int *argc, char ***argv);
extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must be true of every input. */
#define require(condition) \
	do { \
		if (!(condition)) \
			violated(#condition, text, len); \
	} while (0)

static void
violated(const char *condition, const char *text, size_t len)
{
	fprintf(stderr, "#   not true: %s\n#   of ", condition);
	for (size_t i = 0; i < len; i++)
		fprintf(stderr, text[i] > ' ' && text[i] <= '~' ? "%c" : "\\%03o",
				(uint8_t) text[i]);
	fputc('\n', stderr);
	abort();
}

/* A string that is read is the only way to write what was read. */
static bool
check_phc(const char *text, size_t len)
{
	Argon2Phc	phc;
	char		salt[128];
	char		hash[128];
	char		again[512];

	if (phc_parse(text, len, &phc) != HASH_OK)
		return false;
	sodium_bin2base64(salt, sizeof(salt), phc.salt, phc.salt_len,
					  sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	sodium_bin2base64(hash, sizeof(hash), phc.hash, phc.hash_len,
					  sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	snprintf(again, sizeof(again), "$argon2%s$v=19$m=%u,t=%u,p=%u$%s$%s",
			 phc.is_argon2id ? "id" : "i", phc.memory_kib, phc.iterations,
			 phc.parallelism, salt, hash);
	require(strlen(again) == len && memcmp(again, text, len) == 0);
	require(phc.parallelism > 0 && phc.memory_kib >= 8 * phc.parallelism);
	require(phc.iterations > 0 && phc.memory_kib <= PHC_MEMORY_MAX_KIB);
	return true;
}

/* Does a hash cost so little that the fuzzer can afford it? */
static bool
is_cheap(const LegacyHash *hash)
{
	return hash->work <= (hash->function == LEGACY_BCRYPT ? 32 : 1000);
}

/* What is read of another program's hash, libcrypt and the others can compute. */
static bool
check_legacy(const char *text, size_t len)
{
	LegacyHash	hash;
	LegacyHash	setting;
	uint8_t		digest[LEGACY_DIGEST_MAX];

	if (legacy_hash_parse(text, len, &hash) != HASH_OK)
		return false;
	require(hash.setting_len < len && hash.digest_len <= sizeof(digest));
	require(legacy_setting_parse(text, hash.setting_len, &setting) == HASH_OK);
	require(setting.function == hash.function && setting.work == hash.work);
	require(legacy_setting_parse(text, len, &setting) == HASH_MALFORMED);
	require(legacy_affordable(&hash));
	if (is_cheap(&hash))
		require(legacy_hash_compute("password", 8, &hash, digest) ==
				PASSWORD_OK);
	return true;
}

/* A string is of one kind, and its class within the bounds of that. */
static bool
check_stored(const char *text, size_t len)
{
	StoredHash	hash;
	uint64_t	class;

	if (stored_hash_parse(text, &hash) != HASH_OK)
		return false;
	require(hash.name != NULL);
	class = stored_hash_class(&hash);
	require((class == 0) == (hash.kind == STORED_UNUSABLE));
	require(class <= INT64_MAX && class >> 46 < 64);
	return true;
}

static bool
check_json(const char *text, size_t len)
{
	StrictJsonObject *object = strict_json_read(text, len);

	if (object == NULL)
		return false;
	require(object->nmembers <= STRICT_JSON_MAX_MEMBERS);
	for (int i = 0; i < object->nmembers; i++)
	{
		StrictJsonMember *m = &object->members[i];

		require(strict_json_get(object, m->name) == m);
		require((m->value == NULL) == (m->type == STRICT_JSON_STRINGS ||
									   m->type == STRICT_JSON_OTHER));
		require(m->type != STRICT_JSON_NUMBER ||
				strlen(m->value) <= STRICT_JSON_MAX_NUMBER);
		for (int j = 0; j < m->nstrings; j++)
			require(strlen(m->strings[j]) < len);
	}
	return true;
}

/* Nobody but the key's holder makes tokens, and a token has one spelling. */
static bool
check_token(const char *text, size_t len)
{
	VerifiedToken verified;

	if (jwt_verify(text, len, &context, &verified) != JWT_OK)
		return false;
	require(len == strlen(valid_token) && memcmp(text, valid_token, len) == 0);
	return true;
}

/* The input as claims, and as a header, under a signature that holds. */
static bool
check_signed(const char *text, size_t len)
{
	char	   *token = jwt_sign(RFC8037_KID, text, len, secret_key);
	VerifiedToken verified;
	JwtStatus	status = jwt_verify(token, strlen(token), &context, &verified);
	bool		accepted = status == JWT_OK;

	require(status != JWT_HEADER_REFUSED && status != JWT_UNKNOWN_KEY &&
			status != JWT_WRONG_SIGNATURE);
	if (accepted)
	{
		require(strcmp(verified.claims.issuer, ISSUER) == 0);
		require(*verified.claims.subject != '\0');
		require(NOW - LEEWAY < verified.claims.expires_at);
		require(NOW + LEEWAY >= verified.claims.not_before);
		require(NOW + LEEWAY >= verified.claims.issued_at);
		require(strlen(verified.payload) == len);
	}
	/* as text the input ends at its first NUL */
	token = signed_token(text, payload_with("", NULL), secret_key);
	status = jwt_verify(token, strlen(token), &context, &verified);
	require(status != JWT_CLAIMS_MALFORMED);
	return accepted || status == JWT_OK;
}

static bool
accepted_somewhere(const uint8_t *data, size_t size)
{
	char	   *exact = exact_copy(data, size);
	char	   *text = malloc(size + 1);
	bool		accepted;

	memcpy(text, data, size);
	text[size] = '\0';
	accepted = check_phc(exact, size);
	accepted |= check_legacy(exact, size);
	accepted |= check_stored(text, size);
	accepted |= check_token(exact, size);
	accepted |= check_json(text, size);
	accepted |= check_signed(text, size);
	free(exact);
	free(text);
	return accepted;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (sodium_init() < 0)
		abort();
	rfc8037_key(key.public_key, secret_key);
	valid_token = signed_token(header_with("", NULL), payload_with("", NULL),
							   secret_key);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size <= INPUT_MAX)
		accepted_somewhere(data, size);
	return 0;
}

#ifndef LIBFUZZER

static uint64_t random_state;

/* xorshift64: good enough to choose with, and the same everywhere */
static size_t
choose(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (size_t) (random_state >> 11) % n;
}

static const char *const words[] = {
	"\"", "\\", "{", "}", "[", "]", ":", ",", ".", "$", "=", "-", "_", "/",
	"+", "0", "9", "1e999", "e99", "null", "true", "\\u0000", "\\u0061",
	"\\ud800", "\\ud83d\\ude00", "\377", "\300\200", "\355\240\200",
	"\357\273\277", "\303\251", "\"a\":1,", "[[[[[[[[", "{\"a\":{\"a\":",
	"\"exp\":1,", "\"alg\":\"none\"", "EdDSA", "4294967296", "$v=16",
	"99999999999999999999999999999999999999999", "\t", "\n", " "
};

/* Replace n bytes at a place by m others. */
static size_t
splice(uint8_t *data, size_t size, size_t at, size_t n,
	   const void *with, size_t m)
{
	if (n > size - at)
		n = size - at;
	if (size - n + m > INPUT_MAX)
		return size;
	memmove(data + at + m, data + at + n, size - at - n);
	memcpy(data + at, with, m);
	return size - n + m;
}

static size_t
mutate(uint8_t *data, size_t size)
{
	size_t		at = choose(size + 1);
	const char *word = words[choose(sizeof(words) / sizeof(words[0]))];
	uint8_t		piece[32];
	uint8_t		byte = (uint8_t) choose(256);

	switch (choose(6))
	{
		case 0:
			if (at < size)
				data[at] ^= (uint8_t) (1 << choose(8));
			return size;
		case 1:
			return splice(data, size, at, 1, &byte, 1);
		case 2:
			return splice(data, size, at, choose(8), "", 0);
		case 3:
			return splice(data, size, at, 0, word, strlen(word));
		case 4:
			return splice(data, size, at, strlen(word), word, strlen(word));
		default:
			if (size < sizeof(piece))
				return size;
			memcpy(piece, data + choose(size - sizeof(piece) + 1),
				   sizeof(piece));
			return splice(data, size, at, 0, piece, choose(sizeof(piece)));
	}
}

/* A child, so that a crash is told and memory comes back. */
static bool
survives(const char *input, int runs)
{
	uint8_t		data[INPUT_MAX];
	int			status;
	pid_t		pid = fork();

	if (pid == 0)
	{
		random_state = 0x9e3779b97f4a7c15;
		for (int i = 0; i < runs; i++)
		{
			size_t		size = strlen(input);

			memcpy(data, input, size);
			for (size_t n = choose(4) + 1; n > 0; n--)
				size = mutate(data, size);
			LLVMFuzzerTestOneInput(data, size);
		}
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void
test_input(const char *name, const char *input)
{
	const char *asked = getenv("FUZZ_RUNS");

	ok(accepted_somewhere((const uint8_t *) input, strlen(input)),
	   "%s is accepted", name);
	ok(survives(input, asked != NULL ? atoi(asked) : 1000),
	   "%s, mutated", name);
}

/* One of each way to be written; and one that is wrapped. */
static void
test_legacy_inputs(void)
{
	static const char *const hashes[] = {
		"$2b$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$bcrypt-sha256$v=2,t=2b,r=4$5Hg1DKFqPE8C2aflZ5vVoe$wOK1VFFtS8IGTrGa7.h5fs0u84qyPbS",
		"$1$5pZSV9va$azfrPr6af3Fc7dLblQXVa0",
		"$5$rounds=1000$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
		"$7$26..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D",
		"$y$j/.$LdJMENpBABJJ3hIHjB1Bi.$9bzSqsy.tgf3vABDP.Wuq0kUG2dQzR03IMMoqvle5I0",
		"pbkdf2_sha1$10$salt$SwB5AbdlSJq+rUnZJvch0GWkKcE=",
		"$pbkdf2$12$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI",
		"$scrypt$ln=2,r=8,p=1$wlhLyXmP8b53bm1NKYVQqg$mTpvG8lzuuDk+DWz8HZIB6Vum6erDuUm0As5yU+VxWA",
		"scrypt$2$salt$8$5$z3dOO9MpBUs3s0ewhDxKPHeDmF3pXIkwJtk4HLMGypfqLISFEWWrTobadY0aC/pGWcS1qimug3PUy1ppsYs5cA==",
		"$dualdb-wrapped$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Gpj7qOY5RCXJvcMzqcdQqvgR3wcPX7SleI4c9NtXk6E"
		"$$2b$05$CCCCCCCCCCCCCCCCCCCCC."
	};

	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		test_input(hashes[i], hashes[i]);
}

int
main(void)
{
	LLVMFuzzerInitialize(NULL, NULL);
	test_input("a token", valid_token);
	test_input("a header", header_with("", NULL));
	test_input("a header without kid", header_with("kid", NULL));
	test_input("claims", payload_with("", NULL));
	test_input("claims for two",
			   payload_with("aud", "['https://b.example','" AUDIENCE "']"));
	test_input("claims with an exponent", payload_with("exp", "1.8000006e9"));
	test_input("claims with escapes",
			   payload_with("roles", "['user','\\u00e9\\ud83d\\ude00']"));
	test_input("values of all types",
			   json("{'a':[1,-2.5e+3,true,false,null,'',{'b':[[]]}],'c':{}}"));
	test_input("an empty object", "{}");
	test_input("a hash", "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA"
			   "$Gpj7qOY5RCXJvcMzqcdQqvgR3wcPX7SleI4c9NtXk6E");
	test_input("a foreign hash", "$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ"
			   "$RdescudvJCsgt3ub+b+dWRWJTmaaJObG");
	test_legacy_inputs();
	return done_testing();
}

#endif
