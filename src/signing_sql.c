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

#define PLACE_SIZE	(sizeof("auth.signing_keys.sealed_key/") + JWK_THUMBPRINT_SIZE)

/* The place of a sealed private key: the key that it is. */
static void
place_of_key(const char *kid, char place[PLACE_SIZE])
{
	snprintf(place, PLACE_SIZE, "auth.signing_keys.sealed_key/%s", kid);
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
	char		place[PLACE_SIZE];
	bytea	   *sealed = palloc(VARHDRSZ + SEED_LEN + SEAL_OVERHEAD);
	TupleDesc	tupdesc;
	Datum		values[3];
	bool		nulls[3] = {false, false, false};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	SET_VARSIZE(sealed, VARHDRSZ + SEED_LEN + SEAL_OVERHEAD);

	/* nothing can raise an error while the secrets are on the stack */
	randombytes_buf(seed, sizeof(seed));
	crypto_sign_seed_keypair(public_key, secret_key, seed);
	sodium_memzero(secret_key, sizeof(secret_key));
	jwk_thumbprint(public_key, kid);
	place_of_key(kid, place);
	seal(master_key, place, seed, SEED_LEN, (uint8_t *) VARDATA(sealed));
	sodium_memzero(seed, sizeof(seed));

	values[0] = CStringGetTextDatum(kid);
	values[1] = PointerGetDatum(bytea_from(public_key, sizeof(public_key)));
	values[2] = PointerGetDatum(sealed);
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
				errhint("Restore the key file that belongs to this database, or start over with new signing keys by calling auth.rotate_signing_key() twice."),
				errhidestmt(true),
				errhidecontext(true));
	else if (status != SEAL_OK)
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("sealed signing key has been altered"),
				errhidestmt(true),
				errhidecontext(true));
}

/*
 * Open the sealed seed and make it the secret key; it must be the one that kid
 * names.
 */
static SealStatus
open_secret_key(const MasterKeys *master_keys, const char *kid,
				const bytea *sealed, uint8_t *secret_key)
{
	uint8_t		public_key[crypto_sign_PUBLICKEYBYTES];
	uint8_t		seed[SEED_LEN];
	char		thumbprint[JWK_THUMBPRINT_SIZE];
	char		place[PLACE_SIZE];
	SealStatus	status;

	place_of_key(kid, place);
	status = seal_open_any(master_keys, place,
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

/*
 * jwt_sign() leaves it to this file to raise errors: the statement may be a
 * login with its password, and must not be logged.
 */
static void
check_sign_arguments(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("there is no active signing key"),
				errhint("Tokens are signed in the auth database. There, configure dualdb.key_file and run SELECT dualdb.setup_auth()."),
				errhidestmt(true),
				errhidecontext(true));
	if (PG_ARGISNULL(2))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("claims must be a JSON object"),
				errhidestmt(true),
				errhidecontext(true));
}

/* sign_jwt(kid text, sealed_key bytea, payload text) returns text */
Datum
dualdb_sign_jwt(PG_FUNCTION_ARGS)
{
	char	   *kid;
	bytea	   *sealed;
	text	   *payload;
	uint8_t		secret_key[crypto_sign_SECRETKEYBYTES];
	char	   *volatile token = NULL;

	check_sign_arguments(fcinfo);
	kid = text_to_cstring(PG_GETARG_TEXT_PP(0));
	sealed = PG_GETARG_BYTEA_PP(1);
	payload = PG_GETARG_TEXT_PP(2);

	/* three quarters of the cap, less the header, end up in the payload */
	if (VARSIZE_ANY_EXHDR(payload) > JWS_MAX_LEN / 2)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("claims are too large"),
				errdetail("The claims of a token can have at most %d bytes.",
						  JWS_MAX_LEN / 2),
				errhidestmt(true),
				errhidecontext(true));

	raise_not_opened(open_secret_key(require_master_keys(), kid, sealed,
									 secret_key));
	PG_TRY();
	{
		token = jwt_sign(kid, VARDATA_ANY(payload),
						 VARSIZE_ANY_EXHDR(payload), secret_key);
	}
	PG_FINALLY();
	{
		sodium_memzero(secret_key, sizeof(secret_key));
	}
	PG_END_TRY();
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
