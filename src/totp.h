/* Time-based one-time passwords (RFC 6238) and their secrets in base32. */
#ifndef DUALDB_TOTP_H
#define DUALDB_TOTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOTP_SECRET_LEN		20	/* RFC 4226 section 4, R6 */
#define TOTP_STEP_SECONDS	30
#define TOTP_DIGITS			6

/* Characters of len bytes in base32 without padding, NUL not included. */
#define BASE32_LEN(len)		(((len) * 8 + 4) / 5)

extern bool totp_code(const uint8_t *secret, size_t len, uint64_t step,
					  uint32_t *code);
extern int64_t totp_match(const uint8_t *secret, size_t len, const char *typed,
						  int64_t now, int64_t last_step);
extern void base32_encode(const uint8_t *src, size_t len, char *dst);

#endif							/* DUALDB_TOTP_H */
