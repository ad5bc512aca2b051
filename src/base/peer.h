#ifndef CV_BASE_PEER_H
#define CV_BASE_PEER_H

#include <stdbool.h>
#include <string.h>

#include "base/attr.h"

/* The other end of a datagram: pure layers compare it and hand it back. */
struct cv_peer {
    uint8_t family; /* 4 or 6 */
    uint8_t ip[16]; /* network order; an IPv4 address takes the first 4, the others are 0 */
    uint16_t port;
    uint32_t scope; /* of a link-local IPv6 address: the interface's index; else 0 */
};

/* The same host, whatever the port. */
static inline bool cv_peer_same_host(const struct cv_peer *a, const struct cv_peer *b)
{
    return a->family == b->family && a->scope == b->scope &&
           memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static inline bool cv_peer_same(const struct cv_peer *a, const struct cv_peer *b)
{
    return a->port == b->port && cv_peer_same_host(a, b);
}

#endif
