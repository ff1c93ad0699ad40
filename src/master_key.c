/*
 * Loading and holding the master key.
 *
 * The key lives in guarded, locked memory of this process from its first use
 * on.  It is read from a file that only the server's own user can read and
 * that lies outside the data directory, so that neither a base backup nor a
 * replica carries it.
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

static uint8_t *held_key = NULL;

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
	if (st.st_size != MASTER_KEY_LEN)
		return MASTER_KEY_WRONG_SIZE;
	return MASTER_KEY_OK;
}

/* Read the key straight into locked memory. */
static MasterKeyStatus
read_key(int fd)
{
	uint8_t    *key = sodium_malloc(MASTER_KEY_LEN);
	ssize_t		n;

	if (key == NULL)
		return MASTER_KEY_NO_MEMORY;
	do
		n = read(fd, key, MASTER_KEY_LEN);
	while (n < 0 && errno == EINTR);
	if (n != MASTER_KEY_LEN)
	{
		int			save_errno = errno;

		sodium_free(key);
		errno = save_errno;
		return n < 0 ? MASTER_KEY_UNREADABLE : MASTER_KEY_WRONG_SIZE;
	}
	sodium_mprotect_readonly(key);
	held_key = key;
	return MASTER_KEY_OK;
}

/* The key, from memory if it is there and else from the file. */
MasterKeyStatus
master_key_load(const char *path, const char *data_dir, const uint8_t **key)
{
	MasterKeyStatus status;
	int			fd;

	if (held_key == NULL)
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
			status = read_key(fd);
		close(fd);
		if (status != MASTER_KEY_OK)
			return status;
	}
	*key = held_key;
	return MASTER_KEY_OK;
}

/* Wipe the held key; the next use reads the file again. */
void
master_key_forget(void)
{
	sodium_free(held_key);
	held_key = NULL;
}

/* A key for one purpose, from which neither the master nor others follow. */
void
master_key_derive(const uint8_t *key, MasterSubkey purpose,
				  uint8_t subkey[MASTER_SUBKEY_LEN])
{
	crypto_kdf_derive_from_key(subkey, MASTER_SUBKEY_LEN, (uint64_t) purpose,
							   SUBKEY_CONTEXT, key);
}
