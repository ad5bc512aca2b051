#ifndef CMD_SERVER_SESSION_END_H
#define CMD_SERVER_SESSION_END_H

#include "session_dial.h"

/* The other end of a session, whatever it is: a guest, a visitor, a peer or another server. What it
 * may do is served, the rest is refused, and lines tell of it. All is borrowed. */
struct session_end {
    struct worker *worker;
    const char *kind, *name;               /* for the log */
    struct cv_log_limit *complaints;       /* it can do as often as it likes what they are about */
    const struct session_dialler *dialler; /* so its Connects are served; NULL: they are refused */

    /* It announced a client, or took that back. Returns NULL, or why that is ignored. NULL: it is
     * no peer, and always ignored. */
    const char *(*announced)(void *ctx, const struct cv_session_event *event);
    void *ctx;
};

/* Deals with what a tunnel's owner hears (struct cv_tunnel_owner). */
void session_end_event(const struct session_end *end, struct cv_tunnel *tunnel,
                       const struct cv_session_event *event);

#endif
