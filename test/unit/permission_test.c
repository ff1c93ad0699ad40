/*
 * Permissions in a scope: whole names, wildcards for whole segments, and no
 * other pattern (RFC 6749 section 3.3).
 */
#include <string.h>

#include "permission.h"
#include "tap.h"

static const struct
{
	const char *scope;
	const char *wanted;
	bool		covered;
}			cases[] = {
	/* names */
	{"orders:read", "orders:read", true},
	{"orders:read", "orders:write", false},
	{"orders:read", "invoices:read", false},
	{"orders:read", "orders:rea", false},
	{"orders:read", "orders:reads", false},
	{"orders:read", "order:read", false},
	{"orders:read", "xorders:read", false},
	{"orders:read", "ORDERS:READ", false},
	{"orders:read", "orders", false},
	{"orders:read", "orders:", false},
	{"orders:read", ":read", false},
	{"orders:read", "read", false},
	{"orders:read", "orders:read:own", false},
	{"orders", "orders", true},
	{"orders", "orders:read", false},	/* a name is no prefix */
	{"orders:", "orders:read", false},
	{"orders:read:own", "orders:read:own", true},
	{"orders:read:own", "orders:read", false},

	/* lists */
	{"orders:read orders:write", "orders:read", true},
	{"orders:read orders:write", "orders:write", true},
	{"a b orders:read c", "orders:read", true},
	{"orders:read orders:write", "orders:delete", false},
	{"orders:read  orders:write", "orders:write", true},
	{" orders:read ", "orders:read", true},
	{"orders:read\torders:write", "orders:write", false},
	{"orders:read,orders:write", "orders:write", false},
	{"orders:read\norders:write", "orders:write", false},
	{"ord ers:read", "orders:read", false},
	{"orders :read", "orders:read", false},
	{"orders: read", "orders:read", false},
	{"orders:read orders:write", "orders:read orders:write", false},

	/* nothing */
	{"", "orders:read", false},
	{" ", "orders:read", false},
	{"", "", false},
	{" ", "", false},
	{"  ", " ", false},
	{"orders:read", "", false},
	{"*", "", false},

	/* wildcards at the end cover all that follows */
	{"orders:*", "orders:read", true},
	{"orders:*", "orders:read:own", true},
	{"orders:*", "invoices:read", false},
	{"orders:*", "orders", false},
	{"orders:*", "ordersx:read", false},
	{"orders:*", "order:read", false},
	{"orders:read:*", "orders:read:own", true},
	{"orders:read:*", "orders:write:own", false},
	{"orders:read:*", "orders:read", false},
	{"*", "orders", true},
	{"*", "orders:read", true},
	{"*", "orders:read:own", true},
	{"a:* orders:*", "orders:read", true},

	/* wildcards before the end cover one segment */
	{"*:read", "orders:read", true},
	{"*:read", "orders:write", false},
	{"*:read", "read", false},
	{"*:read", "orders:own:read", false},
	{"*:read", "orders:read:own", false},
	{"orders:*:own", "orders:read:own", true},
	{"orders:*:own", "orders:read:all", false},
	{"orders:*:own", "orders:own", false},
	{"*:*", "orders:read", true},
	{"*:*", "orders:read:own", true},
	{"*:*", "orders", false},

	/* part of a segment is no wildcard */
	{"orders:r*", "orders:read", false},
	{"orders:*d", "orders:read", false},
	{"orders:**", "orders:read", false},
	{"**", "orders", false},
	{"ord*", "orders:read", false},
	{"orders:r*", "orders:r*", true},
	{"orders:rea?", "orders:read", false},
	{"orders:rea.", "orders:read", false},
	{"orders:[a-z]+", "orders:read", false},
	{"orders:%", "orders:read", false},

	/* a wildcard in what is wanted is a name like any other */
	{"orders:read", "orders:*", false},
	{"orders:read", "*", false},
	{"orders:read", "*:read", false},
	{"orders:*", "orders:*", true},
	{"*", "*", true},
	{"orders:*", "*", false}
};

int
main(void)
{
	char		wanted[8192];
	char		scope[8192];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char		name[128];

		snprintf(name, sizeof(name), "\"%s\" %s \"%s\"", cases[i].scope,
				 cases[i].covered ? "covers" : "does not cover",
				 cases[i].wanted);
		/* the name of a check is one line */
		for (char *c = name; *c != '\0'; c++)
		{
			if (*c == '\n' || *c == '\t')
				*c = '~';
		}
		ok(permission_in_scope(cases[i].scope, cases[i].wanted) ==
		   cases[i].covered, "%s", name);
	}

	/* many segments, each with a wildcard, take no time */
	for (size_t i = 0; i + 1 < sizeof(scope); i += 2)
	{
		memcpy(scope + i, "*:", 2);
		memcpy(wanted + i, "a:", 2);
	}
	scope[8190] = wanted[8190] = 'a';
	scope[8191] = wanted[8191] = '\0';
	ok(permission_in_scope(scope, wanted), "4096 segments are covered");
	wanted[8190] = 'b';
	ok(!permission_in_scope(scope, wanted), "but not with another at the end");
	return done_testing();
}
