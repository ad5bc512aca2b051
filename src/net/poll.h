#ifndef CV_NET_POLL_H
#define CV_NET_POLL_H

#include <stdbool.h>
#include <sys/epoll.h>
#include <uv.h>

#include "base/attr.h"

/* Which sockets are ready: an epoll set of our own inside libuv's loop. A uv_poll_t takes its
 * socket out of the set and puts it in again at each change, and looks whether it can be polled at
 * all: up to thirteen system calls for a connection that lives for one request, where two will do.
 *
 * Sockets that rest are in a second set, which is looked at every CV_REST_MS: thousands of idle
 * links whose keep-alive may wait that long then share a wake of the process. */

#define CV_REST_MS 100

/* A process that sleeps is woken late, by tens of microseconds on a virtual machine. Where one
 * message at a time goes back and forth, and the next one has always come soon, we stay awake for
 * it: up to CV_EAGER_NS, yielding to whoever wants the processor. It takes CV_EAGER_AFTER short
 * waits to begin with it, each ended by one socket; bulk, many connections and long waits end it.
 */

#define CV_EAGER_NS      UINT64_C(100000)
#define CV_EAGER_AFTER   16
#define CV_EAGER_MESSAGE 16384 /* bytes: a read of more is bulk's */

struct cv_poll {
    int fd, rest_fd;  /* the sets */
    uv_poll_t handle; /* of the first */
    uv_timer_t look;  /* at the second */
    uv_prepare_t before_wait;
    uint64_t waits_since;      /* ns */
    bool eager;                /* stays awake, as above */
    int prompt;                /* short waits lately */
    size_t watched;            /* sockets in both: they keep the loop going */
    size_t resting;            /* in the second */
    struct epoll_event *batch; /* what is being dealt out, else NULL */
    int batch_len;
};

/* A socket in a set. Its owner embeds this, and fills in @fd and @ready. */
struct cv_watch {
    int fd;
    uint32_t events; /* asked for; 0: in no set */
    bool rests;
    void (*ready)(struct cv_watch *watch, uint32_t events); /* EPOLL*; may drop any watch */
};

/* Returns 0, -errno or libuv's code. */
int cv_poll_init(struct cv_poll *poll, uv_loop_t *loop) CV_MUST_USE;

/* Closes the handles; run the loop once more before it is closed. A second call does nothing. */
void cv_poll_close(struct cv_poll *poll);

/* Level-triggered: asks for @events (EPOLLIN, EPOLLOUT, EPOLLRDHUP; errors come by themselves; 0:
 * nothing more, errors neither). No system call when nothing changes. Returns 0 or -errno. */
int cv_poll_set(struct cv_poll *poll, struct cv_watch *watch, uint32_t events,
                bool rests) CV_MUST_USE;

/* A socket of a set brought much: see CV_EAGER_MESSAGE. */
void cv_poll_bulk(struct cv_poll *poll);

/* Forgets @watch, whose socket the caller closes next: closing takes it out of its set. */
void cv_poll_drop(struct cv_poll *poll, struct cv_watch *watch);

#endif
