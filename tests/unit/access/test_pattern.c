#include <criterion/criterion.h>
#include <string.h>

#include "access/pattern.h"
#include "base/error.h"

Test(pattern, refuses_what_is_none_and_says_why)
{
    static const char *const bad[][2] = {
        {"", "HOST:PORT"},
        {"host", "HOST:PORT"},
        {":", "no name"},
        {":22", "no name"},
        {"host:", "port"},
        {"host:0", "port"},
        {"host:65536", "port"},
        {"host:notaport", "port"},
        {"host:+22", "port"},
        {"host: 22", "port"},
        {"host:22-", "port"},
        {"host:-22", "port"},
        {"host:22-21", "backwards"},
        {"host:1-2-3", "port"},
        {"host:**", "port"},
        {"::1:22", "[ADDRESS]:PORT"},
        {"[::1:22", "[ADDRESS]:PORT"},
        {"[::1]", "[ADDRESS]:PORT"},
        {"[::1]22", "[ADDRESS]:PORT"},
        {"[]:22", "brackets"},
        {"[127.0.0.1]:22", "brackets"},
        {"[host]:22", "brackets"},
        {"[*]:22", "brackets"},
        {"[fe80::1%eth0]:22", "brackets"},
        {"127.1:22", "looks like an address"},
        {"0x7f000001:22", "looks like an address"},
        {"2130706433:22", "looks like an address"},
        {"1.2.3.256:22", "looks like an address"},
        {"1.2.3.4.:22", "looks like an address"},
        {"*.example.com:22", "no name"},
        {"a..b:22", "no name"},
        {"a b:22", "no name"},
        {"10.0.0.0/33:22", "not a network"},
        {"10.0.0.0/:22", "not a network"},
        {"10.0.0.0/-1:22", "not a network"},
        {"10.0.0.1/8:22", "behind its prefix"},
        {"host/8:22", "not a network"},
        {"[fd00::/129]:22", "not a network"},
        {"[fd00::1/64]:22", "behind its prefix"},
        {"fd00::/8:22", "[ADDRESS]:PORT"},
        {"sctp/host:22", "not a network"},
        {"tcp/", "HOST:PORT"},
        {"unix/", "absolute"},
        {"unix/run/x", "absolute"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cv_pattern pattern;
        const char *problem = NULL;

        cr_assert_eq(cv_pattern_parse(&pattern, bad[i][0], strlen(bad[i][0]), &problem), CV_ESYNTAX,
                     "%s", bad[i][0]);
        cr_assert_not_null(strstr(problem, bad[i][1]), "%s: %s", bad[i][0], problem);
    }
}

Test(pattern, reads_every_form)
{
    static const struct {
        const char *text;
        enum cv_proto proto;
        enum cv_pattern_kind kind;
        uint16_t low, high;
    } good[] = {
        {"host:22", CV_PROTO_TCP, CV_PATTERN_NAME, 22, 22},
        {"tcp/host.example.:1", CV_PROTO_TCP, CV_PATTERN_NAME, 1, 1},
        {"udp/host:53", CV_PROTO_UDP, CV_PATTERN_NAME, 53, 53},
        {"*:443", CV_PROTO_TCP, CV_PATTERN_ANY, 443, 443},
        {"host:*", CV_PROTO_TCP, CV_PATTERN_NAME, 1, 65535},
        {"*:*", CV_PROTO_TCP, CV_PATTERN_ANY, 1, 65535},
        {"host:8000-8100", CV_PROTO_TCP, CV_PATTERN_NAME, 8000, 8100},
        {"10.0.0.0/8:65535", CV_PROTO_TCP, CV_PATTERN_NET, 65535, 65535},
        {"0.0.0.0/0:*", CV_PROTO_TCP, CV_PATTERN_NET, 1, 65535},
        {"10.0.0.1:22", CV_PROTO_TCP, CV_PATTERN_ADDRESS, 22, 22},
        {"[::1]:22", CV_PROTO_TCP, CV_PATTERN_ADDRESS, 22, 22},
        {"[fd00::/8]:22", CV_PROTO_TCP, CV_PATTERN_NET, 22, 22},
        {"unix//run/x.sock", CV_PROTO_UNIX, CV_PATTERN_PATH, 0, 0},
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct cv_pattern pattern;
        const char *problem;

        cr_assert_eq(cv_pattern_parse(&pattern, good[i].text, strlen(good[i].text), &problem), 0,
                     "%s", good[i].text);
        cr_assert_eq(pattern.proto, good[i].proto, "%s", good[i].text);
        cr_assert_eq(pattern.kind, good[i].kind, "%s", good[i].text);
        cr_assert_eq(pattern.port_low, good[i].low, "%s", good[i].text);
        cr_assert_eq(pattern.port_high, good[i].high, "%s", good[i].text);
    }
}

Test(pattern, limits_names_and_paths)
{
    char text[400];
    struct cv_pattern pattern;
    const char *problem;

    for (size_t label = 63; label <= 64; label++) {
        memset(text, 'a', label);
        memcpy(text + label, ":1", 2);
        cr_assert_eq(cv_pattern_parse(&pattern, text, label + 2, &problem) == 0, label == 63);
    }
    for (size_t len = 253; len <= 254; len++) {
        memset(text, 'a', len);
        for (size_t i = 50; i < 250; i += 50)
            text[i] = '.';
        memcpy(text + len, ":1", 2);
        cr_assert_eq(cv_pattern_parse(&pattern, text, len + 2, &problem) == 0, len == 253);
    }
    for (size_t len = 107; len <= 108; len++) {
        memset(text, '/', sizeof(text));
        memcpy(text, "unix/", 5);
        cr_assert_eq(cv_pattern_parse(&pattern, text, 5 + len, &problem) == 0, len == 107);
    }
}

/* Each way to cut a text short is read without a byte behind it (ASan watches the copy's end). */
Test(pattern, reads_no_byte_behind_a_cut)
{
    static const char *const texts[] = {"tcp/[fd00::/8]:8000-8100", "unix//run/x", "10.0.0.0/8:*",
                                        "abc*/udp/name.example.:22"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (size_t len = 0; len <= strlen(texts[i]); len++) {
            struct cv_pattern pattern;
            struct cv_target target;
            struct cv_dial dial;
            const char *problem;
            char *copy = malloc(len ? len : 1);

            memcpy(copy, texts[i], len);
            (void)!cv_pattern_parse(&pattern, copy, len, &problem);
            (void)!cv_target_parse(&target, copy, len, &problem);
            (void)!cv_dial_parse(&dial, copy, len, &problem);
            free(copy);
        }
    }
}

Test(pattern, key_patterns_match_whole_keys_and_starts)
{
    static const struct {
        const char *pattern, *key;
        bool matches;
    } known[] = {{"foo", "foo", true},   {"foo", "foobar", false}, {"foo", "fo", false},
                 {"foo*", "foo", true},  {"foo*", "foobar", true}, {"foo*", "fo", false},
                 {"foo*", "Foo", false}, {"*", "x", true}};
    static const char *const bad[] = {"", "a/b", "a*b", "**", "a::b", "a b"};
    struct cv_key_pattern pattern;

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        cr_assert_eq(cv_key_pattern_parse(&pattern, known[i].pattern, strlen(known[i].pattern)), 0);
        cr_assert_eq(cv_key_pattern_match(&pattern, known[i].key, strlen(known[i].key)),
                     known[i].matches, "%s %s", known[i].pattern, known[i].key);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(cv_key_pattern_parse(&pattern, bad[i], strlen(bad[i])), CV_EBADKEY, "%s",
                     bad[i]);
}

Test(pattern, names_what_is_asked_for_before_it_is_resolved)
{
    static const struct {
        const char *pattern, *target;
        bool names;
    } known[] = {
        {"Host.Example:22", "hOST.example.:22", true},
        {"host:22", "host:23", false},
        {"host:22", "host.:22", true},
        {"host:20-22", "host:22", true},
        {"host:20-22", "host:19", false},
        {"host:22", "hos:22", false},
        {"10.0.0.0/8:*", "10.9.9.9:1", true},
        {"10.0.0.0/8:*", "11.9.9.9:1", false},
        {"10.0.0.0/8:*", "name:1", false},
        {"10.0.0.0/8:*", "[::ffff:10.1.1.1]:1", true},
        {"[::ffff:10.0.0.0/104]:*", "10.1.1.1:1", true},
        {"10.0.0.1:1", "10.0.0.1:1", true},
        {"127.0.0.1:1", "0.0.0.0:1", true},
        {"*:1", "anything:1", true},
        {"*:1", "unix//x", false},
        {"udp/*:1", "h:1", false},
        {"udp/*:1", "udp/h:1", true},
        {"unix//x", "unix//x", true},
        {"unix//x", "unix//x/../y", false},
        {"unix//x", "unix//xy", false},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct cv_pattern pattern;
        struct cv_target target;
        const char *problem;

        cr_assert_eq(
            cv_pattern_parse(&pattern, known[i].pattern, strlen(known[i].pattern), &problem), 0,
            "%s", known[i].pattern);
        cr_assert_eq(cv_target_parse(&target, known[i].target, strlen(known[i].target), &problem),
                     0, "%s", known[i].target);
        cr_assert_eq(cv_pattern_names(&pattern, &target), known[i].names, "%s %s", known[i].pattern,
                     known[i].target);
    }
}
