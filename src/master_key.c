/*
 * Loading and holding the master keys.
 *
 * They live in guarded, locked memory of this process from their first use
 * on.  They are read from a file that only the server's own user can read and
 * that lies outside the data directory, so that neither a base backup nor a
 * replica carries it: one key after the other, with nothing between.
 */
#include "master_key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <sodium.h>

/* Eight characters that keep this project's subkeys apart from others'. */
#define SUBKEY_CONTEXT	"dualdb01"

static MasterKeys *held_keys = NULL;

/* Does the file lie in the directory, links resolved? */
static bool
lies_in(const char *path, const char *directory)
{
	char		real_path[PATH_MAX];
	char		real_dir[PATH_MAX];
	size_t		n;

	if (realpath(path, real_path) == NULL ||
		realpath(directory, real_dir) == NULL)
		return true;
	n = strlen(real_dir);
	return strncmp(real_path, real_dir, n) == 0 &&
		(real_path[n] == '/' || real_path[n] == '\0');
}

static bool
holds_keys(off_t size)
{
	return size > 0 && size <= MASTER_KEYS_MAX * MASTER_KEY_LEN &&
		size % MASTER_KEY_LEN == 0;
}

static MasterKeyStatus
check_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return MASTER_KEY_UNREADABLE;
	if (!S_ISREG(st.st_mode))
		return MASTER_KEY_NOT_REGULAR;
	if (st.st_uid != geteuid())
		return MASTER_KEY_WRONG_OWNER;
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return MASTER_KEY_OPEN_MODE;
	if (!holds_keys(st.st_size))
		return MASTER_KEY_WRONG_SIZE;
	return MASTER_KEY_OK;
}

/*
 * Keep of each key the first.  One that is there twice would be the current key
 * and another one, which there is always something to be sealed anew under.
 */
static int
drop_repeated(MasterKeys *keys, int n)
{
	int			kept = 0;

	for (int i = 0; i < n; i++)
	{
		int			j = 0;

		while (j < kept &&
			   sodium_memcmp(keys->key[j], keys->key[i], MASTER_KEY_LEN) != 0)
			j++;
		if (j == kept)
			memmove(keys->key[kept++], keys->key[i], MASTER_KEY_LEN);
	}
	return kept;
}

static bool
has_zeros(const MasterKeys *keys)
{
	for (int i = 0; i < keys->n; i++)
	{
		if (sodium_is_zero(keys->key[i], MASTER_KEY_LEN))
			return true;
	}
	return false;
}

/* Read the keys straight into locked memory. */
static MasterKeyStatus
read_keys(int fd)
{
	MasterKeys *keys = sodium_malloc(sizeof(MasterKeys));
	ssize_t		size;

	if (keys == NULL)
		return MASTER_KEY_NO_MEMORY;
	do
		size = read(fd, keys->key, sizeof(keys->key));
	while (size < 0 && errno == EINTR);
	if (!holds_keys(size))
	{
		int			save_errno = errno;

		sodium_free(keys);
		errno = save_errno;
		return size < 0 ? MASTER_KEY_UNREADABLE : MASTER_KEY_WRONG_SIZE;
	}
	keys->n = drop_repeated(keys, (int) (size / MASTER_KEY_LEN));
	if (has_zeros(keys))
	{
		sodium_free(keys);
		return MASTER_KEY_ZEROS;
	}
	sodium_mprotect_readonly(keys);
	held_keys = keys;
	return MASTER_KEY_OK;
}

/* The keys, from memory if they are there and else from the file. */
MasterKeyStatus
master_key_load(const char *path, const char *data_dir,
				const MasterKeys **keys)
{
	MasterKeyStatus status;
	int			fd;

	if (held_keys == NULL)
	{
		if (path == NULL || *path == '\0')
			return MASTER_KEY_NOT_CONFIGURED;

		/* opening a pipe must not wait for its other end */
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd < 0)
			return MASTER_KEY_UNREADABLE;
		if (lies_in(path, data_dir))
			status = MASTER_KEY_IN_DATA_DIRECTORY;
		else
			status = check_file(fd);
		if (status == MASTER_KEY_OK)
			status = read_keys(fd);
		close(fd);
		if (status != MASTER_KEY_OK)
			return status;
	}
	*keys = held_keys;
	return MASTER_KEY_OK;
}

/* Wipe the held keys; the next use reads the file again. */
void
master_key_forget(void)
{
	sodium_free(held_keys);
	held_keys = NULL;
}

/* A key for one purpose, from which neither the key itself nor others follow. */
void
master_key_derive(const uint8_t *key, MasterSubkey purpose,
				  uint8_t subkey[MASTER_SUBKEY_LEN])
{
	crypto_kdf_derive_from_key(subkey, MASTER_SUBKEY_LEN, (uint64_t) purpose,
							   SUBKEY_CONTEXT, key);
}
