/* SQL functions for passwords: hash, verify, check at login, judge. */
#include "dualdb.h"

#include <sodium.h>

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "argon2.h"
#include "base64url.h"
#include "governor.h"

PG_FUNCTION_INFO_V1(dualdb_hash_password);
PG_FUNCTION_INFO_V1(dualdb_verify_password);
PG_FUNCTION_INFO_V1(dualdb_password_needs_rehash);

/* Not being able to compute is never the same as a wrong password. */
static void
raise_no_memory(void)
{
	ereport(ERROR,
			errcode(ERRCODE_OUT_OF_MEMORY),
			errmsg("out of memory"),
			errdetail("There was no memory for a password hash."),
			errhidestmt(true),
			errhidecontext(true));
}

/* Wait for a turn to compute, or say that there is none. */
static void
enter_governor(void)
{
	if (!governor_enter())
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				errmsg("too many password hashes are being computed"),
				errhint("Try again later, or raise dualdb.max_concurrent_hashes."),
				errhidestmt(true),
				errhidecontext(true));
}

static void
raise_bad_hash(PhcStatus status)
{
	switch (status)
	{
		case PHC_OK:
			return;
		case PHC_UNKNOWN:
			ereport(ERROR,
					errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("password hash has an unrecognized format"),
					errhint("Recognized are PHC strings that start with $argon2id$v=19$ or $argon2i$v=19$."),
					errhidestmt(true));
			break;
		case PHC_MALFORMED:
			ereport(ERROR,
					errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("password hash is malformed"),
					errhidestmt(true));
			break;
		case PHC_TOO_COSTLY:
			ereport(ERROR,
					errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					errmsg("password hash costs more than is allowed"),
					errdetail("Allowed are %d KiB of memory, %d iterations, %d lanes, and memory times iterations of %d KiB.",
							  PHC_MEMORY_MAX_KIB, PHC_ITERATIONS_MAX,
							  PHC_PARALLELISM_MAX, PHC_WORK_MAX_KIB),
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
	Argon2Status status;

	hide_statement();
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("password must not be null"));
	password = PG_GETARG_TEXT_PP(0);
	check_new_password(password);

	nfc = password_other_form(password);

	enter_governor();
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
	if (status != ARGON2_OK)
		raise_no_memory();
	PG_RETURN_TEXT_P(cstring_to_text(str));
}

/*
 * Compare the password as it was typed, since an imported hash was made of that,
 * and then its NFC form.
 */
static Argon2Status
verify_either_form(const text *password, const text *nfc,
				   const Argon2Phc *phc, const char *hash)
{
	Argon2Status status = argon2_verify(VARDATA_ANY(password),
										VARSIZE_ANY_EXHDR(password),
										phc, hash);

	if (status == ARGON2_MISMATCH && nfc != NULL)
		status = argon2_verify(VARDATA_ANY(nfc), VARSIZE_ANY_EXHDR(nfc),
							   phc, hash);
	return status;
}

/* verify_password(password text, hash text) returns boolean */
Datum
dualdb_verify_password(PG_FUNCTION_ARGS)
{
	text	   *password;
	text	   *nfc;
	char	   *hash;
	Argon2Phc	phc;
	Argon2Status status;

	hide_statement();
	if (PG_ARGISNULL(1))
		PG_RETURN_BOOL(false);
	hash = text_to_cstring(PG_GETARG_TEXT_PP(1));
	raise_bad_hash(phc_parse(hash, strlen(hash), &phc));
	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);

	password = PG_GETARG_TEXT_PP(0);
	if (VARSIZE_ANY_EXHDR(password) > PASSWORD_MAX_LEN)
		PG_RETURN_BOOL(false);
	nfc = password_other_form(password);
	enter_governor();
	status = verify_either_form(password, nfc, &phc, hash);
	governor_leave();
	if (nfc != NULL)
		sodium_memzero(VARDATA_ANY(nfc), VARSIZE_ANY_EXHDR(nfc));
	wipe_detoasted(password, PG_GETARG_DATUM(0));
	if (status == ARGON2_NO_MEMORY)
		raise_no_memory();
	PG_RETURN_BOOL(status == ARGON2_OK);
}

/*
 * Compare for a login: whatever is wrong with the arguments, one hash is
 * computed, so that a user who does not exist, or has no usable hash, takes as
 * long as one who does.  Any may be NULL.  Raises no error.
 */
Argon2Status
password_compare(const text *password, const text *nfc, const char *hash)
{
	Argon2Phc	phc;
	Argon2Status status;

	if (password != NULL && hash != NULL &&
		VARSIZE_ANY_EXHDR(password) <= PASSWORD_MAX_LEN &&
		phc_parse(hash, strlen(hash), &phc) == PHC_OK)
	{
		status = verify_either_form(password, nfc, &phc, hash);

		/* the cost of an old hash would tell that there is one */
		if (status != ARGON2_MISMATCH ||
			!argon2_needs_rehash(&phc, argon2_memory, argon2_iterations))
			return status;
	}

	argon2_decoy(argon2_memory, argon2_iterations, &phc);
	status = argon2_verify("", 0, &phc, NULL);
	/* a user's hash would be compared with both forms */
	if (status != ARGON2_NO_MEMORY && nfc != NULL)
		status = argon2_verify("", 0, &phc, NULL);
	return status == ARGON2_NO_MEMORY ? status : ARGON2_MISMATCH;
}

/* password_needs_rehash(hash text) returns boolean */
Datum
dualdb_password_needs_rehash(PG_FUNCTION_ARGS)
{
	char	   *hash = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Argon2Phc	phc;

	raise_bad_hash(phc_parse(hash, strlen(hash), &phc));
	PG_RETURN_BOOL(argon2_needs_rehash(&phc, argon2_memory,
									   argon2_iterations));
}
