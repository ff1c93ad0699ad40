/* The text of an API key. */
#ifndef DUALDB_API_KEY_H
#define DUALDB_API_KEY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * ddb_<id>_<secret><check>: 16 characters that name the key, 43 with 256 random
 * bits, 6 with the CRC-32 of all before them, in base62.
 */
#define API_KEY_PREFIX		"ddb_"
#define API_KEY_ID_LEN		16
#define API_KEY_SECRET_LEN	43
#define API_KEY_CHECK_LEN	6
#define API_KEY_LEN \
	(sizeof(API_KEY_PREFIX) - 1 + API_KEY_ID_LEN + 1 + \
	 API_KEY_SECRET_LEN + API_KEY_CHECK_LEN)

extern void api_key_new(const char *id, char key[API_KEY_LEN + 1]);
extern void api_key_new_id(char id[API_KEY_ID_LEN + 1]);
extern bool api_key_id(const char *key, size_t len,
					   char id[API_KEY_ID_LEN + 1]);

#endif							/* DUALDB_API_KEY_H */
