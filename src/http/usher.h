#ifndef CV_HTTP_USHER_H
#define CV_HTTP_USHER_H

#include "net/loop.h"

/* Stands at a listener that only a trusted proxy reaches, and lets nobody in before the head of the
 * PROXY protocol (door/proxy_head.h) has said who it is. Exactly the head is read, so that whatever
 * comes next, TLS too, finds its first byte. */
struct cv_usher;

/* Takes @fd, as cv_listener_accepted does. @peer is the visitor's address and @local the one that
 * it connected to, as the head says, or, where it does not say, those of the socket. Borrowed for
 * the call. */
typedef void cv_usher_admitted(void *ctx, int fd, const char *peer, const char *local);

struct cv_usher_config {
    struct cv_loop *loop; /* borrowed */
    const char *name;     /* of the listener, for the log; borrowed */
    cv_usher_admitted *admitted;
    void *ctx; /* borrowed */
};

#define CV_USHER_WAIT        (10 * CV_SEC) /* until the head is there */
#define CV_USHER_PENDING_MAX 1024 /* whose head is not there yet: one more, and the oldest goes */

/* Returns 0 or -ENOMEM. @config is copied. */
int cv_usher_new(struct cv_usher **out, const struct cv_usher_config *config) CV_MUST_USE;

/* Takes an accepted socket; see cv_listener_accepted. @ctx is the usher. A connection without a
 * good head is closed, and the log says why, within bounds; one that ends before its first byte, as
 * a check of health may, is nobody's business. */
void cv_usher_accepted(void *ctx, int fd, const char *peer);

/* Drops those whose head is not there yet. NULL is fine. */
void cv_usher_free(struct cv_usher *usher);

#endif
