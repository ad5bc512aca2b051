#ifndef CV_NET_BRIDGE_H
#define CV_NET_BRIDGE_H

#include "net/tls.h"

/* Speaks TLS on behalf of somebody who wants a plain socket: bytes go between @fd, which was
 * accepted, and a socket pair, of which *@plain is the other end. It frees itself when both sides
 * have ended. Takes @fd on success, on failure the caller keeps it. Returns 0, -ENOMEM or -errno.
 */
int cv_bridge_tls(struct cv_loop *loop, int fd, struct cv_tls *tls, int *plain) CV_MUST_USE;

#endif
