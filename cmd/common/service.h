#ifndef CMD_COMMON_SERVICE_H
#define CMD_COMMON_SERVICE_H

#include "net/loop.h"
#include "net/passed.h"

/* What a service manager hears of the daemon (sd_notify(3)): that it is ready, reloads or stops, a
 * line for people when that changes, and a sign of life from all of its loops together. Everything
 * is called on the main loop's thread, and does nothing where nobody asked by $NOTIFY_SOCKET. */
struct service;

#define SERVICE_STATUS_SIZE 160 /* bytes of that line, its NUL included */

struct service_config {
    struct cv_loop *loop; /* borrowed, as everything here */
    unsigned loops;       /* whose sign of life is wanted; number 0 is the main one */

    /* How things stand, for people; asked once a second. */
    void (*status)(void *ctx, char text[SERVICE_STATUS_SIZE]);

    /* Has service_heard() called for each loop but the main one that has not left. Not called again
     * before that was done. NULL with one loop. */
    void (*ask)(void *ctx);
    void *ctx;
};

/* *@out is NULL where nobody asked, or by an address that is none, which is logged; every function
 * takes that. Returns 0 or -ENOMEM. */
int service_new(struct service **out, const struct service_config *config) CV_MUST_USE;

/* All that can be had is open; also when a reload is over. */
void service_ready(struct service *service);
void service_reloading(struct service *service);

/* It stops, which takes @wait microseconds at most: what the service manager allows is extended to
 * that, and a bit. */
void service_stopping(struct service *service, uint64_t wait);

/* The loop @number has turned since it was asked; it has ended. */
void service_heard(struct service *service, unsigned number);
void service_left(struct service *service, unsigned number);

void service_free(struct service *service);

/* The sockets that the process was started with (sd_listen_fds(3)); *@out is NULL without any.
 * Errors of cv_passed_new(). */
int service_passed(struct cv_passed **out, const struct cv_alloc *alloc) CV_MUST_USE;

#endif
