#include "access/discovered.h"

bool cv_discovered_allows(const struct cv_ip *address, const struct cv_ip *sender, bool on_link)
{
    static const struct cv_ip multicast_v4 = {4, {224}}, multicast_v6 = {6, {0xff}};
    static const struct cv_ip link_v6 = {6, {0xfe, 0x80}};
    struct cv_ip real = cv_ip_normal(address);
    bool same = cv_ip_equal(&real, sender);

    if (cv_ip_is_loopback(&real) || cv_ip_in(&real, &multicast_v4, 3) ||
        cv_ip_in(&real, &multicast_v6, 8))
        return false;
    if (cv_ip_is_guarded(&real))
        return same && cv_ip_in(&real, &link_v6, 10);
    return same || on_link;
}

bool cv_discovered_trusts(const struct cv_discovered_trust *trust)
{
    return trust->tls && !trust->unverified && trust->anchored;
}
