/* Literals are taken out of log lines, whatever they are written like. */
#include "tap.h"

#include <stdio.h>
#include <string.h>

#include "redact.h"

static void
redacts(const char *text, bool backslashes, const char *expected)
{
	char		dst[REDACTED_SIZE(400)];

	redact_literals(text, backslashes, dst);
	ok(strcmp(dst, expected) == 0, "%s -> %s", text, dst);
}

int
main(void)
{
	redacts("SELECT 1", false, "SELECT 1");
	redacts("f('s')", false, "f('***')");
	redacts("f('')", false, "f('***')");
	redacts("f('s''t', 'u')", false, "f('***', '***')");
	redacts("f('s\\', 'u')", false, "f('***', '***')");
	redacts("f('s\\', u')", true, "f('***')");
	redacts("f(E's\\', u')", false, "f(E'***')");
	redacts("f(e's\\\\', 'u')", false, "f(e'***', '***')");
	redacts("f(U&'s\\0061')", false, "f(U&'***')");
	redacts("f($$s$$, $t$s$$ $t$)", false, "f('***', '***')");
	redacts("f($1, $2)", false, "f($1, $2)");
	redacts("a$b$c", false, "a$b$c");
	redacts("SELECT \"it's\", 's'", false, "SELECT \"it's\", '***'");
	redacts("SELECT \"a\"\"'b\", 's'", false, "SELECT \"a\"\"'b\", '***'");
	redacts("-- it's\nf('s')", false, "\nf('***')");
	redacts("/* it's /* ' */ */f('s')", false, "f('***')");
	redacts("parameters: $1 = 's', $2 = NULL", false, "parameters: $1 = '***', $2 = NULL");

	/* what is cut off is taken for a literal to its end */
	redacts("f('s", false, "f('***'");
	redacts("f($$s", false, "f('***'");
	redacts("f('s\\", true, "f('***'");
	redacts("f(/* 's", false, "f(");

	ok(mentions_secrets("SELECT auth.login('a', 'b')"), "a function of ours");
	ok(mentions_secrets("select LOGIN ('a', 'b')"), "without its schema");
	ok(mentions_secrets("SELECT \"dualdb\".hash_password($1)"), "with a quoted schema");
	ok(!mentions_secrets("SELECT count(*) FROM app.orders"), "nothing of ours");
	ok(!mentions_secrets(""), "nothing at all");
	return done_testing();
}
