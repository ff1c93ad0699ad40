/*
 * argon2: hashes of other programs, the whole password counting, and want of
 * memory told apart from a wrong password.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <sodium.h>

#include "argon2.h"
#include "tap.h"

#define MIB		1024			/* KiB */

/* One path computes the hash, the other leaves the string to libsodium. */
#define COMPUTED \
	"$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA" \
	"$Gpj7qOY5RCXJvcMzqcdQqvgR3wcPX7SleI4c9NtXk6E"
#define FOREIGN \
	"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ" \
	"$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"
#define FOREIGN_256_MIB \
	"$argon2id$v=19$m=262144,t=1,p=1$c29tZXNhbHQ" \
	"$aJ554/e2qIXeTF4yIQ5dsbiqq7ERE2tGm1SSLTNIxlo"
#define FOREIGN_64_MIB \
	"$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ" \
	"$RdescudvJCsgt3ub+b+dWRWJTmaaJObG"

/* By passlib, libsodium's own tests and the reference implementation. */
static const struct
{
	const char *name;
	const char *password;
	const char *str;
}			vectors[] = {
	{"two lanes", "password", FOREIGN},
	{"argon2i, four lanes", "password", FOREIGN_64_MIB},
	{"argon2i, two lanes, 16 bytes", "password",
		"$argon2i$v=19$m=380,t=2,p=2$c29tZXNhbHQ$SrssP8n7m/12VWPM8dvNrw"},
	{"three lanes", "K3S=KyH#)36_?]LxeR8QNKw6X=gFbxai$C%29V*",
		"$argon2id$v=19$m=4096,t=1,p=3$PkEgcHJldHR5IGxvbmcgc2FsdA"
	"$HUqx5Z1b/ZypnUrvvJ5UC2Q+T6Q1WwASK/Kr9dRbGA0"},
	{"four lanes, a salt of 16 bytes", "password",
		"$argon2id$v=19$m=1024,t=1,p=4$c29tZXNhbHRzb21lc2FsdA"
	"$YmYbTIGo4hfHeyS7MDlLj1P7mvUqCWhWZg1+5BY9XAk"},
	{"one lane, a salt of 8 bytes", "password",
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ"
	"$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"},
	{"one lane, a salt of 16 bytes", "password", COMPUTED},
	{"argon2i, three iterations", "password",
		"$argon2i$v=19$m=64,t=3,p=1$c29tZXNhbHRzb21lc2FsdA"
	"$p78s61wd8/p+fCQD4IvROZ47yMfZ3LT2XpCts/ezyG4"},
	{"argon2i, two iterations", "password",
		"$argon2i$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA"
	"$pbigQcuZHII9wPBZI5URmc0Lp86D/tE0caICkLhLFTQ"},
	{"a hash of 64 bytes", "password",
		"$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA"
		"$MSnpfE5IEU9ZwVYuZZYCIsKrWl3QvwQ8ZCDXEqX2BI8qWoTIV5DlDFS88f/kf5Yq"
	"Xq5DS0mN2awDSD7g8ePAcA"},
	{"a hash of 16 bytes", "password",
		"$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA"
	"$eSqXvpoaUP6jbXltItIBAw"}
};

static Argon2Phc
parsed(const char *str)
{
	Argon2Phc	phc;

	if (phc_parse(str, strlen(str), &phc) != HASH_OK)
		abort();
	return phc;
}

static PasswordStatus
verify(const char *str, const char *password, size_t len)
{
	Argon2Phc	phc = parsed(str);

	return argon2_verify(password, len, &phc, str);
}

static void
test_vectors(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		const char *password = vectors[i].password;

		is_int(verify(vectors[i].str, password, strlen(password)), PASSWORD_OK,
			   "%s: the password", vectors[i].name);
		is_int(verify(vectors[i].str, "Password", 8), PASSWORD_MISMATCH,
			   "%s: another password", vectors[i].name);
	}
}

/* Each byte of the password counts, and its end does. */
static void
test_whole_password(const char *path, const char *str)
{
	is_int(verify(str, "password", 8), PASSWORD_OK, "%s: the password", path);
	is_int(verify(str, "passwor", 7), PASSWORD_MISMATCH, "%s: cut", path);
	is_int(verify(str, "password1", 9), PASSWORD_MISMATCH, "%s: longer", path);
	is_int(verify(str, "password\0", 9), PASSWORD_MISMATCH,
		   "%s: with a NUL after it", path);
	is_int(verify(str, "password\0tail", 13), PASSWORD_MISMATCH,
		   "%s: with more after a NUL", path);
	is_int(verify(str, "", 0), PASSWORD_MISMATCH, "%s: empty", path);
}

static void
test_altered_hash(const char *path, const char *str)
{
	char	   *altered = strdup(str);
	char	   *hash = strrchr(altered, '$') + 1;
	bool		refused = true;

	for (char *c = hash; c[1] != '\0'; c++)
	{
		char		was = *c;

		*c = was == 'A' ? 'B' : 'A';
		refused &= verify(altered, "password", 8) == PASSWORD_MISMATCH;
		*c = was;
	}
	ok(refused, "%s: a hash altered anywhere does not match", path);
	is_int(verify(altered, "password", 8), PASSWORD_OK, "%s: unaltered", path);
	free(altered);
}

static void
test_hash(void)
{
	char		str[ARGON2_STRING_SIZE];
	char		again[ARGON2_STRING_SIZE];
	char		password[1024];
	Argon2Phc	phc;

	memset(password, 'x', sizeof(password));
	is_int(argon2_hash(password, sizeof(password), 64, 3, str), PASSWORD_OK,
		   "a password of 1024 bytes is hashed");
	phc = parsed(str);
	ok(phc.is_argon2id && phc.memory_kib == 64 && phc.iterations == 3 &&
	   phc.parallelism == 1 && phc.salt_len == 16 && phc.hash_len == 32,
	   "at the cost wanted");
	is_int(verify(str, password, sizeof(password)), PASSWORD_OK, "it verifies");
	is_int(crypto_pwhash_str_verify(str, password, sizeof(password)), 0,
		   "libsodium agrees");
	password[1023] = 'y';
	is_int(verify(str, password, sizeof(password)), PASSWORD_MISMATCH,
		   "its last byte counts");

	argon2_hash("", 0, 64, 3, str);
	is_int(verify(str, "", 0), PASSWORD_OK, "an empty password is one, too");
	is_int(verify(str, "\0", 1), PASSWORD_MISMATCH, "and not one of a NUL");

	argon2_hash("password", 8, 64, 3, str);
	argon2_hash("password", 8, 64, 3, again);
	ok(strcmp(str, again) != 0, "equal passwords do not look equal");
}

static void
test_needs_rehash(void)
{
	Argon2Phc	phc = parsed(COMPUTED);
	Argon2Phc	other;

	ok(!argon2_needs_rehash(&phc, 64, 2), "a hash of today's cost stays");
	ok(argon2_needs_rehash(&phc, 128, 2), "more memory");
	ok(argon2_needs_rehash(&phc, 32, 2), "less memory");
	ok(argon2_needs_rehash(&phc, 64, 3), "more iterations");
	ok(argon2_needs_rehash(&phc, 64, 1), "fewer iterations");
	other = phc;
	other.is_argon2id = false;
	ok(argon2_needs_rehash(&other, 64, 2), "argon2i");
	other = phc;
	other.parallelism = 2;
	ok(argon2_needs_rehash(&other, 64, 2), "two lanes");
	other = phc;
	other.salt_len = 15;
	ok(argon2_needs_rehash(&other, 64, 2), "a short salt");
	other = phc;
	other.hash_len = 31;
	ok(argon2_needs_rehash(&other, 64, 2), "a short hash");
}

static void
test_decoy(void)
{
	Argon2Phc	decoy;
	Argon2Phc	another;

	argon2_decoy(64, 2, &decoy);
	argon2_decoy(64, 2, &another);
	ok(!argon2_needs_rehash(&decoy, 64, 2), "a decoy costs what is asked");
	ok(memcmp(decoy.hash, another.hash, decoy.hash_len) != 0 &&
	   memcmp(decoy.salt, another.salt, decoy.salt_len) != 0,
	   "no two decoys are alike");
	is_int(argon2_verify("password", 8, &decoy, ""), PASSWORD_MISMATCH,
		   "no password matches a decoy");
	is_int(argon2_verify("", 0, &decoy, ""), PASSWORD_MISMATCH,
		   "nor does the empty one");
}

/* Let this process map no more than so much beyond what it has. */
static void
limit_memory(size_t extra_kib)
{
	FILE	   *statm = fopen("/proc/self/statm", "r");
	size_t		pages = 0;
	struct rlimit limit;

	if (statm == NULL || fscanf(statm, "%zu", &pages) != 1)
		_exit(100);
	fclose(statm);
	limit.rlim_cur = pages * (size_t) sysconf(_SC_PAGESIZE) + extra_kib * 1024;
	limit.rlim_max = limit.rlim_cur;
	if (setrlimit(RLIMIT_AS, &limit) != 0)
		_exit(101);
}

/* argon2_verify(), or argon2_hash() without a string, short of memory. */
static int
limited(size_t extra_kib, const char *str, const char *password)
{
	char		made[ARGON2_STRING_SIZE];
	int			status;
	pid_t		pid = fork();

	if (pid == 0)
	{
		limit_memory(extra_kib);
		if (str != NULL)
			_exit((int) verify(str, password, strlen(password)));
		_exit((int) argon2_hash(password, strlen(password), 64 * MIB, 1, made));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static void
test_no_memory(void)
{
	char		computed[ARGON2_STRING_SIZE];
	bool		told_apart = true;

	argon2_hash("password", 8, 64 * MIB, 1, computed);
	is_int(limited(72 * MIB, NULL, "password"), PASSWORD_OK, "hashed");
	is_int(limited(32 * MIB, NULL, "password"), PASSWORD_NO_MEMORY,
		   "not hashed for want of memory");

	is_int(limited(72 * MIB, computed, "password"), PASSWORD_OK, "computed");
	is_int(limited(72 * MIB, computed, "wrong"), PASSWORD_MISMATCH,
		   "computed, wrong password");
	is_int(limited(32 * MIB, computed, "password"), PASSWORD_NO_MEMORY,
		   "not computed for want of memory");
	is_int(limited(32 * MIB, computed, "wrong"), PASSWORD_NO_MEMORY,
		   "not computed for want of memory, wrong password");

	is_int(limited(72 * MIB, FOREIGN_64_MIB, "password"), PASSWORD_OK,
		   "foreign");
	is_int(limited(72 * MIB, FOREIGN_64_MIB, "wrong"), PASSWORD_MISMATCH,
		   "foreign, wrong password");
	is_int(limited(32 * MIB, FOREIGN_64_MIB, "password"), PASSWORD_NO_MEMORY,
		   "foreign, not verified for want of memory");
	is_int(limited(32 * MIB, FOREIGN_64_MIB, "wrong"), PASSWORD_NO_MEMORY,
		   "foreign, not verified for want of memory, wrong password");

	/* around what is just enough, which is more than the blocks */
	for (size_t kib = 64 * MIB; kib <= 66 * MIB; kib += 128)
		told_apart &= limited(kib, FOREIGN_64_MIB, "password") !=
			PASSWORD_MISMATCH;
	for (size_t kib = 256 * MIB; kib <= 258 * MIB; kib += 256)
		told_apart &= limited(kib, FOREIGN_256_MIB, "password") !=
			PASSWORD_MISMATCH;
	ok(told_apart, "a right password never looks wrong");
	is_int(limited(264 * MIB, FOREIGN_256_MIB, "password"), PASSWORD_OK,
		   "the most that a hash may cost");
}

int
main(void)
{
	if (sodium_init() < 0)
		return 1;
	test_vectors();
	test_whole_password("computed", COMPUTED);
	test_whole_password("foreign", FOREIGN);
	test_altered_hash("computed", COMPUTED);
	test_altered_hash("foreign", FOREIGN);
	test_hash();
	test_needs_rehash();
	test_decoy();
	test_no_memory();
	return done_testing();
}
