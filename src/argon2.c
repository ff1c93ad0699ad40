/*
 * argon2 by libsodium.
 *
 * crypto_pwhash_str_verify() of libsodium 1.0.18 answers "out of memory"
 * exactly as it answers "wrong password", and a user must not be locked out
 * because the server is short of memory.  crypto_pwhash() tells the two apart,
 * so it does the work wherever it can: one lane, a salt of 16 bytes, and for
 * argon2i at least three iterations.  Foreign hashes outside of that go
 * through crypto_pwhash_str_verify() between two probes of the memory it needs.
 */
#include "argon2.h"

#include <errno.h>
#include <sys/mman.h>
#include <sodium.h>

#define ONE_LANE_SALT_LEN	crypto_pwhash_SALTBYTES
#define NEW_HASH_LEN		32
#define ARGON2I_MIN_ITERATIONS	3

/* Could the memory for one computation be had now? */
static bool
memory_available(uint32_t memory_kib)
{
	/* more than the blocks: libsodium keeps books in proportion to them */
	size_t		size = ((size_t) memory_kib + memory_kib / 256 + 1024) * 1024;
	void	   *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
						 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	munmap(p, size);
	return true;
}

/* Can crypto_pwhash() compute it? */
bool
argon2_computable(const Argon2Phc *phc)
{
	return phc->parallelism == 1 && phc->salt_len == ONE_LANE_SALT_LEN &&
		(phc->is_argon2id || phc->iterations >= ARGON2I_MIN_ITERATIONS);
}

static PasswordStatus
verify_by_computing(const char *password, size_t len, const Argon2Phc *phc)
{
	uint8_t		computed[PHC_HASH_MAX];
	PasswordStatus status;
	int			alg = phc->is_argon2id ?
		crypto_pwhash_ALG_ARGON2ID13 : crypto_pwhash_ALG_ARGON2I13;

	/* every parameter is in range by now, so a failure is want of memory */
	if (crypto_pwhash(computed, phc->hash_len, password, len, phc->salt,
					  phc->iterations, (size_t) phc->memory_kib * 1024,
					  alg) != 0)
		status = PASSWORD_NO_MEMORY;
	else if (sodium_memcmp(computed, phc->hash, phc->hash_len) == 0)
		status = PASSWORD_OK;
	else
		status = PASSWORD_MISMATCH;
	sodium_memzero(computed, sizeof(computed));
	return status;
}

/* A new hash of the password, as a PHC string. */
PasswordStatus
argon2_hash(const char *password, size_t len,
			uint32_t memory_kib, uint32_t iterations,
			char str[ARGON2_STRING_SIZE])
{
	if (crypto_pwhash_str_alg(str, password, len, iterations,
							  (size_t) memory_kib * 1024,
							  crypto_pwhash_ALG_ARGON2ID13) != 0)
		return PASSWORD_NO_MEMORY;
	return PASSWORD_OK;
}

/*
 * Does the password belong to the hash?  str is what phc was parsed from, and
 * may be NULL for a hash that is computable.
 */
PasswordStatus
argon2_verify(const char *password, size_t len,
			  const Argon2Phc *phc, const char *str)
{
	if (argon2_computable(phc))
		return verify_by_computing(password, len, phc);
	if (!memory_available(phc->memory_kib))
		return PASSWORD_NO_MEMORY;
	if (crypto_pwhash_str_verify(str, password, len) == 0)
		return PASSWORD_OK;
	return memory_available(phc->memory_kib) ? PASSWORD_MISMATCH
		: PASSWORD_NO_MEMORY;
}

/* Is the hash other than argon2_hash() would make it today? */
bool
argon2_needs_rehash(const Argon2Phc *phc,
					uint32_t memory_kib, uint32_t iterations)
{
	return !phc->is_argon2id ||
		phc->memory_kib != memory_kib || phc->iterations != iterations ||
		phc->parallelism != 1 || phc->salt_len < ONE_LANE_SALT_LEN ||
		phc->hash_len < NEW_HASH_LEN;
}

/*
 * A hash that no password has, at today's cost: verifying against it takes as
 * long as verifying against a real one.
 */
void
argon2_decoy(uint32_t memory_kib, uint32_t iterations, Argon2Phc *phc)
{
	sodium_memzero(phc, sizeof(*phc));
	phc->is_argon2id = true;
	phc->memory_kib = memory_kib;
	phc->iterations = iterations;
	phc->parallelism = 1;
	phc->salt_len = ONE_LANE_SALT_LEN;
	phc->hash_len = NEW_HASH_LEN;
	randombytes_buf(phc->salt, phc->salt_len);
	randombytes_buf(phc->hash, phc->hash_len);
}
