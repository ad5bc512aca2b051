#include "ws/ws.h"

#include <string.h>

/* A Close's reason follows the two bytes of its code. */
#define REASON_MAX (CV_WS_CONTROL_MAX - 2)

static size_t put_number(uint8_t *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    return bytes;
}

/* Bytes of the extended length; a length takes the shortest of the three forms (RFC 6455, 5.2). */
static size_t extended_bytes(uint64_t len)
{
    if (len < 126)
        return 0;
    return len <= UINT16_MAX ? 2 : 8;
}

size_t cv_ws_head_size(uint64_t len, bool masked)
{
    return 2 + extended_bytes(len) + (masked ? 4 : 0);
}

size_t cv_ws_head_encode(uint8_t *out, enum cv_ws_opcode opcode, bool fin, uint64_t len,
                         const uint8_t mask[4])
{
    size_t extended = extended_bytes(len), n = 2;
    uint8_t length = extended == 0 ? (uint8_t)len : extended == 2 ? 126 : 127;

    out[0] = (uint8_t)((fin ? 0x80 : 0) | opcode);
    out[1] = (uint8_t)((mask ? 0x80 : 0) | length);
    n += put_number(out + n, len, extended);
    if (mask) {
        memcpy(out + n, mask, 4);
        n += 4;
    }
    return n;
}

/* Bytes of @reason that go into a Close: never half a character, which the other end would answer
 * with 1007. */
static size_t reason_fit(const char *reason)
{
    size_t len = reason ? strlen(reason) : 0;

    if (len <= REASON_MAX)
        return len;
    len = REASON_MAX;
    while (len > 0 && ((uint8_t)reason[len] & 0xc0) == 0x80)
        len--;
    return len;
}

size_t cv_ws_close_encode(uint8_t *out, uint16_t code, const char *reason, const uint8_t mask[4])
{
    size_t reason_len = code == CV_WS_NO_CODE ? 0 : reason_fit(reason);
    size_t body_len = code == CV_WS_NO_CODE ? 0 : 2 + reason_len;
    size_t n = cv_ws_head_encode(out, CV_WS_CLOSE, true, body_len, mask);
    uint8_t *body = out + n;

    if (body_len) {
        put_number(body, code, 2);
        if (reason_len)
            memcpy(body + 2, reason, reason_len);
        if (mask)
            cv_ws_mask(body, body_len, mask, 0);
    }
    return n + body_len;
}
