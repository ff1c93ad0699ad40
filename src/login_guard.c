/*
 * Failed logins, counted where no client can roll them back.
 *
 * Attempts that are under way count towards the limit, but not towards the
 * growing waits before it: guesses that are made at the same time cannot get
 * past the limit together, and right passwords that are do not hinder each
 * other.
 */
#include "dualdb.h"

#include "utils/timestamp.h"

#include "login_guard.h"

FailurePolicy
login_guard_policy(void)
{
	FailurePolicy policy = {
		.max_failures = max_login_failures,
		.disable_after = disable_after_failures,
		.lockout = (int64_t) lockout_duration * USECS_PER_SEC
	};

	return policy;
}

/* Identifiers are keyed hashes, so any of their bytes spread evenly. */
static FailureSlot *
bucket_of(SharedState *s, const uint8_t *identifier)
{
	uint32_t	n;

	memcpy(&n, identifier, sizeof(n));
	return s->failures[n % FAILURE_BUCKETS];
}

static FailureSlot *
find_slot(SharedState *s, const uint8_t *identifier)
{
	FailureSlot *bucket = bucket_of(s, identifier);

	for (int i = 0; i < FAILURE_SLOTS; i++)
	{
		if (bucket[i].used &&
			memcmp(bucket[i].identifier, identifier, IDENTIFIER_LEN) == 0)
			return &bucket[i];
	}
	return NULL;
}

/*
 * The slot to give up for another identifier: a free one, else one that the
 * table has, else the one with the fewest failures, so that nobody gets rid of
 * a lock by trying many other names.
 */
static bool
gives_way_before(const FailureSlot *a, const FailureSlot *b)
{
	if (a->used != b->used)
		return !a->used;
	if (a->pending != b->pending)
		return a->pending < b->pending;
	if (a->dirty != b->dirty)
		return !a->dirty;
	return a->count.in_all < b->count.in_all;
}

static FailureSlot *
make_slot(SharedState *s, const uint8_t *identifier,
		  const FailureCount *stored)
{
	FailureSlot *bucket = bucket_of(s, identifier);
	FailureSlot *slot = &bucket[0];

	for (int i = 1; i < FAILURE_SLOTS; i++)
	{
		if (gives_way_before(&bucket[i], slot))
			slot = &bucket[i];
	}
	memcpy(slot->identifier, identifier, IDENTIFIER_LEN);
	slot->count = *stored;
	slot->pending = 0;
	slot->used = true;
	slot->dirty = false;
	slot->version++;
	return slot;
}

static void
changed(FailureSlot *slot)
{
	slot->dirty = true;
	slot->version++;
}

/* Would one more attempt, all under way failing, be one too many? */
static bool
limit_reached(const FailurePolicy *policy, const FailureSlot *slot)
{
	/* a row that has led to a lockout is over */
	int32_t		counted = slot->count.in_a_row < policy->max_failures ?
		slot->count.in_a_row : 0;

	return counted + slot->pending >= policy->max_failures;
}

int32_t
login_guard_enter(SharedState *s, const uint8_t *identifier,
				  const FailureCount *stored)
{
	FailurePolicy policy = login_guard_policy();
	TimestampTz now = GetCurrentTimestamp();
	FailureSlot *slot;
	int32_t		wait;

	LWLockAcquire(&s->lock, LW_EXCLUSIVE);
	slot = find_slot(s, identifier);
	if (slot == NULL)
		slot = make_slot(s, identifier, stored);

	/* the clock has been set back: the wait starts over, and ends */
	if (slot->count.last_at > now)
		slot->count.last_at = now;
	wait = failure_wait(&policy, &slot->count, now);
	if (wait == 0 && limit_reached(&policy, slot))
		wait = 1;
	if (wait == 0)
		slot->pending++;
	LWLockRelease(&s->lock);
	return wait;
}

static void
fail_locked(SharedState *s, const uint8_t *identifier)
{
	static const FailureCount none = {0};
	FailurePolicy policy = login_guard_policy();
	FailureSlot *slot = find_slot(s, identifier);

	if (slot == NULL)
		slot = make_slot(s, identifier, &none);
	failure_add(&policy, &slot->count, GetCurrentTimestamp());
	changed(slot);
}

void
login_guard_leave(SharedState *s, const uint8_t *identifier,
				  AttemptOutcome outcome)
{
	FailureSlot *slot;

	LWLockAcquire(&s->lock, LW_EXCLUSIVE);
	slot = find_slot(s, identifier);
	if (slot != NULL && slot->pending > 0)
		slot->pending--;
	if (outcome == ATTEMPT_FAILED)
		fail_locked(s, identifier);
	LWLockRelease(&s->lock);
}

/* Also where memory has nothing: the table may have, and hears of it this way. */
void
login_guard_clear(SharedState *s, const uint8_t *identifier)
{
	static const FailureCount none = {0};
	FailureSlot *slot;

	LWLockAcquire(&s->lock, LW_EXCLUSIVE);
	slot = find_slot(s, identifier);
	if (slot == NULL)
		slot = make_slot(s, identifier, &none);
	slot->count = none;
	changed(slot);
	LWLockRelease(&s->lock);
}
