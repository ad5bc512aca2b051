#include "access/ip.h"

#include <string.h>

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

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Reads up to four hexadecimal digits; returns the characters it took, 0 when there is none. */
static size_t group(uint8_t out[2], const char *text, size_t len)
{
    unsigned value = 0;
    size_t n = 0;

    while (n < len && n < 4 && hex_digit(text[n]) >= 0)
        value = value * 16 + (unsigned)hex_digit(text[n++]);
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

static const struct cv_ip mapped_net = {6, {[10] = 0xff, [11] = 0xff}};
static const struct cv_ip any_v4 = {.family = 4};
static const struct cv_ip any_v6 = {.family = 6};
static const struct cv_ip loopback_v4 = {4, {127, 0, 0, 1}};
static const struct cv_ip loopback_v6 = {6, {[15] = 1}};

/* The IPv4 address in the last 32 bits of @address. */
static struct cv_ip embedded_v4(const struct cv_ip *address)
{
    struct cv_ip v4 = {.family = 4};

    memcpy(v4.bytes, address->bytes + 12, 4);
    return v4;
}

struct cv_ip cv_ip_normal(const struct cv_ip *address)
{
    struct cv_ip normal = *address;

    if (cv_ip_in(address, &mapped_net, 96))
        normal = embedded_v4(address);
    if (cv_ip_equal(&normal, &any_v4))
        return loopback_v4;
    if (cv_ip_equal(&normal, &any_v6))
        return loopback_v6;
    return normal;
}

bool cv_ip_is_loopback(const struct cv_ip *address)
{
    return cv_ip_in(address, &loopback_v4, 8) || cv_ip_equal(address, &loopback_v6);
}

bool cv_ip_is_guarded(const struct cv_ip *address)
{
    static const struct {
        struct cv_ip net;
        unsigned bits;
    } guarded[] = {
        {{4, {169, 254}}, 16},                                          /* RFC 3927; most clouds */
        {{6, {0xfe, 0x80}}, 10},                                        /* RFC 4291 */
        {{6, {0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54}}, 128}, /* Amazon */
        {{6, {0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54}}, 128}, /* Google */
        {{4, {100, 100, 100, 200}}, 32},                                /* Alibaba */
    };
    static const struct cv_ip nat64 = {6, {0x00, 0x64, 0xff, 0x9b}};

    for (size_t i = 0; i < sizeof(guarded) / sizeof(guarded[0]); i++)
        if (cv_ip_in(address, &guarded[i].net, guarded[i].bits))
            return true;
    if (cv_ip_in(address, &nat64, 96)) {
        struct cv_ip behind = embedded_v4(address);

        return cv_ip_is_guarded(&behind);
    }
    return false;
}

bool cv_ip_in(const struct cv_ip *address, const struct cv_ip *net, unsigned bits)
{
    size_t whole = bits / 8;
    unsigned rest = bits % 8;

    if (address->family != net->family || memcmp(address->bytes, net->bytes, whole) != 0)
        return false;
    return rest == 0 || (address->bytes[whole] ^ net->bytes[whole]) >> (8 - rest) == 0;
}

bool cv_ip_equal(const struct cv_ip *a, const struct cv_ip *b)
{
    return cv_ip_in(a, b, a->family == 4 ? 32 : 128);
}
