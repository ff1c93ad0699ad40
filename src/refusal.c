/*
 * Comparing for a login, so that all refusals take the same time.
 *
 * A user who does not exist, or has no usable hash, costs one argon2 hash at
 * today's cost, as everybody does whose hash was made here.  A comparison with
 * any other hash costs its own time and then that, too.  So that the sum tells
 * nothing, every refusal ends as late as one of the costliest such hash that any
 * user has would end: those that took less wait, outside of the governor, which
 * costs neither a turn nor a core.  Where nobody has such a hash nobody waits.
 *
 * How long a hash takes is the machine's to say.  It is measured when it is first
 * asked for, by computing one, and again whenever one is computed.
 */
#include "dualdb.h"

#include <time.h>

#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "refusal.h"
#include "shared_state.h"

/* A quarter more than measured, lest the costliest end later than all others. */
#define WITH_MARGIN(micros)	((micros) + (micros) / 4)

/*
 * A machine that stood still for a while, with all on it, must not be taken for a
 * costly hash that every refusal then waits for.
 */
#define WALL_PER_CPU_MAX	8

/* Passwords within so many bytes of length are measured together, as the longest. */
#define LENGTH_STEP		16
#define LENGTH_MAX		512

/* Of this process; those in shared memory serve where there is any. */
static HashTimes own_times;

static int64_t
micros_now(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64_t) INSTR_TIME_GET_MICROSEC(now);
}

typedef struct Stopwatch
{
	int64_t		wall;
	int64_t		cpu;
} Stopwatch;

static int64_t
cpu_micros(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static Stopwatch
stopwatch_start(void)
{
	return (Stopwatch) {micros_now(), cpu_micros()};
}

static int64_t
stopwatch_read(const Stopwatch *watch)
{
	return Min(micros_now() - watch->wall,
			   (cpu_micros() - watch->cpu) * WALL_PER_CPU_MAX);
}

/* The length that a password is measured as. */
static uint32_t
measured_length(const StoredHash *hash, size_t len)
{
	if (!stored_hash_minds_length(hash))
		return 0;
	if (len >= LENGTH_MAX)
		return LENGTH_MAX;
	return (uint32_t) Min((len / LENGTH_STEP + 1) * LENGTH_STEP,
						  LENGTH_MAX - 1);
}

static HashTimes *
lock_times(SharedState *s)
{
	if (s == NULL)
		return &own_times;
	LWLockAcquire(&s->lock, LW_EXCLUSIVE);
	return &s->hash_times;
}

static void
unlock_times(SharedState *s)
{
	if (s != NULL)
		LWLockRelease(&s->lock);
}

static int
find_time(const HashTimes *times, uint64_t class, uint32_t length)
{
	for (int i = 0; i < HASH_TIMES; i++)
	{
		if (times->entries[i].class == class &&
			times->entries[i].length == length)
			return i;
	}
	return -1;
}

/* The time of one computation, or -1 when none has been measured. */
static int64_t
known_time(const StoredHash *hash, uint32_t length)
{
	SharedState *s = shared_state();
	const HashTimes *times = lock_times(s);
	int			i = find_time(times, stored_hash_class(hash), length);
	int64_t		micros = i >= 0 ? times->entries[i].micros : -1;

	unlock_times(s);
	return micros;
}

/* Follow a measured time: soon when it grows, slowly when it shrinks. */
static void
note_time(const StoredHash *hash, uint32_t length, int64_t micros)
{
	SharedState *s = shared_state();
	HashTimes  *times = lock_times(s);
	uint64_t	class = stored_hash_class(hash);
	int			i = find_time(times, class, length);

	if (i < 0)
	{
		i = times->next;
		times->next = (i + 1) % HASH_TIMES;
		times->entries[i].class = class;
		times->entries[i].length = length;
		times->entries[i].micros = micros;
	}
	else if (micros > times->entries[i].micros)
		times->entries[i].micros += (micros - times->entries[i].micros) / 2;
	else
		times->entries[i].micros -= (times->entries[i].micros - micros) / 16;
	unlock_times(s);
}

/* The time of one computation, measured now if it has not been before. */
static PasswordStatus
time_of(const StoredHash *hash, size_t len, int64_t *micros)
{
	char		password[LENGTH_MAX];
	uint32_t	length = measured_length(hash, len);
	Stopwatch	watch;
	PasswordStatus status;

	*micros = known_time(hash, length);
	if (*micros >= 0)
		return PASSWORD_OK;
	memset(password, 'x', sizeof(password));
	watch = stopwatch_start();
	status = stored_hash_verify(password, length, hash);
	if (status == PASSWORD_NO_MEMORY)
		return status;
	*micros = stopwatch_read(&watch);
	note_time(hash, length, *micros);
	return PASSWORD_OK;
}

/* Is it another program's, or of another cost than today's? */
static bool
is_foreign(const StoredHash *hash)
{
	return stored_hash_class(hash) != 0 &&
		stored_hash_needs_rehash(hash, argon2_memory, argon2_iterations);
}

/*
 * The costliest that a comparison with a foreign hash is, with margin.  One that
 * there is no memory for is left out, as it must not be in everybody's way.
 */
static int64_t
costliest_time(const LoginAttempt *attempt, size_t len)
{
	int64_t		costliest = 0;

	for (int i = 0; i < attempt->nrivals; i++)
	{
		int64_t		micros;

		if (is_foreign(&attempt->rivals[i]) &&
			time_of(&attempt->rivals[i], len, &micros) == PASSWORD_OK)
			costliest = Max(costliest, WITH_MARGIN(micros));
	}
	return costliest;
}

/* A hash of today's cost that no password has. */
static PasswordStatus
compare_with_decoy(const LoginAttempt *attempt)
{
	Argon2Phc	decoy;
	PasswordStatus status;

	argon2_decoy(argon2_memory, argon2_iterations, &decoy);
	status = argon2_verify("", 0, &decoy, NULL);
	/* a user's hash would be compared with both forms */
	if (status != PASSWORD_NO_MEMORY && attempt->nfc != NULL)
		status = argon2_verify("", 0, &decoy, NULL);
	return status == PASSWORD_NO_MEMORY ? status : PASSWORD_MISMATCH;
}

PasswordStatus
login_compare(LoginAttempt *attempt)
{
	int			forms = attempt->nfc != NULL ? 2 : 1;
	size_t		len = attempt->password != NULL ?
		VARSIZE_ANY_EXHDR(attempt->password) : 0;
	int64_t		start = micros_now();
	Stopwatch	watch = stopwatch_start();
	bool		decoy = true;
	int64_t		foreign;
	int64_t		costliest;
	PasswordStatus status;
	StoredHash	hash;

	/* an imported hash may be one of nothing, which is no password here */
	if (attempt->hash != NULL && len > 0 && len <= PASSWORD_MAX_LEN &&
		stored_hash_parse(attempt->hash, &hash) == HASH_OK)
	{
		status = password_verify_either(attempt->password, attempt->nfc,
										&hash);
		if (status != PASSWORD_MISMATCH)
			return status;
		attempt->mismatched = true;
		decoy = hash.kind == STORED_UNUSABLE || is_foreign(&hash);
		if (is_foreign(&hash) && !stored_hash_minds_length(&hash))
			note_time(&hash, 0, stopwatch_read(&watch) / forms);
		if (!decoy)
			start = micros_now();
	}
	costliest = costliest_time(attempt, len);
	foreign = micros_now() - start;
	attempt->wait = Max(costliest * forms - foreign, 0);
	return decoy ? compare_with_decoy(attempt) : PASSWORD_MISMATCH;
}

void
refusal_wait(const LoginAttempt *attempt)
{
	int64_t		end = micros_now() + attempt->wait;
	int64_t		left;

	while ((left = end - micros_now()) > 0)
	{
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 (long) ((left + 999) / 1000), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}
