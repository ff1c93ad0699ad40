/*
 * Test Anything Protocol: ok() for each check, and at the end of main()
 * "return done_testing();".
 */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int	tap_run = 0;
static int	tap_failed = 0;

/* The rest of the arguments is the check's name, as for printf(). */
#define ok(condition, ...) \
	((void) tap_ok((condition), __FILE__, __LINE__, __VA_ARGS__))

/* ok() of an equality, which also tells the two numbers when it fails. */
#define is_int(got, expected, ...) \
	do { \
		long		got_ = (long) (got); \
		long		expected_ = (long) (expected); \
		\
		if (!tap_ok(got_ == expected_, __FILE__, __LINE__, __VA_ARGS__)) \
			fprintf(stderr, "#   got %ld, expected %ld\n", got_, expected_); \
	} while (0)

__attribute__((format(printf, 4, 5)))
static inline bool
tap_ok(bool passed, const char *file, int line, const char *name, ...)
{
	char		text[256];
	va_list		args;

	va_start(args, name);
	vsnprintf(text, sizeof(text), name, args);
	va_end(args);
	printf("%s %d - %s\n", passed ? "ok" : "not ok", ++tap_run, text);
	/* a crash must not take the lines before it along */
	fflush(stdout);
	if (!passed)
	{
		tap_failed++;
		fprintf(stderr, "#   failed: %s\n#   at %s line %d\n",
				text, file, line);
	}
	return passed;
}

static inline int
done_testing(void)
{
	printf("1..%d\n", tap_run);
	return tap_failed > 0;
}

#endif							/* TAP_H */
