/*
 * Taking the literals out of SQL text.
 *
 * The text is what a log line quotes: a statement, a list of parameters, a plan.
 * It may be cut off or no SQL at all; where it is not clear what is a literal,
 * too much is taken out rather than too little.
 */
#include "redact.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define REDACTED	"'***'"

/* Schemas and functions; a name that somebody else uses loses its literals, too. */
static const char *const secret_names[] = {
	"dualdb", "auth.", "authenticate", "login", "register_user", "refresh",
	"logout", "change_password", "reset_password", "verify_email",
	"verify_api_key", "exchange_api_key", "confirm_totp", "jwt_verify",
	"hash_password", "verify_password",
	/* what it names cannot be read from it */
	"u&\""
};

bool
mentions_secrets(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
	{
		for (size_t i = 0; i < sizeof(secret_names) / sizeof(char *); i++)
		{
			if (strncasecmp(p, secret_names[i], strlen(secret_names[i])) == 0)
				return true;
		}
	}
	return false;
}

static bool
is_identifier(char c)
{
	return isalnum((unsigned char) c) || c == '_' || (unsigned char) c >= 0x80;
}

/* The end of a literal that starts with a quote; two quotes stand for one. */
static const char *
end_of_quoted(const char *p, char quote, bool backslashes)
{
	for (p++; *p != '\0'; p++)
	{
		if (backslashes && *p == '\\' && p[1] != '\0')
			p++;
		else if (*p == quote)
		{
			if (p[1] != quote)
				return p + 1;
			p++;
		}
	}
	return p;
}

/* The end of $tag$...$tag$, or NULL when no such literal starts here. */
static const char *
end_of_dollar_quoted(const char *p)
{
	const char *tag = p;
	size_t		len;

	for (p++; is_identifier(*p); p++)
		;
	if (*p != '$' || isdigit((unsigned char) tag[1]))
		return NULL;
	len = (size_t) (++p - tag);
	for (; *p != '\0'; p++)
	{
		if (*p == '$' && strncmp(p, tag, len) == 0)
			return p + len;
	}
	return p;
}

/* The end of a comment, or NULL when none starts here; these nest. */
static const char *
end_of_comment(const char *p)
{
	int			depth = 0;

	if (p[0] == '-' && p[1] == '-')
		return p + strcspn(p, "\n");
	if (p[0] != '/' || p[1] != '*')
		return NULL;
	while (*p != '\0')
	{
		if (p[0] == '/' && p[1] == '*')
		{
			depth++;
			p += 2;
		}
		else if (p[0] == '*' && p[1] == '/')
		{
			p += 2;
			if (--depth == 0)
				break;
		}
		else
			p++;
	}
	return p;
}

void
redact_literals(const char *text, bool backslashes, char *dst)
{
	const char *p = text;

	while (*p != '\0')
	{
		const char *end = end_of_comment(p);
		bool		in_word = p > text && is_identifier(p[-1]);
		bool		literal = false;

		if (end == NULL && *p == '\'')
		{
			/* E'...' takes backslashes whatever the setting */
			bool		escapes = backslashes ||
				(in_word && (p[-1] == 'E' || p[-1] == 'e'));

			literal = true;
			end = end_of_quoted(p, '\'', escapes);
		}
		else if (end == NULL && *p == '$' && !in_word)
		{
			end = end_of_dollar_quoted(p);
			literal = end != NULL;
		}
		else if (end == NULL && *p == '"')
		{
			/* an identifier stays, and what is in it is no literal */
			end = end_of_quoted(p, '"', false);
			memcpy(dst, p, (size_t) (end - p));
			dst += end - p;
		}

		if (end == NULL)
			*dst++ = *p++;
		else
		{
			if (literal)
			{
				memcpy(dst, REDACTED, strlen(REDACTED));
				dst += strlen(REDACTED);
			}
			p = end;
		}
	}
	*dst = '\0';
}
