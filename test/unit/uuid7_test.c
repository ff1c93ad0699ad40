/*
 * UUID version 7 (RFC 9562 section 5.7): the layout, and the order kept when
 * the clock stands still or is set back.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sodium.h>

#include "tap.h"
#include "uuid7.h"

#define HEX		"0123456789abcdef"

static struct timespec now;

/* Takes the place of the C library's. */
int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	(void) clock;
	*ts = now;
	return 0;
}

static void
set_clock(time_t seconds, long nanoseconds)
{
	now.tv_sec = seconds;
	now.tv_nsec = nanoseconds;
}

static bool
well_formed(const char *text)
{
	for (int i = 0; i < 36; i++)
	{
		bool		dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' :
			text[i] == '\0' || strchr(HEX, text[i]) == NULL)
			return false;
	}
	return text[36] == '\0' && text[14] == '7' &&
		strchr("89ab", text[19]) != NULL;
}

/* The id made now starts with this. */
static void
starts_with(const char *expected, const char *name)
{
	char		text[UUID_TEXT_SIZE];

	uuid7_text(text);
	ok(well_formed(text) && strncmp(text, expected, strlen(expected)) == 0,
	   "%s", name);
}

static void
test_layout(void)
{
	/* the moment of RFC 9562 appendix A.6 */
	set_clock(1645557742, 0);
	starts_with("017f22e2-79b0-7000-", "the millisecond");
	set_clock(1645557742, 500000);
	starts_with("017f22e2-79b0-7800-", "half of a millisecond");
	set_clock(1645557742, 999999);
	starts_with("017f22e2-79b0-7fff-", "the end of the millisecond");
	starts_with("017f22e2-79b1-7000-", "the clock stands still there");
	set_clock(1645557742, 2000000);
	starts_with("017f22e2-79b2-7000-", "two milliseconds later");
}

/* Ids ascend strictly while the clock does what step says. */
static void
ascends(const char *name, long step, int n)
{
	char		previous[UUID_TEXT_SIZE];
	char		text[UUID_TEXT_SIZE];
	bool		ascending = true;
	bool		formed = true;

	uuid7_text(previous);
	for (int i = 0; i < n; i++)
	{
		now.tv_nsec += step;
		while (now.tv_nsec >= 1000000000)
		{
			now.tv_nsec -= 1000000000;
			now.tv_sec++;
		}
		uuid7_text(text);
		/* the random part must not be what decides */
		ascending &= strncmp(previous, text, 18) < 0;
		formed &= well_formed(text);
		memcpy(previous, text, sizeof(text));
	}
	ok(ascending, "%s: ascending", name);
	ok(formed, "%s: well-formed", name);
}

static void
test_order(void)
{
	set_clock(1700000000, 0);
	ascends("the clock stands still", 0, 100000);
	set_clock(1700000001, 0);
	ascends("the clock runs slowly", 1, 10000);
	set_clock(1700000002, 0);
	ascends("the clock runs", 997, 100000);
	set_clock(1600000000, 0);
	ascends("the clock is set back", 997, 10000);
	set_clock(1700000010, 0);
	starts_with("018bcfe5-8f10-7000-", "the clock has caught up");
}

static void
test_random(void)
{
	bool		zero[UUID_TEXT_SIZE] = {false};
	bool		f[UUID_TEXT_SIZE] = {false};
	bool		varies = true;

	for (int i = 0; i < 2000; i++)
	{
		char		text[UUID_TEXT_SIZE];

		uuid7_text(text);
		for (int at = 20; at < 36; at++)
		{
			zero[at] |= text[at] == '0';
			f[at] |= text[at] == 'f';
		}
	}
	for (int at = 20; at < 36; at++)
		varies &= at == 23 || (zero[at] && f[at]);
	ok(varies, "each digit of the random part varies");
}

int
main(void)
{
	if (sodium_init() < 0)
		return 1;
	test_layout();
	test_order();
	test_random();
	return done_testing();
}
