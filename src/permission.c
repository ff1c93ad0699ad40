/*
 * Matching a permission against a scope claim (RFC 6749 section 3.3: names
 * separated by single spaces).
 *
 * A granted name covers the wanted one segment by segment.  "*" covers one
 * whole segment and, at the end, all that follow, so "orders:*" covers
 * "orders:read" and "*" covers everything.  There are no other patterns.
 */
#include "permission.h"

#include <stddef.h>
#include <string.h>

/* Does one granted name, of the given length, cover the wanted name? */
static bool
covers(const char *granted, size_t len, const char *wanted)
{
	const char *end = granted + len;

	for (;;)
	{
		size_t		g = 0;
		size_t		w = strcspn(wanted, ":");

		while (granted + g < end && granted[g] != ':')
			g++;
		if (g == 1 && *granted == '*')
		{
			if (granted + g == end)
				return true;
		}
		else if (g != w || memcmp(granted, wanted, g) != 0)
			return false;

		granted += g;
		wanted += w;
		if (granted == end || *wanted == '\0')
			return granted == end && *wanted == '\0';
		granted++;
		wanted++;
	}
}

bool
permission_in_scope(const char *scope, const char *wanted)
{
	if (*wanted == '\0')
		return false;
	while (*scope != '\0')
	{
		size_t		len = strcspn(scope, " ");

		if (len > 0 && covers(scope, len, wanted))
			return true;
		scope += len;
		scope += strspn(scope, " ");
	}
	return false;
}
