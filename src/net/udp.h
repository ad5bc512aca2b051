#ifndef CV_NET_UDP_H
#define CV_NET_UDP_H

#include "base/peer.h"
#include "net/loop.h"

/* A datagram socket of one family on the loop, for multicast on chosen interfaces. */
struct cv_udp;

struct cv_udp_options {
    uint8_t family; /* 4 or 6; IPv6 alone */
    uint16_t port;  /* 0: a free one; else shared with whoever shares it too */
    uint8_t ttl;    /* of what is sent to a group */
};

/* Where a datagram came from, and how. */
struct cv_udp_from {
    struct cv_peer peer;
    uint8_t to[16];     /* the address that it was sent to, as in cv_peer */
    bool multicast;     /* which is a group */
    unsigned interface; /* that it came in on */
};

/* @data is borrowed for the call, at most 64 KiB. */
typedef void cv_udp_recv(void *ctx, const struct cv_udp_from *from, const void *data, size_t len);

/* @ctx is borrowed. -ENOMEM, libuv's code, or -errno of bind: -EADDRINUSE when somebody holds the
 * port and does not share it, -EAFNOSUPPORT without that family. */
int cv_udp_new(struct cv_udp **out, struct cv_loop *loop, const struct cv_udp_options *options,
               cv_udp_recv *recv, void *ctx) CV_MUST_USE;

/* Takes part in @group on one interface; twice is fine. Returns 0 or -errno. */
int cv_udp_join(struct cv_udp *udp, const uint8_t group[16], unsigned interface) CV_MUST_USE;
void cv_udp_leave(struct cv_udp *udp, const uint8_t group[16], unsigned interface);

/* Sends one datagram out of @interface, with @source (NULL: the kernel's choice) as its address. A
 * datagram that does not fit into the socket is lost, as on the way. Returns 0 or -errno. */
int cv_udp_send(struct cv_udp *udp, const struct cv_peer *to, unsigned interface,
                const uint8_t *source, const void *data, size_t len) CV_MUST_USE;

/* Does not keep the loop running. */
void cv_udp_unref(struct cv_udp *udp);

/* Closes and frees; the callback may do it. NULL is fine. */
void cv_udp_close(struct cv_udp *udp);

#endif
