#ifndef CMD_SERVER_LINKS_H
#define CMD_SERVER_LINKS_H

#include "manager/manager.h"
#include "net/outbound.h"
#include "worker.h"
#include "ws/handshake.h"

/* Links to servers of the directory: peer sessions that are dialled when the first dial needs one,
 * and closed when nothing has gone through them for a while. We announce nothing on them; we dial
 * through them, which the other end allows by the directory's token. Of the first worker. */
struct links {
    struct worker *worker; /* borrowed */
    struct cv_outbound *outbound;
    struct cv_ws_header token; /* borrowed */
    uint64_t idle;             /* microseconds without a connection, and a link is closed */
    struct cv_list list;
};

struct link;

/* Who waits for a link; it owns itself. */
struct link_waiter {
    struct cv_list link;

    /* The link stands: @route->proto is left to the callee. Or NULL, and why it does not. */
    void (*ready)(struct link_waiter *waiter, const struct cv_route *route, const char *why);
};

/* Waits for the link to the server @id of @incarnation at @url, which is dialled when there is
 * none. waiter->ready may be called before this returns. */
void links_want(struct links *links, const char *id, uint64_t incarnation, const char *url,
                struct link_waiter *waiter);

/* Does not wait any more. */
void links_unwant(struct link_waiter *waiter);

/* Closes those that are idle. */
void links_sweep(struct links *links);

/* Closes all; who waits is told. */
void links_close(struct links *links);

unsigned links_count(const struct links *links);

/* "up", "dialling", "refused" a moment ago, or NULL for none. */
const char *links_state(const struct links *links, const char *id);

#endif
