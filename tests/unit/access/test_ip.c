#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "access/ip.h"
#include "base/random.h"

static struct cv_ip ip(const char *text)
{
    struct cv_ip out;

    cr_assert(cv_ip_parse(&out, text, strlen(text)), "%s", text);
    return out;
}

/* What the system's own parser says of @text. */
static bool system_parse(struct cv_ip *out, const char *text)
{
    *out = (struct cv_ip){.family = 4};
    if (inet_pton(AF_INET, text, out->bytes) == 1)
        return true;
    *out = (struct cv_ip){.family = 6};
    return inet_pton(AF_INET6, text, out->bytes) == 1;
}

static void agree(const char *text)
{
    struct cv_ip ours, theirs;
    bool valid = cv_ip_parse(&ours, text, strlen(text));

    cr_assert_eq(valid, system_parse(&theirs, text), "%s", text);
    if (valid) {
        cr_assert_eq(ours.family, theirs.family, "%s", text);
        cr_assert_arr_eq(ours.bytes, theirs.bytes, 16, "%s", text);
    }
}

static const char *const samples[] = {
    "127.0.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "256.0.0.1",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "1..2.3",
    "",
    "1.2.3.4 ",
    "0x7f.0.0.1",
    "127.1",
    "2130706433",
    "::",
    "::1",
    "1::",
    ":1::",
    ":::",
    "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7::",
    "::2:3:4:5:6:7:8",
    "1::3:4:5:6:7:8",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    "::ffff:1.2.3.4",
    "1:2:3:4:5:6:1.2.3.4",
    "1:2:3:4:5:6:7:1.2.3.4",
    "::1.2.3.4",
    "1.2.3.4::",
    "fe80::1%eth0",
    "12345::",
    "::12345",
    "g::",
    "1:2:3:4:5:6:7:",
    "::1:",
    "FE80::AbCd",
    ":",
    "1",
    "1:2:3:4:5:6:7",
    "::1.2.3",
    "::1.2.3.4:5",
    "1:2:3:4:5::1.2.3.4",
    "1:2:3:4:5:6::1.2.3.4",
    "[::1]",
    "::0001",
};

Test(ip, reads_what_the_system_reads)
{
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
        agree(samples[i]);
}

Test(ip, reads_what_the_system_reads_when_samples_are_changed_at_random)
{
    static const char letters[] = "0123456789abcF:.:.:%x";
    struct cv_prng prng;
    struct cv_random random = cv_prng_random(&prng);

    cv_prng_init(&prng, 7);
    for (int n = 0; n < 200000; n++) {
        char text[64];
        size_t len;

        snprintf(text, sizeof(text), "%s",
                 samples[cv_random_below(&random, sizeof(samples) / sizeof(samples[0]))]);
        len = strlen(text);
        for (uint64_t k = cv_random_below(&random, 4); k && len; k--)
            text[cv_random_below(&random, len)] =
                letters[cv_random_below(&random, sizeof(letters) - 1)];
        if (len && cv_random_below(&random, 4) == 0)
            text[cv_random_below(&random, len)] = '\0';
        agree(text);
    }
}

Test(ip, normalises_to_what_a_connection_reaches)
{
    static const char *const pairs[][2] = {{"::ffff:10.1.2.3", "10.1.2.3"},
                                           {"::ffff:0.0.0.0", "127.0.0.1"},
                                           {"0.0.0.0", "127.0.0.1"},
                                           {"::", "::1"},
                                           {"10.1.2.3", "10.1.2.3"},
                                           {"fd00::1", "fd00::1"},
                                           {"::fffe:10.1.2.3", "::fffe:a01:203"}};

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct cv_ip from = ip(pairs[i][0]), to = ip(pairs[i][1]);

        from = cv_ip_normal(&from);
        cr_assert(cv_ip_equal(&from, &to), "%s", pairs[i][0]);
    }
}

Test(ip, compares_as_many_bits_as_asked)
{
    struct cv_ip net = ip("10.128.0.0"), inside = ip("10.255.255.255"), outside = ip("10.127.0.0");
    struct cv_ip six = ip("a80::");

    cr_assert(cv_ip_in(&inside, &net, 9));
    cr_assert_not(cv_ip_in(&outside, &net, 9));
    cr_assert(cv_ip_in(&outside, &net, 8));
    cr_assert(cv_ip_in(&outside, &net, 0));
    cr_assert_not(cv_ip_in(&six, &net, 0), "families are apart");
    cr_assert(cv_ip_in(&inside, &inside, 32));
}

Test(ip, knows_loopback_and_guarded_addresses)
{
    static const char *const guarded[] = {
        "169.254.0.0",     "169.254.169.254", "169.254.255.255",
        "fe80::1",         "febf:ffff::1",    "fd00:ec2::254",
        "100.100.100.200", "fd20:ce::254",    "64:ff9b::169.254.169.254"};
    static const char *const open[] = {"169.253.255.255", "169.255.0.0",   "fe7f::1",
                                       "fec0::1",         "fd00:ec2::253", "100.100.100.201",
                                       "64:ff9b::8.8.8.8"};
    struct cv_ip loopback = ip("127.255.255.254"), six = ip("::1"), near = ip("128.0.0.1");

    for (size_t i = 0; i < sizeof(guarded) / sizeof(guarded[0]); i++) {
        struct cv_ip one = ip(guarded[i]);

        cr_assert(cv_ip_is_guarded(&one), "%s", guarded[i]);
    }
    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
        struct cv_ip one = ip(open[i]);

        cr_assert_not(cv_ip_is_guarded(&one), "%s", open[i]);
    }
    cr_assert(cv_ip_is_loopback(&loopback) && cv_ip_is_loopback(&six));
    cr_assert_not(cv_ip_is_loopback(&near));
}
