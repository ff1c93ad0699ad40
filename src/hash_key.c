/*
 * The key that tokens are hashed under.
 *
 * A hash cannot be made anew without its token, so it must outlive the master
 * key: the key for it is random, stored in auth.hash_keys under the master
 * key's seal, and sealed anew when the master key is rotated.  Its row is read
 * at each use and opened when it is another one than before, so no backend and
 * no standby goes on with a key that has been replaced.
 */
#include "dualdb.h"

#include <sodium.h>

#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "hash_key.h"

/* Column of the table; auth/tables.sql.  Its id is the same in every database. */
#define COL_SEALED_KEY	2
#define PLACE			"auth.hash_keys.sealed_key/tokens"

typedef struct HeldKey
{
	uint8_t		sealed[HASH_KEY_SEALED_LEN];
	uint8_t		key[HASH_KEY_LEN];
} HeldKey;

static HeldKey *held = NULL;

void
hash_key_new(const uint8_t *master_key, uint8_t sealed[HASH_KEY_SEALED_LEN])
{
	uint8_t		key[HASH_KEY_LEN];

	randombytes_buf(key, sizeof(key));
	seal(master_key, PLACE, key, sizeof(key), sealed);
	sodium_memzero(key, sizeof(key));
}

void
hash_key_forget(void)
{
	sodium_free(held);
	held = NULL;
}

/* The table, or NULL where nothing of the kind is there. */
static Relation
open_table(void)
{
	Oid			schema = get_namespace_oid("auth", true);
	Oid			relid = OidIsValid(schema) ?
		get_relname_relid("hash_keys", schema) : InvalidOid;
	Relation	rel = OidIsValid(relid) ?
		try_relation_open(relid, AccessShareLock) : NULL;

	if (rel != NULL &&
		(rel->rd_rel->relkind != RELKIND_RELATION ||
		 RelationGetNumberOfAttributes(rel) < COL_SEALED_KEY ||
		 TupleDescAttr(RelationGetDescr(rel), COL_SEALED_KEY - 1)->atttypid != BYTEAOID))
	{
		relation_close(rel, AccessShareLock);
		rel = NULL;
	}
	return rel;
}

static bool
read_row(Relation rel, uint8_t sealed[HASH_KEY_SEALED_LEN])
{
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(RelationGetRelid(rel)));
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	bool		found = table_scan_getnextslot(scan, ForwardScanDirection, slot);

	if (found)
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, COL_SEALED_KEY, &isnull);
		bytea	   *b = isnull ? NULL : DatumGetByteaPP(value);

		/* of a wrong length is what cannot be opened, like all zeros */
		memset(sealed, 0, HASH_KEY_SEALED_LEN);
		if (b != NULL && VARSIZE_ANY_EXHDR(b) == HASH_KEY_SEALED_LEN)
			memcpy(sealed, VARDATA_ANY(b), HASH_KEY_SEALED_LEN);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	return found;
}

static void
read_sealed_key(uint8_t sealed[HASH_KEY_SEALED_LEN])
{
	Relation	rel = open_table();
	bool		found = false;

	if (rel != NULL)
	{
		found = read_row(rel, sealed);
		relation_close(rel, AccessShareLock);
	}
	if (!found)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("there is no hash key"),
				errhint("Tokens are hashed in the auth database. There, configure dualdb.key_file and run SELECT dualdb.setup_auth()."),
				errhidestmt(true),
				errhidecontext(true));
}

static void
raise_not_opened(SealStatus status)
{
	if (status == SEAL_OTHER_KEY)
		ereport(ERROR,
				errcode(ERRCODE_CONFIG_FILE_ERROR),
				errmsg("hash key was sealed under another master key"),
				errhint("Restore the key file that belongs to this database, or start over by calling auth.replace_hash_key(): tokens and API keys of before are then void."),
				errhidestmt(true),
				errhidecontext(true));
	else if (status != SEAL_OK)
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("sealed hash key has been altered"),
				errhint("Restore table auth.hash_keys from a backup, or start over by calling auth.replace_hash_key(): tokens and API keys of before are then void."),
				errhidestmt(true),
				errhidecontext(true));
}

/* Open the key straight into locked memory. */
static void
open_key(const MasterKeys *master_keys,
		 const uint8_t sealed[HASH_KEY_SEALED_LEN])
{
	HeldKey    *opened = sodium_malloc(sizeof(HeldKey));
	SealStatus	status;

	if (opened == NULL)
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("no locked memory for the hash key"),
				errhint("See RLIMIT_MEMLOCK."),
				errhidestmt(true),
				errhidecontext(true));
	status = seal_open_any(master_keys, PLACE, sealed, HASH_KEY_SEALED_LEN,
						   opened->key, HASH_KEY_LEN);
	if (status != SEAL_OK)
	{
		sodium_free(opened);
		raise_not_opened(status);
	}
	memcpy(opened->sealed, sealed, HASH_KEY_SEALED_LEN);
	sodium_mprotect_readonly(opened);
	hash_key_forget();
	held = opened;
}

const uint8_t *
require_hash_key(void)
{
	const MasterKeys *master_keys = require_master_keys();
	uint8_t		sealed[HASH_KEY_SEALED_LEN];

	read_sealed_key(sealed);
	if (held == NULL || memcmp(held->sealed, sealed, sizeof(sealed)) != 0)
		open_key(master_keys, sealed);
	return held->key;
}
