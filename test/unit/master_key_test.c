/*
 * The file of master keys: read when it is regular, ours, private, of a right
 * size and outside the data directory, and refused in every other case.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <sodium.h>

#include "fixture.h"
#include "master_key.h"
#include "tap.h"

/* the first 32 are the key of most tests; each key after it is another one */
static const char key_bytes[] =
"0123456789abcdef0123456789ABCDEF" "1123456789abcdef0123456789ABCDEF"
"2123456789abcdef0123456789ABCDEF" "3123456789abcdef0123456789ABCDEF"
"4123456789abcdef0123456789ABCDEF";

static void
write_bytes(const char *path, const char *bytes, size_t len, mode_t mode)
{
	FILE	   *file;

	unlink(path);
	file = fopen(path, "w");
	if (file == NULL || fwrite(bytes, 1, len, file) != len ||
		fclose(file) != 0 || chmod(path, mode) != 0)
		abort();
}

static void
write_key(const char *path, size_t len, mode_t mode)
{
	write_bytes(path, key_bytes, len, mode);
}

/* The answer for a file, with nothing remembered before or after. */
static MasterKeyStatus
load(const char *path)
{
	const MasterKeys *keys = NULL;
	MasterKeyStatus status;

	master_key_forget();
	status = master_key_load(path, "data", &keys);
	if ((status == MASTER_KEY_OK) != (keys != NULL) ||
		(keys != NULL &&
		 memcmp(keys->key[0], key_bytes, MASTER_KEY_LEN) != 0))
		abort();
	master_key_forget();
	return status;
}

static void
test_mode(void)
{
	static const struct
	{
		mode_t		mode;
		MasterKeyStatus status;
	}			cases[] = {
		{0600, MASTER_KEY_OK},
		{0400, MASTER_KEY_OK},
		{0700, MASTER_KEY_OK},
		{0640, MASTER_KEY_OPEN_MODE},
		{0644, MASTER_KEY_OPEN_MODE},
		{0604, MASTER_KEY_OPEN_MODE},
		{0620, MASTER_KEY_OPEN_MODE},
		{0602, MASTER_KEY_OPEN_MODE},
		{0610, MASTER_KEY_OPEN_MODE},
		{0601, MASTER_KEY_OPEN_MODE},
		{0666, MASTER_KEY_OPEN_MODE},
		{0777, MASTER_KEY_OPEN_MODE}
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		write_key("mode", 32, cases[i].mode);
		is_int(load("mode"), cases[i].status, "mode 0%o",
			   (unsigned) cases[i].mode);
	}
	if (geteuid() != 0)
	{
		write_key("mode", 32, 0);
		is_int(load("mode"), MASTER_KEY_UNREADABLE, "mode 0");
	}
}

static void
test_owner(void)
{
	const char *path = "/etc/passwd";

	write_key("owner", 32, 0600);
	is_int(load("owner"), MASTER_KEY_OK, "our own file");
	if (geteuid() == 0)
	{
		path = "owner";
		if (chown(path, 65534, 65534) != 0)
			abort();
	}
	is_int(load(path), MASTER_KEY_WRONG_OWNER, "another user's file");
}

static void
test_size(void)
{
	for (size_t size = 0; size < sizeof(key_bytes); size++)
	{
		bool		whole = size > 0 && size <= 128 && size % 32 == 0;

		write_key("size", size, 0600);
		is_int(load("size"), whole ? MASTER_KEY_OK : MASTER_KEY_WRONG_SIZE,
			   "%zu bytes", size);
	}
}

/* One key after the other, and what is first in the file is first. */
static void
test_several(void)
{
	for (int n = 1; n <= MASTER_KEYS_MAX; n++)
	{
		const MasterKeys *keys = NULL;

		write_key("several", (size_t) n * MASTER_KEY_LEN, 0600);
		master_key_forget();
		is_int(master_key_load("several", "data", &keys), MASTER_KEY_OK,
			   "%d keys", n);
		is_int(keys->n, n, "as many are loaded");
		ok(memcmp(keys->key, key_bytes, (size_t) n * MASTER_KEY_LEN) == 0,
		   "in their order");
	}
	master_key_forget();
}

/* As when a step of a rotation is run twice. */
static void
test_repeated(void)
{
	char		bytes[4 * MASTER_KEY_LEN];
	const MasterKeys *keys = NULL;

	memcpy(bytes, key_bytes, MASTER_KEY_LEN);
	memcpy(bytes + MASTER_KEY_LEN, key_bytes, 2 * MASTER_KEY_LEN);
	memcpy(bytes + 3 * MASTER_KEY_LEN, key_bytes + MASTER_KEY_LEN, MASTER_KEY_LEN);
	write_bytes("repeated", bytes, sizeof(bytes), 0600);
	master_key_forget();
	is_int(master_key_load("repeated", "data", &keys), MASTER_KEY_OK,
		   "keys that are there twice");
	is_int(keys->n, 2, "are there once");
	ok(memcmp(keys->key, key_bytes, 2 * MASTER_KEY_LEN) == 0,
	   "in the order in which they come first");
	master_key_forget();
}

/* As a file system may leave a file that was not on disk when the power went. */
static void
test_zeros(void)
{
	char		bytes[2 * MASTER_KEY_LEN] = {0};

	write_bytes("zeros", bytes, MASTER_KEY_LEN, 0600);
	is_int(load("zeros"), MASTER_KEY_ZEROS, "a file of zeros");
	memcpy(bytes, key_bytes, MASTER_KEY_LEN);
	write_bytes("zeros", bytes, sizeof(bytes), 0600);
	is_int(load("zeros"), MASTER_KEY_ZEROS, "one that ends with a key of zeros");
	bytes[sizeof(bytes) - 1] = 1;
	write_bytes("zeros", bytes, sizeof(bytes), 0600);
	is_int(load("zeros"), MASTER_KEY_OK, "a key with one bit");
}

static void
test_kind(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX,.sun_path = "socket"};
	int			s = socket(AF_UNIX, SOCK_STREAM, 0);
	int			fifo;

	if (mkfifo("fifo", 0600) != 0 || mkdir("directory", 0700) != 0 ||
		bind(s, (struct sockaddr *) &address, sizeof(address)) != 0)
		abort();
	/* what waits for a writer is ended by the signal */
	alarm(20);
	is_int(load("fifo"), MASTER_KEY_NOT_REGULAR, "a pipe nobody writes to");
	fifo = open("fifo", O_RDWR);
	if (write(fifo, key_bytes, 32) != 32)
		abort();
	is_int(load("fifo"), MASTER_KEY_NOT_REGULAR, "a pipe with 32 bytes");
	alarm(0);
	close(fifo);
	close(s);
	is_int(load("directory"), MASTER_KEY_NOT_REGULAR, "a directory");
	is_int(load("/dev/zero"), MASTER_KEY_NOT_REGULAR, "a device");
	is_int(load("socket"), MASTER_KEY_UNREADABLE, "a socket");
}

static void
link_to(const char *target, const char *path)
{
	unlink(path);
	if (symlink(target, path) != 0)
		abort();
}

static void
test_links(void)
{
	write_key("good", 32, 0600);
	write_key("open", 32, 0644);
	link_to("good", "link");
	is_int(load("link"), MASTER_KEY_OK, "a link to a good file");
	link_to("open", "link");
	is_int(load("link"), MASTER_KEY_OPEN_MODE, "a link to an open file");
	link_to("fifo", "link");
	is_int(load("link"), MASTER_KEY_NOT_REGULAR, "a link to a pipe");
	link_to("nothing", "link");
	is_int(load("link"), MASTER_KEY_UNREADABLE, "a link to nothing");
	is_int(errno, ENOENT, "because of that");
	link_to("link", "link");
	is_int(load("link"), MASTER_KEY_UNREADABLE, "a link to itself");
	is_int(errno, ELOOP, "because of that");
}

static void
test_data_directory(const char *base)
{
	char		path[4096 + 16];
	const MasterKeys *keys;

	if (mkdir("data/base", 0700) != 0 || mkdir("data2", 0700) != 0)
		abort();
	write_key("data/key", 32, 0600);
	write_key("data/base/key", 32, 0600);
	write_key("data2/key", 32, 0600);
	snprintf(path, sizeof(path), "%s/data/key", base);

	is_int(load("good"), MASTER_KEY_OK, "outside the data directory");
	is_int(load("data/key"), MASTER_KEY_IN_DATA_DIRECTORY, "inside");
	is_int(load(path), MASTER_KEY_IN_DATA_DIRECTORY, "inside, absolute path");
	is_int(load("data/base/key"), MASTER_KEY_IN_DATA_DIRECTORY, "further in");
	is_int(load("data2/../data/key"), MASTER_KEY_IN_DATA_DIRECTORY,
		   "inside, around a corner");
	is_int(load("data/../good"), MASTER_KEY_OK, "outside, around a corner");
	is_int(load("data2/key"), MASTER_KEY_OK, "in one whose name goes on");
	is_int(load("data"), MASTER_KEY_IN_DATA_DIRECTORY, "the directory itself");
	link_to("data/key", "link");
	is_int(load("link"), MASTER_KEY_IN_DATA_DIRECTORY, "a link to the inside");
	link_to("link", "link2");
	is_int(load("link2"), MASTER_KEY_IN_DATA_DIRECTORY, "two links inside");
	link_to("../good", "data/link");
	is_int(load("data/link"), MASTER_KEY_OK, "a link from the inside out");

	link_to("data", "pgdata");
	is_int(master_key_load("data/key", "pgdata", &keys),
		   MASTER_KEY_IN_DATA_DIRECTORY, "inside, the directory a link");
	is_int(master_key_load("pgdata/key", "data/", &keys),
		   MASTER_KEY_IN_DATA_DIRECTORY, "inside, the path through a link");
	is_int(master_key_load("good", "nothing", &keys),
		   MASTER_KEY_IN_DATA_DIRECTORY, "no such data directory");
	is_int(master_key_load("good", "pgdata", &keys), MASTER_KEY_OK,
		   "outside, the directory a link");
}

static void
test_memory(void)
{
	const MasterKeys *keys = NULL;
	const MasterKeys *again = NULL;

	master_key_forget();
	is_int(load(NULL), MASTER_KEY_NOT_CONFIGURED, "no path");
	is_int(load(""), MASTER_KEY_NOT_CONFIGURED, "an empty path");
	is_int(load("nothing"), MASTER_KEY_UNREADABLE, "no file");
	is_int(errno, ENOENT, "because of that");
	is_int(load("good/key"), MASTER_KEY_UNREADABLE, "a file as directory");
	is_int(errno, ENOTDIR, "because of that");

	is_int(master_key_load("good", "data", &keys), MASTER_KEY_OK, "loaded");
	ok(keys != NULL && memcmp(keys->key[0], key_bytes, MASTER_KEY_LEN) == 0,
	   "its bytes");
	is_int(master_key_load("nothing", "data", &again), MASTER_KEY_OK,
		   "remembered without the file");
	ok(again == keys, "in the same place");
	master_key_forget();
	is_int(master_key_load("nothing", "data", &keys), MASTER_KEY_UNREADABLE,
		   "forgotten");
	master_key_forget();
	is_int(master_key_load("good", "data", &keys), MASTER_KEY_OK,
		   "loaded again, forgotten twice");
}

/* Subkeys protect what is stored, so the way they are made must stay. */
static void
test_derive(void)
{
	const uint8_t *key = (const uint8_t *) key_bytes;
	uint8_t		subkeys[4][MASTER_SUBKEY_LEN];
	uint8_t		expected[MASTER_SUBKEY_LEN];

	for (int i = SUBKEY_SEAL; i <= SUBKEY_FINGERPRINT; i++)
	{
		master_key_derive(key, (MasterSubkey) i, subkeys[i]);
		crypto_kdf_derive_from_key(expected, sizeof(expected), (uint64_t) i,
								   "dualdb01", key);
		ok(memcmp(subkeys[i], expected, sizeof(expected)) == 0, "subkey %d", i);
		ok(memcmp(subkeys[i], key, MASTER_KEY_LEN) != 0, "not the master key");
	}
	ok(memcmp(subkeys[1], subkeys[2], 32) != 0 &&
	   memcmp(subkeys[2], subkeys[3], 32) != 0 &&
	   memcmp(subkeys[1], subkeys[3], 32) != 0, "one for each purpose");
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");
	char		base[4096];
	char		remove[4096 + 16];

	snprintf(base, sizeof(base), "%s/master_key.XXXXXX",
			 tmp != NULL ? tmp : "/tmp");
	if (sodium_init() < 0 || mkdtemp(base) == NULL || chdir(base) != 0 ||
		mkdir("data", 0700) != 0)
		return 1;
	test_mode();
	test_owner();
	test_size();
	test_several();
	test_repeated();
	test_zeros();
	test_kind();
	test_links();
	test_data_directory(base);
	test_memory();
	test_derive();
	snprintf(remove, sizeof(remove), "rm -rf '%s'", base);
	return system(remove) != 0 || done_testing();
}
