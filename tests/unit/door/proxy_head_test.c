#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"
#include "door/proxy_head.h"
#include "support/test_hex.h"

#define SIGNATURE "0d0a0d0a000d0a515549540a"

static struct cv_proxy_head head;
static const char *problem;

static int read_text(const char *text)
{
    problem = NULL;
    return cv_proxy_head_read(&head, (const uint8_t *)text, strlen(text), &problem);
}

static int read_hex(const char *hex)
{
    uint8_t bytes[CV_PROXY_HEAD_MAX];
    size_t len = test_unhex(bytes, hex);

    problem = NULL;
    return cv_proxy_head_read(&head, bytes, len, &problem);
}

static void assert_ends(const char *from, const char *to)
{
    char text[CV_PEER_TEXT_SIZE];

    cr_assert_neq(head.from.family, 0);
    cv_peer_text(text, &head.from);
    cr_assert_str_eq(text, from);
    cv_peer_text(text, &head.to);
    cr_assert_str_eq(text, to);
}

static void assert_unknown(void)
{
    static const struct cv_proxy_head none;

    cr_assert_eq(memcmp(&head.from, &none.from, sizeof(none.from)), 0);
    cr_assert_eq(memcmp(&head.to, &none.to, sizeof(none.to)), 0);
}

/* The specification's own example, and its longest lines. */
static const struct {
    char line[120], from[CV_PEER_TEXT_SIZE], to[CV_PEER_TEXT_SIZE];
    int len;
} lines[] = {
    {"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", "192.168.0.1:56324", "192.168.0.11:443",
     47},
    {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535",
     "255.255.255.255:65535", 56},
    {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
     "FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF 65535 65535\r\n",
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", 104},
    {"PROXY TCP6 2001:db8::1 ::1 0 1\r\n", "[2001:db8::1]:0", "[::1]:1", 32},
};

Test(proxy_head, reads_lines_of_version_1)
{
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char more[200];

        cr_assert_eq(read_text(lines[i].line), lines[i].len, "%s: %s", lines[i].line, problem);
        assert_ends(lines[i].from, lines[i].to);
        strcpy(more, lines[i].line);
        strcat(more, "GET / HTTP/1.0\r\n\r\n");
        cr_assert_eq(read_text(more), lines[i].len, "what follows is not the head's");
        assert_ends(lines[i].from, lines[i].to);
    }
}

static const char *const unknown_lines[] = {
    "PROXY UNKNOWN\r\n",
    "PROXY UNKNOWN \r\n",
    "PROXY UNKNOWN any thing \r \n at all\r\n",
    /* the worst case of the specification: 107 bytes */
    "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
};

Test(proxy_head, an_unknown_line_says_nothing)
{
    for (size_t i = 0; i < sizeof(unknown_lines) / sizeof(unknown_lines[0]); i++) {
        cr_assert_eq(read_text(unknown_lines[i]), (int)strlen(unknown_lines[i]), "%s",
                     unknown_lines[i]);
        assert_unknown();
    }
    cr_assert_eq(strlen(unknown_lines[3]), CV_PROXY_LINE_MAX);
}

static const char *const bad_lines[] = {
    "GET / HTTP/1.0\r\n",
    "proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n",
    "PROXY\r\n",
    "PROXY \r\n",
    "PROXY  TCP4 1.2.3.4 1.2.3.4 1 1\r\n",
    "PROXY UNKNOWNS\r\n",
    "PROXY unknown\r\n",
    "PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n",
    "PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n",
    "PROXY TCP\r\n",
    "PROXY TCP4\r\n",
    "PROXY TCP4 \r\n",
    "PROXY TCP4 1.2.3.4\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n",
    "PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4  1 1\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1 00\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1 0x1\r\n",
    "PROXY TCP4 1.2.3.04 1.2.3.4 1 1\r\n",
    "PROXY TCP4 1.2.3.256 1.2.3.4 1 1\r\n",
    "PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n",
    "PROXY TCP4 ::1 ::1 1 1\r\n",
    "PROXY TCP4 1.2.3.4 ::1 1 1\r\n",
    "PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n",
    "PROXY TCP6 ::1%lo ::1 1 1\r\n",
    "PROXY TCP6 [::1] [::1] 1 1\r\n",
    "PROXY TCP6 1::2::3 ::1 1 1\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\nPROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\rPROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\r\n",
    /* a byte longer than any may be */
    "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 655350\r\n",
};

Test(proxy_head, refuses_malformed_lines)
{
    for (size_t i = 0; i < sizeof(bad_lines) / sizeof(bad_lines[0]); i++) {
        cr_assert_eq(read_text(bad_lines[i]), CV_EPROTO, "%s", bad_lines[i]);
        cr_assert_not_null(problem);
        assert_unknown();
    }
}

Test(proxy_head, refuses_what_is_no_head_at_its_first_wrong_byte)
{
    cr_assert_eq(read_text("G"), CV_EPROTO);
    cr_assert_eq(read_text("PROXZ"), CV_EPROTO);
    cr_assert_eq(read_hex("0d0a0d0a00ff"), CV_EPROTO);
    cr_assert_eq(read_hex(SIGNATURE "11"), CV_EPROTO, "version 1");
    cr_assert_eq(read_hex(SIGNATURE "31"), CV_EPROTO, "version 3");
    cr_assert_eq(read_hex(SIGNATURE "22"), CV_EPROTO, "a command that there is not");
    cr_assert_eq(read_hex(SIGNATURE "2f"), CV_EPROTO);
    cr_assert_eq(read_hex(SIGNATURE "2141"), CV_EPROTO, "a family that there is not");
    cr_assert_eq(read_hex(SIGNATURE "2113"), CV_EPROTO, "a protocol that there is not");
    cr_assert_eq(read_hex(SIGNATURE "21ff"), CV_EPROTO);
}

#define V4 "c0000201c6336402d9031f90"
#define V6                             \
    "20010db8000000000000000000000001" \
    "20010db8000000000000000000000002" \
    "d90301bb"

Test(proxy_head, reads_heads_of_version_2)
{
    cr_assert_eq(read_hex(SIGNATURE "2111000c" V4 "474554"), 28);
    assert_ends("192.0.2.1:55555", "198.51.100.2:8080");
    cr_assert_eq(read_hex(SIGNATURE "21210024" V6), 52);
    assert_ends("[2001:db8::1]:55555", "[2001:db8::2]:443");
    cr_assert_eq(read_hex(SIGNATURE "21210024"
                                    "00000000000000000000ffffc0000201"
                                    "00000000000000000000ffffc0000202"
                                    "00010002"),
                 52);
    assert_ends("192.0.2.1:1", "192.0.2.2:2");
}

/* Each is to be accepted for the addresses of the socket itself. */
static const char *const silent[] = {
    SIGNATURE "20000000",         /* LOCAL */
    SIGNATURE "2000000401020304", /* with a block that is to be discarded */
    SIGNATURE "2011000c" V4,      /* its family is ignored */
    SIGNATURE "20ff000100",       /* whatever it is */
    SIGNATURE "21000000",         /* PROXY of an unspecified family */
    SIGNATURE "2100000401020304",
    SIGNATURE "2101000101",  /* of an unspecified family, with a protocol */
    SIGNATURE "2110000c" V4, /* of an unspecified protocol */
    SIGNATURE "2112000c" V4, /* UDP */
    SIGNATURE "21220024" V6,
    SIGNATURE "2131000100", /* unix */
    SIGNATURE "2132000100",
};

Test(proxy_head, local_connections_and_unsupported_families_say_nothing)
{
    for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++) {
        cr_assert_eq(read_hex(silent[i]), (int)strlen(silent[i]) / 2, "%s: %s", silent[i], problem);
        assert_unknown();
    }
}

Test(proxy_head, refuses_a_head_that_is_shorter_than_its_addresses)
{
    cr_assert_eq(read_hex(SIGNATURE "2111000b"), CV_EPROTO);
    cr_assert_eq(read_hex(SIGNATURE "21110000"), CV_EPROTO);
    cr_assert_eq(read_hex(SIGNATURE "21210023"), CV_EPROTO);
    cr_assert_eq(read_hex(SIGNATURE "2121000c" V4), CV_EPROTO);
}

Test(proxy_head, reads_a_head_of_the_longest_length_and_refuses_one_that_is_longer)
{
    uint8_t bytes[CV_PROXY_HEAD_MAX] = {0};
    size_t fixed = test_unhex(bytes, SIGNATURE "21110ff0" V4), rest = CV_PROXY_HEAD_MAX - fixed - 3;

    bytes[fixed] = 0x04; /* NOOP */
    bytes[fixed + 1] = (uint8_t)(rest >> 8);
    bytes[fixed + 2] = (uint8_t)rest;
    cr_assert_eq(cv_proxy_head_read(&head, bytes, sizeof(bytes), &problem), CV_PROXY_HEAD_MAX);
    assert_ends("192.0.2.1:55555", "198.51.100.2:8080");
    cr_assert_eq(cv_proxy_head_read(&head, bytes, sizeof(bytes) - 1, &problem), CV_EMORE);
    cr_assert_eq(read_hex(SIGNATURE "21110ff1"), CV_ETOOLONG);
    cr_assert_eq(read_hex(SIGNATURE "2000ffff"), CV_ETOOLONG, "of LOCAL too");
}

/* What HAProxy 2.6 sent with `send-proxy-v2 proxy-v2-options crc32c`: 127.0.0.1:33333 to
 * 127.0.0.1:44444. */
#define CHECKED                                  \
    SIGNATURE "211100137f0000017f0000018235ad9c" \
              "030004"

Test(proxy_head, skips_what_it_does_not_ask_for)
{
    cr_assert_eq(read_hex(SIGNATURE "21110018" V4 "0200016105000100ee000161"), 40);
    assert_ends("192.0.2.1:55555", "198.51.100.2:8080");
}

Test(proxy_head, refuses_extras_that_run_over_the_end)
{
    cr_assert_eq(read_hex(SIGNATURE "2111000d" V4 "04"), CV_EPROTO);
    cr_assert_eq(read_hex(SIGNATURE "2111000e" V4 "0400"), CV_EPROTO);
    cr_assert_eq(read_hex(SIGNATURE "2111000f" V4 "040001"), CV_EPROTO);
    cr_assert_eq(read_hex(SIGNATURE "21110010" V4 "04000200"), CV_EPROTO);
    cr_assert_eq(read_hex(SIGNATURE "2111000f" V4 "04ffff"), CV_EPROTO);
    cr_assert_eq(read_hex(SIGNATURE "2111000f" V4 "040000"), 31);
}

Test(proxy_head, a_checksum_is_checked)
{
    uint8_t bytes[64];
    size_t len = test_unhex(bytes, CHECKED "0acfac1c");

    cr_assert_eq(cv_proxy_head_read(&head, bytes, len, &problem), (int)len, "%s", problem);
    assert_ends("127.0.0.1:33333", "127.0.0.1:44444");
    for (size_t bit = 16 * 8; bit < len * 8; bit++) {
        if (bit / 8 == 28)
            continue; /* another type: there is no checksum then */
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_eq(cv_proxy_head_read(&head, bytes, len, &problem), CV_EPROTO, "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    cr_assert_eq(read_hex(SIGNATURE "21110012" V4 "030003000000"), CV_EPROTO, "of three bytes");
    cr_assert_eq(read_hex(SIGNATURE "21110014" V4 "0300050000000000"), CV_EPROTO, "of five");
    cr_assert_eq(read_hex(SIGNATURE "2111001a" V4 "03000400000000"
                                    "03000400000000"),
                 CV_EPROTO, "twice");
    cr_assert_eq(read_hex(SIGNATURE "20110013" V4 "03000400000000"), 35, "LOCAL's is discarded");
}

static const char *const cut[] = {
    "50524f58592054435034203139322e302e322e3120312e312e312e3120312032"
    "0d0a",
    "50524f585920554e4b4e4f574e0d0a",
    SIGNATURE "2111000c" V4,
    SIGNATURE "21210024" V6,
    SIGNATURE "2000000401020304",
    CHECKED "0acfac1c",
};

Test(proxy_head, asks_for_more_at_every_cut_of_a_head)
{
    for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
        uint8_t bytes[128];
        size_t len = test_unhex(bytes, cut[i]);

        for (size_t part = 0; part < len; part++) {
            cr_assert_eq(cv_proxy_head_read(&head, bytes, part, &problem), CV_EMORE, "%s at %zu",
                         cut[i], part);
            assert_unknown();
        }
        cr_assert_eq(cv_proxy_head_read(&head, bytes, len, &problem), (int)len, "%s", cut[i]);
    }
}

static void assert_written(unsigned version, const char *from, const char *to, const char *hex)
{
    uint8_t out[CV_PROXY_WRITE_MAX], expected[CV_PROXY_WRITE_MAX];
    size_t len, expected_len = test_unhex(expected, hex);

    (void)!cv_peer_parse(&head.from, from);
    (void)!cv_peer_parse(&head.to, to);
    len = cv_proxy_head_write(out, version, &head);
    cr_assert_eq(len, expected_len);
    cr_assert_eq(memcmp(out, expected, len), 0, "%s %s", from, to);
    cr_assert_eq(cv_proxy_head_read(&head, out, len, &problem), (int)len);
}

Test(proxy_head, writes_the_bytes_of_the_specification)
{
    assert_written(2, "192.0.2.1:55555", "198.51.100.2:8080", SIGNATURE "2111000c" V4);
    assert_written(2, "[2001:db8::1]:55555", "[2001:db8::2]:443", SIGNATURE "21210024" V6);
    assert_written(2, "unix", "unix", SIGNATURE "21000000");
    assert_written(2, "192.0.2.1:1", "[::1]:1", SIGNATURE "21000000");
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        uint8_t out[CV_PROXY_WRITE_MAX];

        cr_assert(cv_peer_parse(&head.from, lines[i].from));
        cr_assert(cv_peer_parse(&head.to, lines[i].to));
        cr_assert_eq(cv_proxy_head_write(out, 1, &head), (size_t)lines[i].len);
        cr_assert_eq(strncasecmp((char *)out, lines[i].line, (size_t)lines[i].len), 0);
    }
    assert_written(1, "unix", "unix", "50524f585920554e4b4e4f574e0d0a");
    assert_written(1, "[::1]:1", "192.0.2.1:1", "50524f585920554e4b4e4f574e0d0a");
}
