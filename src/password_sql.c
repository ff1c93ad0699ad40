/* SQL functions for passwords: hash, verify, check at login, judge. */
#include "dualdb.h"

#include <sodium.h>

#include "fmgr.h"
#include "utils/builtins.h"

#include "argon2.h"

PG_FUNCTION_INFO_V1(dualdb_hash_password);
PG_FUNCTION_INFO_V1(dualdb_verify_password);
PG_FUNCTION_INFO_V1(dualdb_check_password);
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
	char		str[ARGON2_STRING_SIZE];
	Argon2Status status;

	hide_statement();
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("password must not be null"));
	password = PG_GETARG_TEXT_PP(0);
	check_new_password(password);

	status = argon2_hash(VARDATA_ANY(password), VARSIZE_ANY_EXHDR(password),
						 argon2_memory, argon2_iterations, str);
	wipe_detoasted(password, PG_GETARG_DATUM(0));
	if (status != ARGON2_OK)
		raise_no_memory();
	PG_RETURN_TEXT_P(cstring_to_text(str));
}

/* verify_password(password text, hash text) returns boolean */
Datum
dualdb_verify_password(PG_FUNCTION_ARGS)
{
	text	   *password;
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
	status = argon2_verify(VARDATA_ANY(password), VARSIZE_ANY_EXHDR(password),
						   &phc, hash);
	wipe_detoasted(password, PG_GETARG_DATUM(0));
	if (status == ARGON2_NO_MEMORY)
		raise_no_memory();
	PG_RETURN_BOOL(status == ARGON2_OK);
}

/*
 * check_password(password text, hash text) returns boolean
 *
 * For a login: whatever is wrong with the arguments, one hash is computed, so
 * that a user who does not exist, or has no usable hash, takes as long as one
 * who does.
 */
Datum
dualdb_check_password(PG_FUNCTION_ARGS)
{
	text	   *password = PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0);
	char	   *hash = PG_ARGISNULL(1) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(1));
	Argon2Phc	phc;
	Argon2Status status;
	bool		possible;

	hide_statement();
	possible = password != NULL && hash != NULL &&
		VARSIZE_ANY_EXHDR(password) <= PASSWORD_MAX_LEN &&
		phc_parse(hash, strlen(hash), &phc) == PHC_OK;
	if (possible)
	{
		status = argon2_verify(VARDATA_ANY(password),
							   VARSIZE_ANY_EXHDR(password), &phc, hash);

		/* the cost of an old hash would tell that there is one */
		possible = status == ARGON2_OK ||
			!argon2_needs_rehash(&phc, argon2_memory, argon2_iterations);
	}
	if (!possible)
	{
		argon2_decoy(argon2_memory, argon2_iterations, &phc);
		status = argon2_verify("", 0, &phc, NULL);
	}
	if (password != NULL)
		wipe_detoasted(password, PG_GETARG_DATUM(0));
	if (status == ARGON2_NO_MEMORY)
		raise_no_memory();
	PG_RETURN_BOOL(possible && status == ARGON2_OK);
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
