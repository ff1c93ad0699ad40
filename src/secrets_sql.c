/* SQL functions for API keys, one-time codes and sealed successors. */
#include "dualdb.h"

#include <sodium.h>

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api_key.h"
#include "hash_key.h"
#include "seal.h"
#include "totp.h"
#include "unix_time.h"

PG_FUNCTION_INFO_V1(dualdb_new_api_key);
PG_FUNCTION_INFO_V1(dualdb_api_key_id);
PG_FUNCTION_INFO_V1(dualdb_new_totp_secret);
PG_FUNCTION_INFO_V1(dualdb_match_totp);
PG_FUNCTION_INFO_V1(dualdb_seal_successor);
PG_FUNCTION_INFO_V1(dualdb_open_successor);

/* The place of a sealed TOTP secret: the factor that it belongs to. */
static char *
place_of_totp(const text *factor_id)
{
	return psprintf("auth.totp_factors.sealed_secret/%s",
					text_to_cstring(factor_id));
}

static bytea *
new_bytea(size_t len)
{
	bytea	   *b = palloc(VARHDRSZ + len);

	SET_VARSIZE(b, VARHDRSZ + len);
	return b;
}

static Datum
make_row(FunctionCallInfo fcinfo, Datum first, Datum second)
{
	TupleDesc	tupdesc;
	Datum		values[2] = {first, second};
	bool		nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc),
											 values, nulls));
}

/* new_api_key(OUT id text, OUT api_key text) */
Datum
dualdb_new_api_key(PG_FUNCTION_ARGS)
{
	char		id[API_KEY_ID_LEN + 1];
	char		key[API_KEY_LEN + 1];
	Datum		key_datum;

	api_key_new_id(id);
	api_key_new(id, key);
	key_datum = CStringGetTextDatum(key);
	sodium_memzero(key, sizeof(key));
	PG_RETURN_DATUM(make_row(fcinfo, CStringGetTextDatum(id), key_datum));
}

/* api_key_id(api_key text) returns text */
Datum
dualdb_api_key_id(PG_FUNCTION_ARGS)
{
	text	   *key = PG_GETARG_TEXT_PP(0);
	char		id[API_KEY_ID_LEN + 1];

	if (!api_key_id(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key), id))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(id));
}

/*
 * new_totp_secret(factor_id text, OUT secret text, OUT sealed_secret bytea)
 */
Datum
dualdb_new_totp_secret(PG_FUNCTION_ARGS)
{
	const uint8_t *master_key = require_master_key();
	uint8_t		secret[TOTP_SECRET_LEN];
	char		encoded[BASE32_LEN(TOTP_SECRET_LEN) + 1];
	bytea	   *sealed = new_bytea(TOTP_SECRET_LEN + SEAL_OVERHEAD);
	Datum		encoded_datum;

	randombytes_buf(secret, sizeof(secret));
	seal(master_key, place_of_totp(PG_GETARG_TEXT_PP(0)), secret,
		 sizeof(secret), (uint8_t *) VARDATA(sealed));
	base32_encode(secret, sizeof(secret), encoded);
	encoded_datum = CStringGetTextDatum(encoded);
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(encoded, sizeof(encoded));
	PG_RETURN_DATUM(make_row(fcinfo, encoded_datum, PointerGetDatum(sealed)));
}

static void
raise_not_opened(SealStatus status)
{
	if (status == SEAL_OTHER_KEY)
		ereport(ERROR,
				errcode(ERRCODE_CONFIG_FILE_ERROR),
				errmsg("TOTP secret was sealed under another master key"),
				errhint("Restore the key file that belongs to this database, or let the user start over by calling auth.disable_totp()."),
				errhidestmt(true),
				errhidecontext(true));
	else if (status != SEAL_OK)
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("sealed TOTP secret has been altered"),
				errhint("Let the user start over by calling auth.disable_totp()."),
				errhidestmt(true),
				errhidecontext(true));
}

/*
 * match_totp(factor_id text, sealed_secret bytea, code text, last_step bigint)
 * returns bigint
 */
Datum
dualdb_match_totp(PG_FUNCTION_ARGS)
{
	bytea	   *sealed = PG_GETARG_BYTEA_PP(1);
	char	   *code = text_to_cstring(PG_GETARG_TEXT_PP(2));
	uint8_t		secret[TOTP_SECRET_LEN];
	int64_t		step;

	raise_not_opened(seal_open_any(require_master_keys(),
								   place_of_totp(PG_GETARG_TEXT_PP(0)),
								   (const uint8_t *) VARDATA_ANY(sealed),
								   VARSIZE_ANY_EXHDR(sealed),
								   secret, sizeof(secret)));
	step = totp_match(secret, sizeof(secret), code,
					  unix_micros_now() / MICROS_PER_SECOND,
					  PG_GETARG_INT64(3));
	sodium_memzero(secret, sizeof(secret));
	if (step < 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(step);
}

/*
 * The key that a token's successor is sealed under: only who has the token can
 * make it.  The hash key goes in, too, so that neither alone is enough.
 */
static void
key_of_predecessor(const text *token, uint8_t key[MASTER_SUBKEY_LEN])
{
	uint8_t		subkey[MASTER_SUBKEY_LEN];

	master_key_derive(require_hash_key(), SUBKEY_SUCCESSOR, subkey);
	crypto_generichash(key, MASTER_SUBKEY_LEN,
					   (const uint8_t *) VARDATA_ANY(token),
					   VARSIZE_ANY_EXHDR(token), subkey, sizeof(subkey));
	sodium_memzero(subkey, sizeof(subkey));
}

/* seal_successor(token text, successor text) returns bytea */
Datum
dualdb_seal_successor(PG_FUNCTION_ARGS)
{
	text	   *successor = PG_GETARG_TEXT_PP(1);
	size_t		len = VARSIZE_ANY_EXHDR(successor);
	bytea	   *sealed = new_bytea(len + SEAL_OVERHEAD);
	uint8_t		key[MASTER_SUBKEY_LEN];

	key_of_predecessor(PG_GETARG_TEXT_PP(0), key);
	seal(key, "auth.refresh_tokens.successor",
		 (const uint8_t *) VARDATA_ANY(successor), len,
		 (uint8_t *) VARDATA(sealed));
	sodium_memzero(key, sizeof(key));
	PG_RETURN_BYTEA_P(sealed);
}

/* open_successor(token text, sealed bytea) returns text */
Datum
dualdb_open_successor(PG_FUNCTION_ARGS)
{
	bytea	   *sealed = PG_GETARG_BYTEA_PP(1);
	size_t		sealed_len = VARSIZE_ANY_EXHDR(sealed);
	uint8_t		key[MASTER_SUBKEY_LEN];
	text	   *successor;
	SealStatus	status;

	if (sealed_len < SEAL_OVERHEAD)
		PG_RETURN_NULL();
	successor = new_bytea(sealed_len - SEAL_OVERHEAD);
	key_of_predecessor(PG_GETARG_TEXT_PP(0), key);
	status = seal_open(key, "auth.refresh_tokens.successor",
					   (const uint8_t *) VARDATA_ANY(sealed), sealed_len,
					   (uint8_t *) VARDATA(successor),
					   sealed_len - SEAL_OVERHEAD);
	sodium_memzero(key, sizeof(key));
	if (status != SEAL_OK)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(successor);
}
