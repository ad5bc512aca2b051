#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/ip.h"
#include "base/peer.h"
#include "base/random.h"

static void assert_text(const char *text, const char *again)
{
    char out[CV_PEER_TEXT_SIZE];
    struct cv_peer peer;

    cr_assert(cv_peer_parse(&peer, text), "%s", text);
    cv_peer_text(out, &peer);
    cr_assert_str_eq(out, again);
}

Test(peer, is_read_and_written)
{
    assert_text("192.0.2.1:4711", "192.0.2.1:4711");
    assert_text("0.0.0.0:0", "0.0.0.0:0");
    assert_text("255.255.255.255:65535", "255.255.255.255:65535");
    assert_text("[2001:DB8:0:0:0::1]:80", "[2001:db8::1]:80");
    assert_text("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    assert_text("[::ffff:192.0.2.1]:1", "192.0.2.1:1");
}

Test(peer, anything_else_is_none)
{
    static const char *const bad[] = {
        "",
        "unix",
        "unknown",
        "192.0.2.1",
        "192.0.2.1:",
        ":80",
        "192.0.2.1:x",
        "192.0.2.1:65536",
        "[192.0.2.1]:80",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "[:80",
        "[]:80",
        "[::1%lo]:80",
        "h:80",
        "192.0.2.1 :80",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cv_peer peer;

        cr_assert_not(cv_peer_parse(&peer, bad[i]), "%s", bad[i]);
        cr_assert_eq(peer.family, 0);
    }
}

/* Addresses with many zero groups, so that every kind of run comes up. */
Test(peer, an_address_is_written_as_the_system_does)
{
    for (unsigned mask = 0; mask < 256; mask++) {
        struct cv_ip ip = {.family = 6};
        char ours[INET6_ADDRSTRLEN], theirs[INET6_ADDRSTRLEN];
        struct cv_text text;

        for (unsigned group = 0; group < 8; group++)
            if (mask >> group & 1)
                ip.bytes[2 * group + (mask + group) % 2] = (uint8_t)(0x0b + 31 * group);
        if (mask >> 6 && !(mask & 31))
            continue; /* the system writes the end of these as IPv4 */
        cv_text_init(&text, ours, sizeof(ours));
        cv_ip_write(&text, &ip);
        inet_ntop(AF_INET6, ip.bytes, theirs, sizeof(theirs));
        cr_assert_str_eq(ours, theirs);
    }
}
