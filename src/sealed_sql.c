/* SQL functions for what is sealed, and for the master keys that it is under. */
#include "dualdb.h"

#include <sodium.h>

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "hash_key.h"
#include "seal.h"

PG_FUNCTION_INFO_V1(dualdb_master_keys);
PG_FUNCTION_INFO_V1(dualdb_new_hash_key);
PG_FUNCTION_INFO_V1(dualdb_reseal);

static bytea *
new_bytea(size_t len)
{
	bytea	   *b = palloc(VARHDRSZ + len);

	SET_VARSIZE(b, VARHDRSZ + len);
	return b;
}

/* master_keys() returns setof (key_id bytea, is_current boolean) */
Datum
dualdb_master_keys(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const MasterKeys *master_keys = require_master_keys();

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < master_keys->n; i++)
	{
		bytea	   *id = new_bytea(SEAL_FINGERPRINT_LEN);
		Datum		values[2] = {PointerGetDatum(id), BoolGetDatum(i == 0)};
		bool		nulls[2] = {false, false};

		seal_fingerprint(master_keys->key[i], (uint8_t *) VARDATA(id));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* new_hash_key() returns bytea */
Datum
dualdb_new_hash_key(PG_FUNCTION_ARGS)
{
	const uint8_t *master_key = require_master_key();
	bytea	   *sealed = new_bytea(HASH_KEY_SEALED_LEN);

	hash_key_new(master_key, (uint8_t *) VARDATA(sealed));
	PG_RETURN_BYTEA_P(sealed);
}

/* reseal(place text, sealed bytea) returns bytea */
Datum
dualdb_reseal(PG_FUNCTION_ARGS)
{
	char	   *place = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bytea	   *sealed = PG_GETARG_BYTEA_PP(1);
	size_t		sealed_len = VARSIZE_ANY_EXHDR(sealed);
	const MasterKeys *master_keys = require_master_keys();
	size_t		plain_len;
	uint8_t    *plain;
	bytea	   *again;
	SealStatus	status;

	if (sealed_len < SEAL_OVERHEAD)
		PG_RETURN_NULL();
	plain_len = sealed_len - SEAL_OVERHEAD;
	plain = palloc(plain_len);
	again = new_bytea(sealed_len);
	status = seal_open_any(master_keys, place,
						   (const uint8_t *) VARDATA_ANY(sealed), sealed_len,
						   plain, plain_len);
	if (status == SEAL_OK)
		seal(master_keys->key[0], place, plain, plain_len,
			 (uint8_t *) VARDATA(again));
	sodium_memzero(plain, plain_len);
	if (status != SEAL_OK)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(again);
}
