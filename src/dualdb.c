/* The module: what it consists of, in the order in which it is set up. */
#include "dualdb.h"

#include <sodium.h>

#include "fmgr.h"

#include "discard.h"
#include "identity.h"
#include "trusted_keys.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	if (sodium_init() < 0)
		ereport(ERROR,
				errcode(ERRCODE_SYSTEM_ERROR),
				errmsg("could not initialize libsodium"));

	settings_init();
	trusted_keys_init();
	identity_init();
	discard_init();
}
