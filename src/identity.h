/* Who the caller is: the identity that a valid token has given. */
#ifndef DUALDB_IDENTITY_H
#define DUALDB_IDENTITY_H

#include "jwt.h"

typedef enum IdentityScope
{
	IDENTITY_TRANSACTION,		/* until the transaction ends */
	IDENTITY_SESSION,			/* until the session ends */
	IDENTITY_FORWARDED			/* as long as dualdb.forwarded_token is set, in
								 * the transaction that has set it */
} IdentityScope;

typedef struct Identity
{
	const char *user_id;
	const char *session_id;		/* NULL when the token has none */
	const char *scope;			/* NULL when the token has none */
	const char *payload;		/* the claims as JSON text */
	TrustedKey	key;			/* as it was when last looked up */
	const char **roles;
	int			nroles;
	int64_t		token_version;
	UnixMicros	expires_at;
} Identity;

extern void identity_init(void);
extern void identity_set(IdentityScope scope, const VerifiedToken *verified);
extern void identity_refuse(IdentityScope scope);
extern void identity_forget_all(void);

/* The number of this transaction, or of the next one. */
extern uint64 identity_transaction(void);

/* dualdb.forwarded_token has got another value, one of that transaction. */
extern void identity_forwarded_anew(uint64 transaction);

/* The identity in force now, or NULL. */
extern const Identity *identity_current(void);

#endif							/* DUALDB_IDENTITY_H */
