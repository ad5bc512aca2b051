#ifndef CV_WS_UTF8_H
#define CV_WS_UTF8_H

#include <stdbool.h>

#include "base/attr.h"

/* UTF-8 as RFC 3629 has it (no surrogates, nothing over U+10FFFF, no overlong form), checked in a
 * stream. */

#define CV_UTF8_START 0u /* between two characters: the only state in which a text may end */

/* Runs @len bytes through the check. *@state starts as CV_UTF8_START. False at the first byte that
 * cannot be right; true also when the bytes end inside a character. */
bool cv_utf8_check(uint32_t *state, const uint8_t *data, size_t len) CV_MUST_USE;

#endif
