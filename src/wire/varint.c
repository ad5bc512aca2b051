#include "wire/varint.h"

#include "base/error.h"

size_t cv_varint_encode(uint8_t *out, int64_t value)
{
    uint64_t rest = ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
    size_t n = 0;

    while (rest >= 0x80) {
        out[n++] = (uint8_t)(rest | 0x80);
        rest >>= 7;
    }
    out[n++] = (uint8_t)rest;
    return n;
}

int cv_varint_decode(int64_t *value, const uint8_t *in, size_t len)
{
    uint64_t sum = 0;

    for (size_t n = 0; n < CV_VARINT_MAX; n++) {
        if (n == len)
            return CV_EMORE;
        if (n == CV_VARINT_MAX - 1 && in[n] > 1)
            return CV_EPROTO;
        sum |= (uint64_t)(in[n] & 0x7f) << (7 * n);
        if (in[n] < 0x80) {
            *value = (int64_t)((sum >> 1) ^ (0 - (sum & 1)));
            return (int)n + 1;
        }
    }
    return CV_EPROTO;
}
