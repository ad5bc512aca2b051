#ifndef CV_NET_INTERFACES_H
#define CV_NET_INTERFACES_H

#include "net/loop.h"

/* The addresses of this machine's interfaces, and word of their changes (rtnetlink(7)). */

#define CV_INTERFACE_NAME     16  /* bytes of a name with its NUL */
#define CV_INTERFACE_ADDR_MAX 128 /* addresses; what is over is left out */

struct cv_interface_address {
    unsigned index; /* of the interface */
    char name[CV_INTERFACE_NAME];
    bool multicast, loopback; /* what the interface is */
    uint8_t family;           /* 4 or 6 */
    uint8_t ip[16];           /* as in cv_peer */
    uint8_t prefix;           /* bits of its network */
    bool link_local;
    bool temporary; /* IPv6 for privacy: soon another */
};

struct cv_interfaces {
    size_t count;
    struct cv_interface_address at[CV_INTERFACE_ADDR_MAX];
};

/* The addresses that can be used now, of interfaces that are up; in the kernel's order. Returns 0
 * or -errno. */
int cv_interfaces_read(struct cv_interfaces *out) CV_MUST_USE;

/* Whether there is an interface of that name, up or not. */
bool cv_interface_exists(const char *name);

/* Whether @ip lies in the network of @address. */
bool cv_interface_holds(const struct cv_interface_address *address, uint8_t family,
                        const uint8_t ip[16]);

/* Calls @changed a moment after addresses or interfaces have changed, once for changes that come
 * together. @ctx is borrowed. It does not keep the loop running. */
struct cv_interface_watch;
int cv_interface_watch_new(struct cv_interface_watch **out, struct cv_loop *loop,
                           void (*changed)(void *ctx), void *ctx) CV_MUST_USE;

/* NULL is fine. */
void cv_interface_watch_free(struct cv_interface_watch *watch);

#define CV_INTERFACE_SETTLE (200 * CV_MSEC) /* the moment */

#endif
