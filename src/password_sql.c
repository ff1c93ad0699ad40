/* SQL functions for passwords: hash, verify, check at login, judge. */
#include "dualdb.h"

#include <sodium.h>

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base64url.h"
#include "governor.h"

PG_FUNCTION_INFO_V1(dualdb_hash_password);
PG_FUNCTION_INFO_V1(dualdb_verify_password);
PG_FUNCTION_INFO_V1(dualdb_password_needs_rehash);

/* Not being able to compute is never the same as a wrong password. */
void
raise_no_memory_for_hash(void)
{
	ereport(ERROR,
			errcode(ERRCODE_OUT_OF_MEMORY),
			errmsg("out of memory"),
			errdetail("There was no memory for a password hash."),
			errhidestmt(true),
			errhidecontext(true));
}

/* Wait for a turn to compute, or say that there is none. */
void
require_turn(void)
{
	if (!governor_enter())
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				errmsg("too many password hashes are being computed"),
				errhint("Try again later, or raise dualdb.max_concurrent_hashes."),
				errhidestmt(true),
				errhidecontext(true));
}

/* What a hash of this kind may cost at most. */
static int
detail_of_limits(const StoredHash *hash)
{
	const LegacyHash *legacy = hash->kind == STORED_WRAPPED ?
		&hash->wrapped.inner : &hash->legacy;

	if (hash->kind == STORED_ARGON2 ||
		(hash->kind == STORED_WRAPPED && legacy_affordable(legacy)))
		return errdetail("Allowed are %d KiB of memory, %d iterations, %d lanes, and memory times iterations of %d KiB.",
						 PHC_MEMORY_MAX_KIB, PHC_ITERATIONS_MAX,
						 PHC_PARALLELISM_MAX, PHC_WORK_MAX_KIB);
	switch (legacy->function)
	{
		case LEGACY_BCRYPT:
			return errdetail("Allowed is a cost of %d.", BCRYPT_COST_MAX);
		case LEGACY_MD5CRYPT:
		case LEGACY_SHA256CRYPT:
		case LEGACY_SHA512CRYPT:
			return errdetail("Allowed are %d rounds.", SHA_CRYPT_ROUNDS_MAX);
		case LEGACY_PBKDF2_SHA1:
		case LEGACY_PBKDF2_SHA256:
		case LEGACY_PBKDF2_SHA512:
			return errdetail("Allowed are %d iterations.",
							 PBKDF2_ITERATIONS_MAX);
		case LEGACY_SCRYPT:
		case LEGACY_CRYPT_SCRYPT:
		case LEGACY_YESCRYPT:
			return errdetail("Allowed are N times r of %d, p times r of %d, and N times r times p of %d.",
							 SCRYPT_MEMORY_MAX, SCRYPT_LANES_MAX,
							 SCRYPT_WORK_MAX);
	}
	return 0;
}

/* Take a stored hash apart, or raise an error that does not show it. */
void
require_stored_hash(const char *str, StoredHash *hash)
{
	switch (stored_hash_parse(str, hash))
	{
		case HASH_OK:
			return;
		case HASH_UNKNOWN:
			ereport(ERROR,
					errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("password hash has an unrecognized format"),
					errhint("Recognized are the formats that dualdb.password_hash_format() names."),
					errhidestmt(true));
			break;
		case HASH_MALFORMED:
			ereport(ERROR,
					errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("password hash is malformed"),
					errhidestmt(true));
			break;
		case HASH_TOO_COSTLY:
			ereport(ERROR,
					errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					errmsg("password hash costs more than is allowed"),
					detail_of_limits(hash),
					errhidestmt(true));
			break;
	}
}

/*
 * The NFC form of a password, or NULL when it is that already (NIST SP 800-63B-4
 * section 3.1.1.2).  Other encodings than UTF-8 have no such form.
 */
text *
password_other_form(const text *password)
{
	const char *data = VARDATA_ANY(password);
	size_t		len = VARSIZE_ANY_EXHDR(password);
	text	   *nfc;

	if (GetDatabaseEncoding() != PG_UTF8 || all_ascii(data, len))
		return NULL;
	nfc = DatumGetTextPP(DirectFunctionCall2(unicode_normalize_func,
											 PointerGetDatum(password),
											 CStringGetTextDatum("NFC")));
	if (VARSIZE_ANY_EXHDR(nfc) == len &&
		memcmp(VARDATA_ANY(nfc), data, len) == 0)
		return NULL;
	return nfc;
}

static void
check_new_password(const text *password)
{
	size_t		len = VARSIZE_ANY_EXHDR(password);

	if (len == 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("password must not be empty"));
	if (len > PASSWORD_MAX_LEN)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("password is too long"),
				errdetail("A password can have at most %d bytes.",
						  PASSWORD_MAX_LEN),
				errhidestmt(true));
}

/* hash_password(password text) returns text */
Datum
dualdb_hash_password(PG_FUNCTION_ARGS)
{
	text	   *password;
	text	   *nfc;
	char		str[ARGON2_STRING_SIZE];
	PasswordStatus status;

	hide_statement();
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("password must not be null"));
	password = PG_GETARG_TEXT_PP(0);
	check_new_password(password);

	nfc = password_other_form(password);

	require_turn();
	if (nfc != NULL)
		status = argon2_hash(VARDATA_ANY(nfc), VARSIZE_ANY_EXHDR(nfc),
							 argon2_memory, argon2_iterations, str);
	else
		status = argon2_hash(VARDATA_ANY(password),
							 VARSIZE_ANY_EXHDR(password),
							 argon2_memory, argon2_iterations, str);
	governor_leave();
	if (nfc != NULL)
		sodium_memzero(VARDATA_ANY(nfc), VARSIZE_ANY_EXHDR(nfc));
	wipe_detoasted(password, PG_GETARG_DATUM(0));
	if (status != PASSWORD_OK)
		raise_no_memory_for_hash();
	PG_RETURN_TEXT_P(cstring_to_text(str));
}

/*
 * Compare the password as it was typed, since an imported hash was made of that,
 * and then its NFC form.
 */
PasswordStatus
password_verify_either(const text *password, const text *nfc,
					   const StoredHash *hash)
{
	PasswordStatus status = stored_hash_verify(VARDATA_ANY(password),
											   VARSIZE_ANY_EXHDR(password),
											   hash);

	if (status == PASSWORD_MISMATCH && nfc != NULL)
		status = stored_hash_verify(VARDATA_ANY(nfc),
									VARSIZE_ANY_EXHDR(nfc), hash);
	return status;
}

/* verify_password(password text, hash text) returns boolean */
Datum
dualdb_verify_password(PG_FUNCTION_ARGS)
{
	text	   *password;
	text	   *nfc;
	StoredHash	hash;
	PasswordStatus status;

	hide_statement();
	if (PG_ARGISNULL(1))
		PG_RETURN_BOOL(false);
	require_stored_hash(text_to_cstring(PG_GETARG_TEXT_PP(1)), &hash);
	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);

	password = PG_GETARG_TEXT_PP(0);
	if (VARSIZE_ANY_EXHDR(password) > PASSWORD_MAX_LEN)
		PG_RETURN_BOOL(false);
	nfc = password_other_form(password);
	require_turn();
	status = password_verify_either(password, nfc, &hash);
	governor_leave();
	if (nfc != NULL)
		sodium_memzero(VARDATA_ANY(nfc), VARSIZE_ANY_EXHDR(nfc));
	wipe_detoasted(password, PG_GETARG_DATUM(0));
	if (status == PASSWORD_NO_MEMORY)
		raise_no_memory_for_hash();
	PG_RETURN_BOOL(status == PASSWORD_OK);
}

/* password_needs_rehash(hash text) returns boolean */
Datum
dualdb_password_needs_rehash(PG_FUNCTION_ARGS)
{
	StoredHash	hash;

	require_stored_hash(text_to_cstring(PG_GETARG_TEXT_PP(0)), &hash);
	PG_RETURN_BOOL(stored_hash_needs_rehash(&hash, argon2_memory,
											argon2_iterations));
}
