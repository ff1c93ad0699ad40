/*
 * The caller's identity.
 *
 * It lives in this backend's memory and nowhere else: no setting, no table and
 * no message carries it, so nothing but a valid token can make one.
 *
 * There are three slots.  The transaction's hides the session's for as long as
 * the transaction lasts, and both hide that of a token which another node of a
 * sharded database has passed on.  All doubt ends in "nobody": a token that is refused,
 * and a subtransaction that is rolled back after it set the slot, leave the
 * slot filled with nobody, not with whoever was there before.
 */
#include "dualdb.h"

#include <sodium.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "feed_age.h"
#include "identity.h"
#include "revocations.h"
#include "trusted_keys.h"
#include "unix_time.h"
#include "verifier.h"

typedef enum SlotState
{
	SLOT_EMPTY,
	SLOT_NOBODY,				/* hides other slots, too */
	SLOT_FILLED
} SlotState;

typedef struct Slot
{
	SlotState	state;
	SubTransactionId set_in;	/* Invalid when not set in this transaction */
	uint64_t	key_generation; /* at which the key was known to be trusted */
	uint64_t	unrevoked_generation;	/* at which nothing was revoked */
	MemoryContext context;
	Identity	identity;
} Slot;

/* Indexed by IdentityScope. */
#define NSLOTS	3
static Slot slots[NSLOTS];

/* Which transaction of this backend this is, and which has set the token. */
static uint64 transaction = 1;
static uint64 forwarded_in = 0;

static void
slot_clear(Slot *slot, SlotState state)
{
	slot->state = state;
	if (slot->context != NULL)
		MemoryContextReset(slot->context);
}

static char *
copy_optional(const char *s)
{
	return s != NULL ? pstrdup(s) : NULL;
}

static void
copy_roles(Identity *identity, const StrictJsonMember *roles)
{
	identity->nroles = roles != NULL ? roles->nstrings : 0;
	identity->roles = palloc(sizeof(char *) * (identity->nroles + 1));
	for (int i = 0; i < identity->nroles; i++)
		identity->roles[i] = pstrdup(roles->strings[i]);
}

/* Become the one whom the token names. */
void
identity_set(IdentityScope scope, const VerifiedToken *verified)
{
	Slot	   *slot = &slots[scope];
	const Claims *claims = &verified->claims;
	Identity   *identity = &slot->identity;
	MemoryContext caller;

	/* nobody until all is in place, should memory run out */
	identity_refuse(scope);
	if (slot->context == NULL)
		slot->context = AllocSetContextCreate(TopMemoryContext,
											  "dualdb identity",
											  ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(slot->context);
	identity->user_id = pstrdup(claims->subject);
	identity->session_id = copy_optional(claims->session_id);
	identity->scope = copy_optional(claims->scope);
	identity->payload = pstrdup(verified->payload);
	identity->key = *verified->key;
	identity->key.kid = pstrdup(verified->key->kid);
	identity->key.issuer = pstrdup(verified->key->issuer);
	copy_roles(identity, claims->roles);
	identity->token_version = claims->token_version;
	identity->expires_at = claims->expires_at;
	MemoryContextSwitchTo(caller);

	slot->key_generation = trusted_keys_generation();
	slot->unrevoked_generation = revocations_generation();
	slot->state = SLOT_FILLED;
}

/* Whoever the caller was, they are nobody now. */
void
identity_refuse(IdentityScope scope)
{
	Slot	   *slot = &slots[scope];

	slot_clear(slot, scope == IDENTITY_TRANSACTION ? SLOT_NOBODY : SLOT_EMPTY);
	slot->set_in = GetCurrentSubTransactionId();
}

void
identity_forget_all(void)
{
	for (int i = 0; i < NSLOTS; i++)
	{
		/* the setting may still be there, and does not count any more */
		slot_clear(&slots[i],
				   i == IDENTITY_FORWARDED ? SLOT_NOBODY : SLOT_EMPTY);
		slots[i].set_in = InvalidSubTransactionId;
	}
}

uint64
identity_transaction(void)
{
	return transaction;
}

void
identity_forwarded_anew(uint64 set_in)
{
	slot_clear(&slots[IDENTITY_FORWARDED], SLOT_EMPTY);
	forwarded_in = set_in;
}

/* The token is verified here like any other, when it is first needed. */
static Slot *
forwarded_slot(void)
{
	Slot	   *slot = &slots[IDENTITY_FORWARDED];
	const VerifiedToken *verified;
	JwtStatus	reason;
	text	   *token;

	/*
	 * A parallel worker has the setting, and not when it was set.  JSON text is
	 * UTF-8 (RFC 8259 section 8.1), and so must the database be.
	 */
	if (!forward_tokens || forwarded_in != transaction || IsParallelWorker() ||
		GetDatabaseEncoding() != PG_UTF8)
		slot_clear(slot, SLOT_EMPTY);
	else if (slot->state == SLOT_EMPTY && forwarded_token[0] != '\0')
	{
		token = cstring_to_text(forwarded_token);
		verified = verifier_check(token, NULL, &reason);
		sodium_memzero(VARDATA(token), VARSIZE(token) - VARHDRSZ);
		if (verified != NULL)
			identity_set(IDENTITY_FORWARDED, verified);
		else
			slot_clear(slot, SLOT_NOBODY);
	}
	return slot;
}

/* The same key, under the same name and for the same issuer? */
static bool
same_key(const TrustedKey *a, const TrustedKey *b)
{
	return strcmp(a->kid, b->kid) == 0 && strcmp(a->issuer, b->issuer) == 0 &&
		memcmp(a->public_key, b->public_key, sizeof(a->public_key)) == 0;
}

/* Look the key up again, and take over when it is in force. */
static bool
find_key_again(Identity *identity)
{
	const TrustedKeySet *keys = trusted_keys_get();

	for (int i = 0; i < keys->nkeys; i++)
	{
		if (!same_key(&keys->keys[i], &identity->key))
			continue;
		identity->key.not_before = keys->keys[i].not_before;
		identity->key.not_after = keys->keys[i].not_after;
		return true;
	}
	return false;
}

/*
 * Is the key still trusted?  Looked up again only when the keys have changed
 * since the last time; its time is judged each time.
 */
static bool
key_still_trusted(Slot *slot, UnixMicros now)
{
	if (slot->key_generation != trusted_keys_generation())
	{
		if (!find_key_again(&slot->identity))
			return false;
		slot->key_generation = trusted_keys_generation();
	}
	return now >= slot->identity.key.not_before &&
		now < slot->identity.key.not_after;
}

static bool
still_unrevoked(Slot *slot)
{
	uint64_t	generation = revocations_generation();

	if (slot->unrevoked_generation != generation &&
		revocations_cover(slot->identity.session_id, slot->identity.user_id,
						  slot->identity.token_version))
		return false;
	slot->unrevoked_generation = generation;
	return true;
}

const Identity *
identity_current(void)
{
	Slot	   *slot = &slots[IDENTITY_TRANSACTION];
	UnixMicros	now;

	if (slot->state == SLOT_EMPTY)
		slot = &slots[IDENTITY_SESSION];
	if (slot->state == SLOT_EMPTY)
		slot = forwarded_slot();
	if (slot->state != SLOT_FILLED)
		return NULL;

	/* a revocation counts from its commit, also within a transaction */
	AcceptInvalidationMessages();
	now = unix_micros_now();
	if (now - leeway * MICROS_PER_SECOND >= slot->identity.expires_at ||
		!key_still_trusted(slot, now) || !still_unrevoked(slot) ||
		feed_is_too_old())
		return NULL;
	return &slot->identity;
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	(void) arg;
	if (event != XACT_EVENT_ABORT && event != XACT_EVENT_COMMIT &&
		event != XACT_EVENT_PREPARE)
		return;
	transaction++;
	for (int i = 0; i < NSLOTS; i++)
	{
		if (i != IDENTITY_SESSION ||
			(event == XACT_EVENT_ABORT &&
			 slots[i].set_in != InvalidSubTransactionId))
			slot_clear(&slots[i], SLOT_EMPTY);
		slots[i].set_in = InvalidSubTransactionId;
	}
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId self,
					  SubTransactionId parent, void *arg)
{
	(void) arg;
	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	for (int i = 0; i < NSLOTS; i++)
	{
		if (slots[i].set_in != self)
			continue;
		slots[i].set_in = parent;
		if (event == SUBXACT_EVENT_ABORT_SUB)
			slot_clear(&slots[i], i == IDENTITY_TRANSACTION ?
					   SLOT_NOBODY : SLOT_EMPTY);
	}
}

void
identity_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}
