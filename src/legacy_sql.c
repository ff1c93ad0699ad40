/* SQL functions for stored password hashes: name the format, wrap, class. */
#include "dualdb.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "governor.h"

PG_FUNCTION_INFO_V1(dualdb_password_hash_format);
PG_FUNCTION_INFO_V1(dualdb_wrap_password_hash);
PG_FUNCTION_INFO_V1(dualdb_password_hash_class);

/* password_hash_format(hash text) returns text */
Datum
dualdb_password_hash_format(PG_FUNCTION_ARGS)
{
	StoredHash	hash;

	if (stored_hash_parse(text_to_cstring(PG_GETARG_TEXT_PP(0)),
						  &hash) != HASH_OK)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(hash.name));
}

/* wrap_password_hash(hash text) returns text */
Datum
dualdb_wrap_password_hash(PG_FUNCTION_ARGS)
{
	char	   *str = text_to_cstring(PG_GETARG_TEXT_PP(0));
	StoredHash	hash;
	char		wrapped[WRAPPED_STRING_SIZE];
	PasswordStatus status;

	hide_statement();
	require_stored_hash(str, &hash);
	if (hash.kind != STORED_LEGACY)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	require_turn();
	status = wrapped_hash_make(str, &hash.legacy,
							   argon2_memory, argon2_iterations, wrapped);
	governor_leave();
	if (status != PASSWORD_OK)
		raise_no_memory_for_hash();
	PG_RETURN_TEXT_P(cstring_to_text(wrapped));
}

/* password_hash_class(hash text) returns bigint */
Datum
dualdb_password_hash_class(PG_FUNCTION_ARGS)
{
	StoredHash	hash;
	uint64_t	class = 0;

	if (stored_hash_parse(text_to_cstring(PG_GETARG_TEXT_PP(0)),
						  &hash) == HASH_OK)
		class = stored_hash_class(&hash);
	if (class == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64((int64) class);
}
