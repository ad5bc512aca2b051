#ifndef CV_ACCESS_IP_H
#define CV_ACCESS_IP_H

#include "base/ip.h"

/* Which address is which: what rules about targets and visitors ask. */

/* The address that a connection to @address really reaches: an IPv4-mapped one (::ffff:a.b.c.d)
 * becomes IPv4, and the unspecified ones become loopback, as Linux dials them. */
struct cv_ip cv_ip_normal(const struct cv_ip *address);

/* 127.0.0.0/8 or ::1. @address is normal. */
bool cv_ip_is_loopback(const struct cv_ip *address);

/* Link-local, or one of the addresses where clouds hand out a machine's secrets; also behind the
 * well-known NAT64 prefix (RFC 6052). Never reached by accident: a pattern must name it exactly.
 * @address is normal. */
bool cv_ip_is_guarded(const struct cv_ip *address);

/* Whether the first @bits bits are those of @net, in the same family. */
bool cv_ip_in(const struct cv_ip *address, const struct cv_ip *net, unsigned bits);

bool cv_ip_equal(const struct cv_ip *a, const struct cv_ip *b);

#endif
