/* Reading the strings in which password hashes are stored. */
#ifndef DUALDB_HASH_READER_H
#define DUALDB_HASH_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What became of reading a stored hash. */
typedef enum HashStatus
{
	HASH_OK,
	HASH_UNKNOWN,				/* no format that starts so */
	HASH_MALFORMED,
	HASH_TOO_COSTLY
} HashStatus;

/* What became of computing a hash, or of comparing a password with one. */
typedef enum PasswordStatus
{
	PASSWORD_OK,
	PASSWORD_MISMATCH,
	PASSWORD_NO_MEMORY
} PasswordStatus;

/* How bytes are written. */
typedef enum HashEncoding
{
	ENCODING_CRYPT,				/* characters of crypt(3), taken as they are */
	ENCODING_BASE64,			/* with padding */
	ENCODING_BASE64_BARE,		/* without */
	ENCODING_BASE64_ADAPTED,	/* passlib's: without, and . in place of + */
	ENCODING_HEX				/* in lower case */
} HashEncoding;

/* What is left to read. */
typedef struct HashReader
{
	const char *pos;
	const char *end;
} HashReader;

extern bool read_literal(HashReader *r, const char *literal);
extern bool read_decimal(HashReader *r, uint32_t *value);
extern bool read_crypt64(HashReader *r, size_t min, size_t max,
						 const char **text, size_t *len);
extern bool read_salt_text(HashReader *r, uint8_t *dst, size_t dstcap,
						   size_t *dstlen);
extern bool read_bytes(HashReader *r, HashEncoding encoding,
					   uint8_t *dst, size_t dstcap, size_t *dstlen);

/* The value of a character of crypt(3)'s base64, -1 for any other. */
extern int	crypt64_value(char c);

#endif							/* DUALDB_HASH_READER_H */
