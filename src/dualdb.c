/* The module: what it consists of, in the order in which it is set up. */
#include "dualdb.h"

#include <sodium.h>

#include "fmgr.h"

#include "bridge_connection.h"
#include "discard.h"
#include "identity.h"
#include "log_redaction.h"
#include "outbox.h"
#include "revocations.h"
#include "shared_state.h"
#include "sync_worker.h"
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
	revocations_init();
	bridge_connection_init();
	identity_init();
	discard_init();
	log_redaction_init();
	shared_state_init();
	outbox_init();
	sync_worker_init();
}
