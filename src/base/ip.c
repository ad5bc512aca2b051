#include "base/ip.h"

#include <string.h>

#include "base/peer.h"

/* Reads one decimal octet; returns the characters it took, 0 when there is none. */
static size_t octet(uint8_t *out, const char *text, size_t len)
{
    unsigned value = 0;
    size_t n = 0;

    while (n < len && n < 3 && text[n] >= '0' && text[n] <= '9')
        value = value * 10 + (unsigned)(text[n++] - '0');
    if (value > 255 || (n > 1 && text[0] == '0'))
        return 0;
    *out = (uint8_t)value;
    return n;
}

static bool parse_v4(uint8_t out[4], const char *text, size_t len)
{
    size_t at = 0;

    for (int i = 0; i < 4; i++) {
        size_t n;

        if (i > 0 && (at >= len || text[at++] != '.'))
            return false;
        n = octet(out + i, text + at, len - at);
        if (n == 0)
            return false;
        at += n;
    }
    return at == len;
}

/* Reads up to four hexadecimal digits; returns the characters it took, 0 when there is none. */
static size_t group(uint8_t out[2], const char *text, size_t len)
{
    unsigned value = 0;
    size_t n = 0;

    while (n < len && n < 4 && cv_text_hex_digit(text[n]) >= 0)
        value = value * 16 + (unsigned)cv_text_hex_digit(text[n++]);
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
    return n;
}

/* Groups up to the end of @text or to a "::", written to @out (16 bytes). Returns how many bytes,
 * or -1; *@at is left behind what was read. */
static int groups(uint8_t *out, const char *text, size_t len, size_t *at)
{
    int bytes = 0;

    while (*at < len) {
        size_t n;

        if (bytes <= 12 && parse_v4(out + bytes, text + *at, len - *at)) {
            *at = len;
            return bytes + 4;
        }
        if (bytes == 16)
            return -1;
        n = group(out + bytes, text + *at, len - *at);
        if (n == 0)
            return -1;
        *at += n;
        bytes += 2;
        if (*at == len)
            break;
        if (text[(*at)++] != ':' || *at == len)
            return -1;
        if (text[*at] == ':') {
            (*at)--;
            break;
        }
    }
    return bytes;
}

static bool parse_v6(uint8_t out[16], const char *text, size_t len)
{
    uint8_t tail[16];
    size_t at = 0;
    int head_len = 0, tail_len;

    memset(out, 0, 16);
    if (len < 2)
        return false;
    if (text[0] != ':') {
        head_len = groups(out, text, len, &at);
        if (head_len < 0)
            return false;
        if (at == len)
            return head_len == 16;
    }
    if (len - at < 2 || text[at] != ':' || text[at + 1] != ':')
        return false;
    at += 2;
    tail_len = groups(tail, text, len, &at);
    /* "::" stands for one group at least */
    if (tail_len < 0 || at != len || head_len + tail_len > 14)
        return false;
    memcpy(out + 16 - tail_len, tail, (size_t)tail_len);
    return true;
}

bool cv_ip_parse(struct cv_ip *out, const char *text, size_t len)
{
    *out = (struct cv_ip){.family = 4};
    if (parse_v4(out->bytes, text, len))
        return true;
    out->family = 6;
    return parse_v6(out->bytes, text, len);
}

bool cv_ip_of_peer(struct cv_ip *out, const char *peer)
{
    struct cv_peer from;

    if (!cv_peer_parse(&from, peer))
        return false;
    out->family = from.family;
    memcpy(out->bytes, from.ip, sizeof(out->bytes));
    return true;
}

/* The longest run of zero groups, two of them at least (RFC 5952, 4.2): its first and its length, 0
 * when there is none. */
static int longest_run(const uint8_t bytes[16], int *len)
{
    int best = 0;

    *len = 1;
    for (int at = 0; at < 8; at++) {
        int n = 0;

        while (at + n < 8 && !bytes[2 * (at + n)] && !bytes[2 * (at + n) + 1])
            n++;
        if (n > *len) {
            best = at;
            *len = n;
        }
    }
    if (*len < 2)
        *len = 0;
    return best;
}

static void write_group(struct cv_text *text, unsigned value)
{
    static const char digits[] = "0123456789abcdef";

    for (int shift = 12; shift >= 0; shift -= 4)
        if (value >> shift || shift == 0)
            cv_text_bytes(text, &digits[value >> shift & 15], 1);
}

static void write_v6(struct cv_text *text, const uint8_t bytes[16])
{
    int run_len, run = longest_run(bytes, &run_len);

    for (int at = 0; at < 8; at++) {
        if (run_len && at == run) {
            cv_text_str(text, "::");
            at += run_len - 1;
            continue;
        }
        if (at > 0 && (!run_len || at != run + run_len))
            cv_text_str(text, ":");
        write_group(text, (unsigned)bytes[2 * at] << 8 | bytes[2 * at + 1]);
    }
}

void cv_ip_write(struct cv_text *text, const struct cv_ip *address)
{
    if (address->family == 6) {
        write_v6(text, address->bytes);
        return;
    }
    for (int i = 0; i < 4; i++) {
        cv_text_str(text, i ? "." : "");
        cv_text_u64(text, address->bytes[i]);
    }
}
