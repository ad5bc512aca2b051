#ifndef CV_HTTP_TARGETS_H
#define CV_HTTP_TARGETS_H

#include "access/pattern.h"
#include "net/tunnel.h"

/* What an agent does about the Connects of a server: it dials the target if that is allowed, and
 * relays. A refusal costs that connection alone. */
struct cv_targets {
    struct cv_loop *loop; /* borrowed */

    /* Whether @target, which was resolved to @ip (NULL: a unix socket), may be dialled. */
    bool (*allowed)(void *ctx, const struct cv_target *target, const struct cv_ip *ip);

    /* Whether @target is in this process: then *@fd is a socket that leads to it, taken, or why
     * there is none, -errno. NULL: none is. */
    bool (*serve)(void *ctx, const struct cv_target *target, int *fd);

    /* A connection to a target began, and ended; not of datagrams, which nobody waits for. May be
     * NULL. */
    void (*opened)(void *ctx);
    void (*ended)(void *ctx);

    void *ctx; /* borrowed */
};

#define CV_TARGETS_TEXT_MAX 300 /* bytes of `proto/address`, and some more */

/* Answers @event, a CV_EVENT_CONNECT. @targets is borrowed until the tunnel has gone. */
void cv_targets_connect(const struct cv_targets *targets, struct cv_tunnel *tunnel,
                        const struct cv_session_event *event);

/* Refuses it. */
void cv_targets_refuse(const struct cv_targets *targets, struct cv_tunnel *tunnel,
                       const struct cv_session_event *event, const char *why);

/* Reads what it asks for; @out borrows @buf. Returns NULL, or what is wrong with it (static). */
const char *cv_targets_read(struct cv_target *out, char buf[CV_TARGETS_TEXT_MAX],
                            const struct cv_session_event *event);

#endif
