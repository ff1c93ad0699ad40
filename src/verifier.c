/*
 * Verifying a token against this server's keys, clock and settings.
 *
 * The last token is remembered: a client sends the same one with every request
 * until it expires.  Only what its signature and shape decide is taken from
 * memory; times, audience and key are judged anew each time.
 */
#include "dualdb.h"

#include <sodium.h>

#include "utils/memutils.h"

#include "counters.h"
#include "feed_age.h"
#include "jws.h"
#include "revocations.h"
#include "sync_worker.h"
#include "trusted_keys.h"
#include "unix_time.h"
#include "verifier.h"

/* The token seen last, if it was verified under this key generation. */
static MemoryContext memo_context = NULL;
static char *memo_token = NULL;
static size_t memo_len = 0;
static uint64_t memo_generation;
static VerifiedToken memo;

/* The generation of the revocations at which the token was not among them. */
static bool memo_unrevoked = false;
static uint64_t memo_unrevoked_generation;

void
verifier_forget(void)
{
	if (memo_token != NULL)
		sodium_memzero(memo_token, memo_len);
	memo_token = NULL;
	memo_unrevoked = false;
	if (memo_context != NULL)
		MemoryContextReset(memo_context);
}

/* A token is compared in constant time: it is a bearer's secret. */
static bool
is_remembered(const char *token, size_t len)
{
	return memo_token != NULL && len == memo_len &&
		memo_generation == trusted_keys_generation() &&
		sodium_memcmp(token, memo_token, len) == 0;
}

/*
 * Verify from scratch.  The memo's memory is used from the start, so that
 * nothing has to be copied; a refusal leaves it empty.
 */
static JwtStatus
verify_anew(const char *token, size_t len, const JwtContext *context)
{
	MemoryContext caller;
	JwtStatus	status;

	verifier_forget();
	if (len > JWS_MAX_LEN)
		return JWT_MALFORMED;
	if (memo_context == NULL)
		memo_context = AllocSetContextCreate(TopMemoryContext,
											 "dualdb verified token",
											 ALLOCSET_DEFAULT_SIZES);

	caller = MemoryContextSwitchTo(memo_context);
	status = jwt_verify(token, len, context, &memo);
	if (status == JWT_OK)
	{
		memo_token = pnstrdup(token, len);
		memo_len = len;
		memo_generation = trusted_keys_generation();
	}
	MemoryContextSwitchTo(caller);
	if (status != JWT_OK)
		MemoryContextReset(memo_context);
	return status;
}

/* Is the remembered token revoked?  Looked up when the revocations change. */
static bool
is_revoked(void)
{
	uint64_t	generation = revocations_generation();

	if (memo_unrevoked && memo_unrevoked_generation == generation)
		return false;
	memo_unrevoked = !revocations_cover(memo.claims.session_id,
										memo.claims.subject,
										memo.claims.token_version);
	memo_unrevoked_generation = generation;
	return !memo_unrevoked;
}

const VerifiedToken *
verifier_check(const text *token, const char *expected, JwtStatus *reason)
{
	const char *data = VARDATA_ANY(token);
	size_t		len = VARSIZE_ANY_EXHDR(token);
	JwtContext	context;

	context.keys = trusted_keys_get();
	context.audience = expected != NULL ? expected : audience;
	context.now = unix_micros_now();
	context.leeway = leeway * MICROS_PER_SECOND;

	*reason = is_remembered(data, len) ? jwt_check_claims(&memo, &context)
		: verify_anew(data, len, &context);
	if (*reason == JWT_UNKNOWN_KEY)
		sync_worker_wake();
	if (*reason == JWT_OK && is_revoked())
		*reason = JWT_REVOKED;
	if (*reason == JWT_OK && feed_is_too_old())
		*reason = JWT_FEED_TOO_OLD;
	counter_add(*reason == JWT_OK ? COUNTER_TOKENS_VERIFIED : COUNTER_TOKENS_REFUSED);
	return *reason == JWT_OK ? &memo : NULL;
}
