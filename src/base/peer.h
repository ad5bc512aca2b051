#ifndef CV_BASE_PEER_H
#define CV_BASE_PEER_H

#include <stdbool.h>
#include <string.h>

#include "base/attr.h"

/* An IP address and a port, of a datagram's other end or of either end of a connection: pure layers
 * compare it and hand it back. */
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

#define CV_PEER_TEXT_SIZE 48 /* bytes of the longest text, and the NUL */

/* `192.0.2.1:4711` or `[2001:db8::1]:4711`; an IPv4 address mapped into IPv6 shows as the IPv4 that
 * it is. @peer has a family. */
void cv_peer_text(char text[CV_PEER_TEXT_SIZE], const struct cv_peer *peer);

/* Reads such a text; false, and family 0, for anything else. */
bool cv_peer_parse(struct cv_peer *out, const char *text) CV_MUST_USE;

#endif
