#ifndef CMD_SERVER_SESSION_DIAL_H
#define CMD_SERVER_SESSION_DIAL_H

#include "manager/manager.h"
#include "net/log.h"
#include "net/tunnel.h"

struct worker;

/* A dial that comes in a session, from a peer or a visitor who has one: `client::proto` and the
 * address in a Connect. It becomes a visit. */
struct session_dialler {
    const char *door; /* for the log; static */
    const char *peer; /* a peer's id, or the visitor's address */
    enum cv_route_from from;
    const uint8_t *digest;           /* of the visitor's token; see struct visit_options */
    struct cv_log_limit *complaints; /* about dials that are refused */
};

/* Serves the Connect @event of @tunnel, which @worker has. */
void session_dial(struct worker *worker, struct cv_tunnel *tunnel,
                  const struct session_dialler *dialler, const struct cv_session_event *event);

#endif
