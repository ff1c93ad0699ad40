/* The PHC string of an argon2 hash, taken apart. */
#ifndef DUALDB_PHC_H
#define DUALDB_PHC_H

#include "hash_reader.h"

#define PHC_SALT_MIN	8
#define PHC_SALT_MAX	64
#define PHC_HASH_MIN	16
#define PHC_HASH_MAX	64

/* Longer strings are not argon2 hashes of any known program. */
#define PHC_STRING_MAX	255

/*
 * What a stored hash may cost.  A hash is data, and whoever can write one
 * could otherwise ask the server for terabytes or for days.
 */
#define PHC_MEMORY_MAX_KIB	(256 * 1024)
#define PHC_ITERATIONS_MAX	64
#define PHC_WORK_MAX_KIB	(1024 * 1024)	/* memory times iterations */
#define PHC_PARALLELISM_MAX	16

typedef struct Argon2Phc
{
	bool		is_argon2id;
	uint32_t	memory_kib;
	uint32_t	iterations;
	uint32_t	parallelism;
	uint8_t		salt[PHC_SALT_MAX];
	size_t		salt_len;
	uint8_t		hash[PHC_HASH_MAX];
	size_t		hash_len;
} Argon2Phc;

extern HashStatus phc_parse(const char *str, size_t len, Argon2Phc *phc);

#endif							/* DUALDB_PHC_H */
