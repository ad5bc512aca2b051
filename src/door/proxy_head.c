#include "door/proxy_head.h"

#include "base/error.h"
#include "base/ip.h"

#define FIXED_LEN  16 /* bytes of version 2 in front of the addresses */
#define TLV_HEAD   3
#define TLV_CRC32C 0x03

enum command { LOCAL = 0, PROXY = 1 };

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                      0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
static const char word[6] = {'P', 'R', 'O', 'X', 'Y', ' '};

static int refuse(const char **problem, const char *why)
{
    *problem = why;
    return CV_EPROTO;
}

/* Whether what came is how @start begins, or begins with all of it. */
static bool begins(const uint8_t *in, size_t len, const void *start, size_t start_len)
{
    return memcmp(in, start, cv_min_size(len, start_len)) == 0;
}

/* Version 1. */

/* What is left of a line. */
struct line {
    const char *at;
    size_t len;
};

/* Takes the field up to the next blank, or, with the @last one, to the end. Returns its length, -1
 * when it does not end so. */
static int next_field(struct line *line, const char **field, bool last)
{
    const char *blank = memchr(line->at, ' ', line->len);
    size_t len = blank ? (size_t)(blank - line->at) : line->len;

    *field = line->at;
    if (last != !blank)
        return -1;
    line->at += len + !last;
    line->len -= len + !last;
    return (int)len;
}

static bool read_address(struct cv_peer *out, uint8_t family, struct line *line)
{
    const char *field;
    int len = next_field(line, &field, false);
    struct cv_ip ip;

    if (len < 0 || !cv_ip_parse(&ip, field, (size_t)len) || ip.family != family)
        return false;
    out->family = family;
    memcpy(out->ip, ip.bytes, sizeof(out->ip));
    return true;
}

static bool read_port(struct cv_peer *out, struct line *line, bool last)
{
    const char *field;
    int len = next_field(line, &field, last);
    int64_t port;

    if (len < 0 || (len > 1 && field[0] == '0') || !cv_text_to_i64(field, (size_t)len, &port) ||
        port > UINT16_MAX)
        return false;
    out->port = (uint16_t)port;
    return true;
}

/* Reads what stands between `PROXY ` and CRLF. */
static bool read_line(struct cv_proxy_head *out, struct line line)
{
    static const char unknown[] = "UNKNOWN";
    uint8_t family;

    if (line.len >= 7 && memcmp(line.at, unknown, 7) == 0)
        return line.len == 7 || line.at[7] == ' '; /* what follows is to be ignored */
    if (line.len < 5 || memcmp(line.at, "TCP", 3) != 0 || line.at[4] != ' ')
        return false;
    if (line.at[3] != '4' && line.at[3] != '6')
        return false;
    family = (uint8_t)(line.at[3] - '0');
    line.at += 5;
    line.len -= 5;
    return read_address(&out->from, family, &line) && read_address(&out->to, family, &line) &&
           read_port(&out->from, &line, false) && read_port(&out->to, &line, true);
}

/* The length of the line with its CRLF, or 0. */
static size_t line_len(const uint8_t *in, size_t len)
{
    for (size_t i = 1; i < len && i < CV_PROXY_LINE_MAX; i++)
        if (in[i - 1] == '\r' && in[i] == '\n')
            return i + 1;
    return 0;
}

static int read_v1(struct cv_proxy_head *out, const uint8_t *in, size_t len, const char **problem)
{
    size_t whole = line_len(in, len);
    struct line line = {.at = (const char *)in + sizeof(word)};

    if (!whole && len >= CV_PROXY_LINE_MAX)
        return refuse(problem, "the line of version 1 has no end");
    if (!whole)
        return CV_EMORE;
    line.len = whole - sizeof(word) - 2;
    if (!read_line(out, line))
        return refuse(problem, "the line of version 1 is malformed");
    return (int)whole;
}

/* Version 2. */

static unsigned number16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

/* CRC32c (RFC 9260, Appendix A) of @len bytes, of which the four at @hole count as 0. */
static uint32_t crc32c(const uint8_t *in, size_t len, size_t hole)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < len; i++) {
        crc ^= i >= hole && i - hole < 4 ? 0 : in[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
    }
    return ~crc;
}

/* Looks through what follows the addresses, from @at on: what it says is not asked for, but a
 * checksum must be right. */
static const char *extras_problem(const uint8_t *in, size_t len, size_t at)
{
    bool checked = false;

    while (at < len) {
        size_t value = at + TLV_HEAD, size = len - at < TLV_HEAD ? 0 : number16(in + at + 1);
        uint32_t sum;

        if (len - at < TLV_HEAD || size > len - value)
            return "what follows the addresses is malformed";
        if (in[at] == TLV_CRC32C) {
            if (checked || size != 4)
                return "the checksum is malformed";
            sum = (uint32_t)number16(in + value) << 16 | number16(in + value + 2);
            if (sum != crc32c(in, len, value))
                return "the checksum is wrong";
            checked = true;
        }
        at = value + size;
    }
    return NULL;
}

/* Why the fixed part cannot be accepted, as far as it is there; NULL: nothing is wrong yet. */
static const char *fixed_problem(const uint8_t *in, size_t len)
{
    if (len > 12 && in[12] >> 4 != 2)
        return "a version other than 2 behind the signature";
    if (len > 12 && (in[12] & 15) > PROXY)
        return "an unknown command";
    if (len > 13 && (in[12] & 15) == PROXY && (in[13] >> 4 > 3 || (in[13] & 15) > 2))
        return "an unknown family or protocol of addresses";
    return NULL;
}

static void read_ends(struct cv_proxy_head *out, const uint8_t *at, uint8_t family, size_t size)
{
    out->from.family = out->to.family = family;
    memcpy(out->from.ip, at, size);
    memcpy(out->to.ip, at + size, size);
    out->from.port = (uint16_t)number16(at + 2 * size);
    out->to.port = (uint16_t)number16(at + 2 * size + 2);
}

static int read_v2(struct cv_proxy_head *out, const uint8_t *in, size_t len, const char **problem)
{
    const char *why = fixed_problem(in, len);
    size_t whole, size = 0;

    if (why)
        return refuse(problem, why);
    if (len < FIXED_LEN)
        return CV_EMORE;
    whole = FIXED_LEN + number16(in + 14);
    if (in[12] == (0x20 | PROXY) && (in[13] == 0x11 || in[13] == 0x21))
        size = in[13] == 0x11 ? 4 : 16;
    if (size && whole < FIXED_LEN + 2 * size + 4)
        return refuse(problem, "the head is shorter than its addresses");
    if (whole > CV_PROXY_HEAD_MAX) {
        *problem = "the head is too long";
        return CV_ETOOLONG;
    }
    if (len < whole)
        return CV_EMORE;
    why = size ? extras_problem(in, whole, FIXED_LEN + 2 * size + 4) : NULL;
    if (why)
        return refuse(problem, why);
    if (size)
        read_ends(out, in + FIXED_LEN, size == 4 ? 4 : 6, size);
    return (int)whole;
}

int cv_proxy_head_read(struct cv_proxy_head *out, const uint8_t *in, size_t len,
                       const char **problem)
{
    int rc = CV_EMORE;

    *out = (struct cv_proxy_head){.from = {.family = 0}};
    if (len == 0)
        return CV_EMORE;
    if (begins(in, len, signature, sizeof(signature)))
        rc = read_v2(out, in, len, problem);
    else if (begins(in, len, word, sizeof(word)))
        rc = read_v1(out, in, len, problem);
    else
        rc = refuse(problem, "no head of the PROXY protocol");
    if (rc < 0)
        *out = (struct cv_proxy_head){.from = {.family = 0}};
    return rc;
}

/* Writing. */

static void write_address(struct cv_text *line, const struct cv_peer *peer)
{
    struct cv_ip ip = {.family = peer->family};

    memcpy(ip.bytes, peer->ip, sizeof(ip.bytes));
    cv_ip_write(line, &ip);
}

static size_t write_v1(uint8_t out[CV_PROXY_WRITE_MAX], const struct cv_proxy_head *head,
                       uint8_t family)
{
    char text[CV_PROXY_LINE_MAX + 1];
    struct cv_text line;

    cv_text_init(&line, text, sizeof(text));
    if (!family) {
        cv_text_str(&line, "PROXY UNKNOWN\r\n");
    } else {
        cv_text_str(&line, family == 4 ? "PROXY TCP4 " : "PROXY TCP6 ");
        write_address(&line, &head->from);
        cv_text_str(&line, " ");
        write_address(&line, &head->to);
        cv_text_str(&line, " ");
        cv_text_u64(&line, head->from.port);
        cv_text_str(&line, " ");
        cv_text_u64(&line, head->to.port);
        cv_text_str(&line, "\r\n");
    }
    memcpy(out, text, line.len);
    return line.len;
}

static void put16(uint8_t *at, size_t number)
{
    at[0] = (uint8_t)(number >> 8);
    at[1] = (uint8_t)number;
}

static size_t write_v2(uint8_t out[CV_PROXY_WRITE_MAX], const struct cv_proxy_head *head,
                       uint8_t family)
{
    size_t size = family == 4 ? 4 : 16, len = family ? 2 * size + 4 : 0;
    uint8_t *at = out + FIXED_LEN;

    memcpy(out, signature, sizeof(signature));
    out[12] = 0x20 | PROXY;
    out[13] = family == 4 ? 0x11 : family == 6 ? 0x21 : 0x00;
    put16(out + 14, len);
    if (len) {
        memcpy(at, head->from.ip, size);
        memcpy(at + size, head->to.ip, size);
        put16(at + 2 * size, head->from.port);
        put16(at + 2 * size + 2, head->to.port);
    }
    return FIXED_LEN + len;
}

size_t cv_proxy_head_write(uint8_t out[CV_PROXY_WRITE_MAX], unsigned version,
                           const struct cv_proxy_head *head)
{
    uint8_t family = head->from.family == head->to.family ? head->from.family : 0;

    return version == 1 ? write_v1(out, head, family) : write_v2(out, head, family);
}
