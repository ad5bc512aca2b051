#ifndef CV_NET_CONNECT_H
#define CV_NET_CONNECT_H

#include <sys/socket.h>

#include "net/loop.h"

/* Connecting to a target: resolve (libuv's pool), ask about each address, connect to the allowed
 * ones in turn. */
struct cv_connecting;

/* Whether @address, one that the target resolved to, may be dialled. Asked for every address, after
 * resolving, so a name cannot smuggle one in. For unix sockets @address is NULL. */
typedef bool cv_connect_allow(void *ctx, const struct sockaddr *address);

/* Two connected stream sockets in this process, non-blocking. Returns 0 or -errno. */
int cv_connect_pair(int pair[2]) CV_MUST_USE;

/* The same for whole messages; the end of one is the end of the other. */
int cv_connect_pair_messages(int pair[2]) CV_MUST_USE;

/* The end, exactly once unless cancelled, never before cv_connect_start() returned. @fd is the
 * callee's: connected, non-blocking, TCP_NODELAY set, with keepalive (net/keepalive.h) unless the
 * other end is at a loopback address; or -1 with @error: -errno or UV_EAI_* of the last address
 * tried, -ETIMEDOUT, CV_EDENIED when no address was allowed. */
typedef void cv_connect_done(void *ctx, int fd, int error);

struct cv_connect_options {
    const char *host; /* name, IPv4 or IPv6 without brackets; of proto unix the path. Copied */
    uint16_t port;
    bool is_unix;
    bool is_udp;             /* the socket is one of datagrams, connected to the first allowed
                                address */
    uint64_t timeout;        /* microseconds for everything together */
    cv_connect_allow *allow; /* NULL: everything */
    cv_connect_done *done;
    void *ctx; /* borrowed, for both callbacks */
};

/* Returns 0, -ENOMEM or libuv's code (then `done` is not called). */
int cv_connect_start(struct cv_connecting **out, struct cv_loop *loop,
                     const struct cv_connect_options *options) CV_MUST_USE;

/* Stops it; `done` is not called any more. Must not be called after `done`. */
void cv_connect_cancel(struct cv_connecting *connecting);

#endif
