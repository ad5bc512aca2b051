#ifndef TESTS_SUPPORT_TEST_HEX_H
#define TESTS_SUPPORT_TEST_HEX_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of @hex, written to @out (room for strlen(hex) / 2); returns how many. Aborts on a bad
 * digit. */
size_t test_unhex(uint8_t *out, const char *hex);

/* Hex of @len bytes, ended by NUL, written to @out (room for 2 * len + 1). */
void test_hex(char *out, const uint8_t *bytes, size_t len);

#endif
