/* SHA-256 (FIPS 180-4): the keys of the build cache. */
#ifndef PLAIT_DRIVER_SHA256_H
#define PLAIT_DRIVER_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { PLAIT_SHA256_BYTES = 32, PLAIT_SHA256_TEXT = 65 };

typedef struct PlaitSha256 {
    uint32_t state[8];
    uint64_t length; /* bytes so far */
    unsigned char block[64];
} PlaitSha256;

PlaitSha256 plait_sha256_begin(void);
void plait_sha256_add(PlaitSha256 *hash, const void *data, size_t length);
/* Adds a string with its length before it, so that no two lists of strings hash alike. */
void plait_sha256_add_text(PlaitSha256 *hash, const char *text);
/* Ends the hash and writes it as 64 lower-case hexadecimal digits and a zero. */
void plait_sha256_text(PlaitSha256 *hash, char text[PLAIT_SHA256_TEXT]);

#endif
