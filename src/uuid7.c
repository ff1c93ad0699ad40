/*
 * UUID version 7, monotonic within a process.
 *
 * The 12 bits after the millisecond hold its fraction (RFC 9562 section 6.2,
 * method 3).  The clock never steps by less than one such fraction from one
 * call to the next, so ids of a backend sort in the order they were made, even
 * when the wall clock is set back.
 */
#include "uuid7.h"

#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <sodium.h>

#define NS_PER_MS	1000000
#define NS_STEP		(NS_PER_MS / 4096 + 1)	/* at least one 12-bit fraction */

static int64_t
clock_ascending(void)
{
	static int64_t previous = 0;
	struct timespec ts;
	int64_t		now;

	clock_gettime(CLOCK_REALTIME, &ts);
	now = (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
	if (now < previous + NS_STEP)
		now = previous + NS_STEP;
	previous = now;
	return now;
}

void
uuid7_text(char text[UUID_TEXT_SIZE])
{
	int64_t		ns = clock_ascending();
	uint64_t	ms = (uint64_t) (ns / NS_PER_MS);
	uint32_t	fraction = (uint32_t) (ns % NS_PER_MS * 4096 / NS_PER_MS);
	uint8_t		r[8];

	randombytes_buf(r, sizeof(r));
	snprintf(text, UUID_TEXT_SIZE,
			 "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x",
			 (unsigned) (ms >> 16), (unsigned) (ms & 0xffff),
			 (unsigned) (0x7000 | (fraction & 0x0fff)),
			 (r[0] & 0x3f) | 0x80, r[1], r[2], r[3], r[4], r[5], r[6], r[7]);
}
