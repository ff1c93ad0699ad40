/*
 * How long failures make wait: nothing for the first half, then doubling, then
 * the lockout; in the end for a reset.
 */
#include "failure_policy.h"
#include "tap.h"

#define SECOND	INT64_C(1000000)
#define START	(1000000 * SECOND)

static const FailurePolicy defaults = {
	.max_failures = 10, .disable_after = 100, .lockout = 1800 * SECOND
};

/* The wait right after a number of failures, all at one time. */
static int32_t
wait_after(const FailurePolicy *policy, int failures)
{
	FailureCount count = {0};

	for (int i = 0; i < failures; i++)
		failure_add(policy, &count, START);
	return failure_wait(policy, &count, START);
}

static void
test_waits(void)
{
	static const int32_t expected[] = {0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 1800};
	static const int32_t three[] = {0, 0, 1, 1800, 0, 1};
	FailurePolicy policy = defaults;

	for (int i = 0; i <= 10; i++)
		is_int(wait_after(&defaults, i), expected[i], "wait after %d failures", i);

	policy.max_failures = 3;
	for (int i = 0; i <= 5; i++)
		is_int(wait_after(&policy, i), three[i], "of three: wait after %d", i);

	policy.max_failures = 1;
	is_int(wait_after(&policy, 0), 0, "of one: none at first");
	is_int(wait_after(&policy, 1), 1800, "of one: the first locks");

	policy.max_failures = 40;
	policy.lockout = 60 * SECOND;
	is_int(wait_after(&policy, 20), 0, "of 40: none after half of them");
	is_int(wait_after(&policy, 26), 32, "of 40: 32 seconds after the sixth more");
	is_int(wait_after(&policy, 27), 60, "no wait is longer than the lockout");
	is_int(wait_after(&policy, 39), 60, "however many");
	is_int(wait_after(&policy, 40), 60, "which is the wait at the end");

	/* more doublings than a number of microseconds has bits */
	policy.max_failures = 1000;
	policy.disable_after = 0;
	policy.lockout = 86400 * SECOND;
	is_int(wait_after(&policy, 501), 1, "of 1000: one second at first");
	for (int i = 518; i < 1000; i += 37)
		is_int(wait_after(&policy, i), 86400, "of 1000: a day after %d", i);
	is_int(wait_after(&policy, 1000), 86400, "of 1000: a day at the end");
}

/* The wait passes, in seconds rounded up. */
static void
test_time(void)
{
	FailureCount count = {.in_a_row = 8, .in_all = 8, .last_at = START};

	is_int(failure_wait(&defaults, &count, START), 4, "four seconds");
	is_int(failure_wait(&defaults, &count, START + 1), 4, "less is rounded up");
	is_int(failure_wait(&defaults, &count, START + SECOND), 3, "a second later");
	is_int(failure_wait(&defaults, &count, START + 4 * SECOND - 1), 1,
		   "the last microsecond");
	is_int(failure_wait(&defaults, &count, START + 4 * SECOND), 0, "over");
	is_int(failure_wait(&defaults, &count, START + 1000 * SECOND), 0,
		   "and long over");
	count.in_a_row = 0;
	is_int(failure_wait(&defaults, &count, START), 0, "none in a row: none");
}

static void
test_lockout(void)
{
	FailureCount count = {0};
	int64_t		now = START;

	for (int i = 0; i < 10; i++)
		failure_add(&defaults, &count, now);
	is_int(failure_wait(&defaults, &count, now + 1800 * SECOND - 1), 1,
		   "locked until the end");
	now += 1800 * SECOND;
	is_int(failure_wait(&defaults, &count, now), 0, "the lockout ends");
	failure_add(&defaults, &count, now);
	is_int(count.in_a_row, 1, "and a new row starts");
	is_int(count.in_all, 11, "while all are counted on");
	ok(count.last_at == now, "the last one is the last one");
	is_int(failure_wait(&defaults, &count, now), 0, "whose first half is free");
	for (int i = 0; i < 9; i++)
		failure_add(&defaults, &count, now);
	is_int(failure_wait(&defaults, &count, now), 1800, "and which locks again");
}

static void
test_disabled(void)
{
	FailurePolicy policy = defaults;
	FailureCount count = {0};
	int64_t		now = START;

	for (int i = 0; i < 99; i++)
	{
		failure_add(&defaults, &count, now);
		now += 1800 * SECOND;
	}
	is_int(failure_wait(&defaults, &count, now), 0, "99 in all, with time between");
	failure_add(&defaults, &count, now);
	is_int(failure_wait(&defaults, &count, now), WAIT_FOR_RESET,
		   "the hundredth disables");
	is_int(failure_wait(&defaults, &count, now + 1000000 * SECOND),
		   WAIT_FOR_RESET, "for ever");
	policy.disable_after = 0;
	is_int(failure_wait(&policy, &count, now), 1800,
		   "without a limit it is but a lockout");
	is_int(failure_wait(&policy, &count, now + 1800 * SECOND), 0,
		   "that ends");
	policy.disable_after = 5;
	is_int(wait_after(&policy, 4), 0, "a limit below the lock's: not yet");
	is_int(wait_after(&policy, 5), WAIT_FOR_RESET, "and then");
	count = (FailureCount) {0};
	is_int(failure_wait(&policy, &count, now), 0, "nothing counted: no wait");
}

static void
test_extremes(void)
{
	FailurePolicy policy = defaults;
	FailureCount count = {
		.in_a_row = INT32_MAX, .in_all = INT32_MAX, .last_at = START
	};

	is_int(failure_wait(&policy, &count, START), WAIT_FOR_RESET,
		   "the largest count is disabled");
	policy.disable_after = 0;
	is_int(failure_wait(&policy, &count, START), 1800, "or locked");
	policy.max_failures = INT32_MAX;
	count.in_a_row = INT32_MAX - 1;
	is_int(failure_wait(&policy, &count, START), 1800,
		   "one before the largest lock waits as long");
	count.in_a_row = 1;
	is_int(failure_wait(&policy, &count, START), 0, "and the first not at all");

	/* a row that has counted all it can goes on counting as locked or disabled */
	count.in_a_row = 1;
	count.in_all = INT32_MAX;
	policy = defaults;
	failure_add(&policy, &count, START);
	is_int(count.in_all, INT32_MAX, "the count of all stays at its end");
	is_int(failure_wait(&policy, &count, START), WAIT_FOR_RESET,
		   "and is disabled");
}

/* A clock that is set back must not lock for as long as it was set back. */
static void
test_clock_back(void)
{
	FailureCount count = {.in_a_row = 10, .in_all = 10, .last_at = START};

	is_int(failure_wait(&defaults, &count, START), 1800,
		   "the lockout when the clock stands still");
	ok(failure_wait(&defaults, &count, START - SECOND) > 0,
	   "a clock a second back keeps the lock");
	ok(failure_wait(&defaults, &count, START - 86400 * SECOND) <= 1800,
	   "a clock a day back does not make it longer");
	ok(failure_wait(&defaults, &count, 0) > 0,
	   "a clock at its beginning keeps the lock");
	count.in_a_row = 3;
	ok(failure_wait(&defaults, &count, START - 86400 * SECOND) <= 1,
	   "nor does it lock the first half of the failures");
}

int
main(void)
{
	test_waits();
	test_time();
	test_lockout();
	test_disabled();
	test_clock_back();
	test_extremes();
	return done_testing();
}
