#include <criterion/criterion.h>
#include <string.h>

#include "access/discovered.h"

static struct cv_ip ip(const char *text)
{
    struct cv_ip out;

    cr_assert(cv_ip_parse(&out, text, strlen(text)), "%s", text);
    return out;
}

static bool allows(const char *address, const char *sender, bool on_link)
{
    struct cv_ip a = ip(address), s = ip(sender);

    return cv_discovered_allows(&a, &s, on_link);
}

Test(discovered, may_be_what_is_on_the_link_or_the_sender_itself)
{
    cr_assert(allows("10.0.0.7", "10.0.0.9", true));
    cr_assert(allows("192.0.2.7", "192.0.2.7", false));
    cr_assert(allows("fd00::7", "fd00::9", true));
    cr_assert_not(allows("192.0.2.8", "192.0.2.7", false));
    cr_assert_not(allows("8.8.8.8", "10.0.0.9", false));
}

Test(discovered, is_never_loopback_multicast_or_a_clouds_metadata)
{
    static const char *const never[] = {
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "0.0.0.0",
        "::",
        "::ffff:127.0.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "255.255.255.255",
        "ff02::c",
        "169.254.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "fd00:ec2::254",
    };

    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        cr_assert_not(allows(never[i], never[i], true), "%s", never[i]);
}

Test(discovered, is_link_local_only_in_ipv6_and_only_the_senders_own)
{
    cr_assert(allows("fe80::1", "fe80::1", true));
    cr_assert_not(allows("fe80::2", "fe80::1", true));
    cr_assert_not(allows("169.254.3.4", "169.254.3.4", true));
}

Test(discovered, is_trusted_with_a_secret_only_behind_a_certificate_that_the_operator_chose)
{
    cr_assert(cv_discovered_trusts(&(struct cv_discovered_trust){true, false, true}));
    cr_assert_not(cv_discovered_trusts(&(struct cv_discovered_trust){false, false, true}));
    cr_assert_not(cv_discovered_trusts(&(struct cv_discovered_trust){true, true, true}));
    cr_assert_not(cv_discovered_trusts(&(struct cv_discovered_trust){true, false, false}));
}
