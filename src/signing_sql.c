/* SQL functions for signing keys: generate, sign, publish. */
#include "dualdb.h"

#include <sodium.h>

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "jws.h"
#include "jwt.h"
#include "jwt_header.h"
#include "seal.h"
#include "trusted_keys.h"
#include "unix_time.h"

PG_FUNCTION_INFO_V1(dualdb_generate_signing_key);
PG_FUNCTION_INFO_V1(dualdb_sign_jwt);
PG_FUNCTION_INFO_V1(dualdb_jwks);

#define SEED_LEN	crypto_sign_SEEDBYTES

/* The place of a sealed private key: the key that it is. */
static char *
place_of_key(const char *kid)
{
	return psprintf("auth.signing_keys.sealed_key/%s", kid);
}

static bytea *
seal_seed(const uint8_t *master_key, const char *kid, const uint8_t *seed)
{
	bytea	   *sealed = palloc(VARHDRSZ + SEED_LEN + SEAL_OVERHEAD);

	SET_VARSIZE(sealed, VARHDRSZ + SEED_LEN + SEAL_OVERHEAD);
	seal(master_key, place_of_key(kid), seed, SEED_LEN,
		 (uint8_t *) VARDATA(sealed));
	return sealed;
}

static bytea *
bytea_from(const uint8_t *bytes, size_t len)
{
	bytea	   *b = palloc(VARHDRSZ + len);

	SET_VARSIZE(b, VARHDRSZ + len);
	memcpy(VARDATA(b), bytes, len);
	return b;
}

/*
 * generate_signing_key(OUT kid text, OUT public_key bytea,
 * OUT sealed_key bytea)
 */
Datum
dualdb_generate_signing_key(PG_FUNCTION_ARGS)
{
	const uint8_t *master_key = require_master_key();
	uint8_t		public_key[crypto_sign_PUBLICKEYBYTES];
	uint8_t		secret_key[crypto_sign_SECRETKEYBYTES];
	uint8_t		seed[SEED_LEN];
	char		kid[JWK_THUMBPRINT_SIZE];
	TupleDesc	tupdesc;
	Datum		values[3];
	bool		nulls[3] = {false, false, false};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	randombytes_buf(seed, sizeof(seed));
	crypto_sign_seed_keypair(public_key, secret_key, seed);
	sodium_memzero(secret_key, sizeof(secret_key));
	jwk_thumbprint(public_key, kid);

	values[0] = CStringGetTextDatum(kid);
	values[1] = PointerGetDatum(bytea_from(public_key, sizeof(public_key)));
	values[2] = PointerGetDatum(seal_seed(master_key, kid, seed));
	sodium_memzero(seed, sizeof(seed));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc),
													  values, nulls)));
}

static void
raise_not_opened(SealStatus status)
{
	if (status == SEAL_OTHER_KEY)
		ereport(ERROR,
				errcode(ERRCODE_CONFIG_FILE_ERROR),
				errmsg("signing key was sealed under another master key"),
				errhint("Restore the key file that belongs to this database, or start over with new signing keys by auth.rotate_signing_key()."));
	else if (status != SEAL_OK)
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("sealed signing key has been altered"));
}

/*
 * Open the sealed seed and make it the secret key; it must be the one that kid
 * names.
 */
static SealStatus
open_secret_key(const uint8_t *master_key, const char *kid,
				const bytea *sealed, uint8_t *secret_key)
{
	uint8_t		public_key[crypto_sign_PUBLICKEYBYTES];
	uint8_t		seed[SEED_LEN];
	char		thumbprint[JWK_THUMBPRINT_SIZE];
	SealStatus	status;

	status = seal_open(master_key, place_of_key(kid),
					   (const uint8_t *) VARDATA_ANY(sealed),
					   VARSIZE_ANY_EXHDR(sealed), seed, SEED_LEN);
	if (status != SEAL_OK)
		return status;
	crypto_sign_seed_keypair(public_key, secret_key, seed);
	sodium_memzero(seed, sizeof(seed));
	jwk_thumbprint(public_key, thumbprint);
	if (strcmp(thumbprint, kid) != 0)
	{
		sodium_memzero(secret_key, crypto_sign_SECRETKEYBYTES);
		return SEAL_FORGED;
	}
	return SEAL_OK;
}

/* sign_jwt(kid text, sealed_key bytea, payload text) returns text */
Datum
dualdb_sign_jwt(PG_FUNCTION_ARGS)
{
	char	   *kid = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bytea	   *sealed = PG_GETARG_BYTEA_PP(1);
	text	   *payload = PG_GETARG_TEXT_PP(2);
	uint8_t		secret_key[crypto_sign_SECRETKEYBYTES];
	char	   *token;

	/* three quarters of the cap, less the header, end up in the payload */
	if (VARSIZE_ANY_EXHDR(payload) > JWS_MAX_LEN / 2)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("claims are too large"),
				errdetail("The claims of a token can have at most %d bytes.",
						  JWS_MAX_LEN / 2));

	raise_not_opened(open_secret_key(require_master_key(), kid, sealed,
									 secret_key));
	token = jwt_sign(kid, VARDATA_ANY(payload), VARSIZE_ANY_EXHDR(payload),
					 secret_key);
	sodium_memzero(secret_key, sizeof(secret_key));
	PG_RETURN_TEXT_P(cstring_to_text(token));
}

static void
append_jwk(StringInfo jwks, const TrustedKey *key)
{
	char		x[JWK_ED25519_X_SIZE];

	base64url_encode(key->public_key, JWK_ED25519_KEY_LEN, x, sizeof(x));
	appendStringInfo(jwks,
					 "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\","
					 "\"alg\":\"" JWT_ALGORITHM "\",\"use\":\"sig\",\"kid\":",
					 x);
	escape_json(jwks, key->kid);
	appendStringInfoChar(jwks, '}');
}

/* jwks() returns jsonb, a JWK Set (RFC 7517 section 5) */
Datum
dualdb_jwks(PG_FUNCTION_ARGS)
{
	const TrustedKeySet *keys = trusted_keys_get();
	UnixMicros	now = unix_micros_now();
	StringInfoData jwks;
	const char *separator = "";

	initStringInfo(&jwks);
	appendStringInfoString(&jwks, "{\"keys\":[");
	for (int i = 0; i < keys->nkeys; i++)
	{
		if (now >= keys->keys[i].not_after)
			continue;
		appendStringInfoString(&jwks, separator);
		append_jwk(&jwks, &keys->keys[i]);
		separator = ",";
	}
	appendStringInfoString(&jwks, "]}");
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(jwks.data)));
}
