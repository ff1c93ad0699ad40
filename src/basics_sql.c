/* SQL functions for identifiers, opaque tokens and settings. */
#include "dualdb.h"

#include <sodium.h>

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "hash_key.h"
#include "opaque_token.h"
#include "uuid7.h"

PG_FUNCTION_INFO_V1(dualdb_new_id);
PG_FUNCTION_INFO_V1(dualdb_new_token);
PG_FUNCTION_INFO_V1(dualdb_hash_token);
PG_FUNCTION_INFO_V1(dualdb_setting);

/* new_id() returns text */
Datum
dualdb_new_id(PG_FUNCTION_ARGS)
{
	char		id[UUID_TEXT_SIZE];

	uuid7_text(id);
	PG_RETURN_TEXT_P(cstring_to_text(id));
}

/* new_token(prefix text) returns text */
Datum
dualdb_new_token(PG_FUNCTION_ARGS)
{
	char		token[OPAQUE_TOKEN_SIZE];
	text	   *result;

	opaque_token_new(text_to_cstring(PG_GETARG_TEXT_PP(0)), token);
	result = cstring_to_text(token);
	sodium_memzero(token, sizeof(token));
	PG_RETURN_TEXT_P(result);
}

/* hash_token(purpose text, token text) returns bytea */
Datum
dualdb_hash_token(PG_FUNCTION_ARGS)
{
	char	   *purpose = text_to_cstring(PG_GETARG_TEXT_PP(0));
	text	   *token = PG_GETARG_TEXT_PP(1);
	bytea	   *hash = palloc(VARHDRSZ + OPAQUE_TOKEN_HASH_LEN);

	hide_statement();
	SET_VARSIZE(hash, VARHDRSZ + OPAQUE_TOKEN_HASH_LEN);
	opaque_token_hash(require_hash_key(), purpose, VARDATA_ANY(token),
					  VARSIZE_ANY_EXHDR(token), (uint8_t *) VARDATA(hash));
	wipe_detoasted(token, PG_GETARG_DATUM(1));
	PG_RETURN_BYTEA_P(hash);
}

/*
 * setting(name text) returns text
 *
 * Unlike current_setting() it also works as the first thing in a session: the
 * call itself loads the library that knows the settings.
 */
Datum
dualdb_setting(PG_FUNCTION_ARGS)
{
	char	   *name = psprintf("dualdb.%s",
								text_to_cstring(PG_GETARG_TEXT_PP(0)));

	PG_RETURN_TEXT_P(cstring_to_text(GetConfigOptionByName(name, NULL, false)));
}
