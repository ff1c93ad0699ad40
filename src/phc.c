/*
 * Parser for the PHC string format as argon2 uses it:
 *
 *	$argon2id$v=19$m=<KiB>,t=<iterations>,p=<lanes>$<salt>$<hash>
 *
 * Salt and hash are standard base64 without padding.  Numbers are canonical
 * decimal.  Nothing else is accepted, so that what is checked here and what
 * libsodium parses again from the same string cannot differ.
 */
#include "phc.h"

#include <string.h>

static bool
affordable(const Argon2Phc *phc)
{
	return phc->memory_kib <= PHC_MEMORY_MAX_KIB &&
		phc->iterations <= PHC_ITERATIONS_MAX &&
		phc->parallelism <= PHC_PARALLELISM_MAX &&
		(uint64_t) phc->memory_kib * phc->iterations <= PHC_WORK_MAX_KIB;
}

HashStatus
phc_parse(const char *str, size_t len, Argon2Phc *phc)
{
	HashReader	r = {str, str + len};

	memset(phc, 0, sizeof(*phc));
	if (read_literal(&r, "$argon2id$"))
		phc->is_argon2id = true;
	else if (!read_literal(&r, "$argon2i$"))
		return HASH_UNKNOWN;

	/* a string without a version means version 16, which is another function */
	if (!read_literal(&r, "v=19$"))
		return HASH_UNKNOWN;
	if (len > PHC_STRING_MAX ||
		!read_literal(&r, "m=") || !read_decimal(&r, &phc->memory_kib) ||
		!read_literal(&r, ",t=") || !read_decimal(&r, &phc->iterations) ||
		!read_literal(&r, ",p=") || !read_decimal(&r, &phc->parallelism) ||
		!read_literal(&r, "$") ||
		!read_bytes(&r, ENCODING_BASE64_BARE,
					phc->salt, sizeof(phc->salt), &phc->salt_len) ||
		!read_literal(&r, "$") ||
		!read_bytes(&r, ENCODING_BASE64_BARE,
					phc->hash, sizeof(phc->hash), &phc->hash_len) ||
		r.pos != r.end)
		return HASH_MALFORMED;
	if (phc->salt_len < PHC_SALT_MIN || phc->hash_len < PHC_HASH_MIN ||
		phc->memory_kib / 8 < phc->parallelism)
		return HASH_MALFORMED;
	return affordable(phc) ? HASH_OK : HASH_TOO_COSTLY;
}
