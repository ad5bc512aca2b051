#ifndef CV_WIRE_VARINT_H
#define CV_WIRE_VARINT_H

#include "base/attr.h"

/* Signed varints as Go's binary.PutVarint writes them: zigzag, then base 128, low bits first, 64
 * bits at most. */
#define CV_VARINT_MAX 10

/* Writes @value to @out (room for CV_VARINT_MAX bytes) and returns how many bytes it took. */
size_t cv_varint_encode(uint8_t *out, int64_t value);

/* Reads one varint; returns how many bytes it took. Overlong forms of up to 10 bytes are accepted,
 * as Go does.
 *
 * CV_EMORE   @len bytes end inside it
 * CV_EPROTO  it runs past 10 bytes or 64 bits */
int cv_varint_decode(int64_t *value, const uint8_t *in, size_t len) CV_MUST_USE;

#endif
