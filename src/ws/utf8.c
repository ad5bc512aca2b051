#include "ws/utf8.h"

#include <string.h>

#define IMPOSSIBLE UINT32_MAX

/* Inside a character the state says what may come next: how many bytes are missing, and the range
 * of the first of them. Only a lead byte narrows the range, which keeps out overlong forms,
 * surrogates and what is over U+10FFFF at the very byte where they show. */
static uint32_t expect(uint32_t missing, uint32_t low, uint32_t high)
{
    return missing | low << 8 | high << 16;
}

static uint32_t after_lead(uint8_t byte)
{
    if (byte < 0x80)
        return CV_UTF8_START;
    if (byte < 0xc2 || byte > 0xf4)
        return IMPOSSIBLE;
    if (byte < 0xe0)
        return expect(1, 0x80, 0xbf);
    if (byte < 0xf0)
        return expect(2, byte == 0xe0 ? 0xa0 : 0x80, byte == 0xed ? 0x9f : 0xbf);
    return expect(3, byte == 0xf0 ? 0x90 : 0x80, byte == 0xf4 ? 0x8f : 0xbf);
}

static uint32_t next(uint32_t now, uint8_t byte)
{
    uint32_t missing = now & 0xff, low = now >> 8 & 0xff, high = now >> 16;

    if (now == CV_UTF8_START)
        return after_lead(byte);
    if (byte < low || byte > high)
        return IMPOSSIBLE;
    return missing > 1 ? expect(missing - 1, 0x80, 0xbf) : CV_UTF8_START;
}

/* How many of @len bytes are ASCII, in steps of eight. */
static size_t ascii_run(const uint8_t *data, size_t len)
{
    size_t at = 0;

    for (uint64_t word; len - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, data + at, sizeof(word));
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    return at;
}

bool cv_utf8_check(uint32_t *state, const uint8_t *data, size_t len)
{
    uint32_t now = *state;
    size_t at = 0;

    while (at < len) {
        size_t run = now == CV_UTF8_START ? ascii_run(data + at, len - at) : 0;

        if (run > 0) {
            at += run;
            continue;
        }
        now = next(now, data[at++]);
        if (now == IMPOSSIBLE)
            return false;
    }
    *state = now;
    return true;
}
