#include "access/ip.h"

#include <string.h>

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
