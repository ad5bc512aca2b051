#ifndef CV_BASE_IP_H
#define CV_BASE_IP_H

#include <stdbool.h>

#include "base/text.h"

/* An IP address as bytes: what a name was resolved to, or what a pattern names. */
struct cv_ip {
    uint8_t family;    /* 4 or 6 */
    uint8_t bytes[16]; /* network order; an IPv4 address takes the first 4, the others are 0 */
};

/* Reads `192.0.2.1` (four decimals, no leading zero) or `2001:db8::1` (RFC 4291, 2.2; no brackets,
 * no zone). False for anything else: in particular for `127.1` and `0x7f000001`, which only a
 * resolver takes for an address. */
bool cv_ip_parse(struct cv_ip *out, const char *text, size_t len) CV_MUST_USE;

/* That of `192.0.2.1:4711` or `[2001:db8::1]:4711`, as listeners say who came; false for one who
 * has none: by a unix socket. */
bool cv_ip_of_peer(struct cv_ip *out, const char *peer) CV_MUST_USE;

/* Writes it in the form of RFC 5952, without brackets; one mapped into IPv6 is written as IPv6. */
void cv_ip_write(struct cv_text *text, const struct cv_ip *address);

#endif
