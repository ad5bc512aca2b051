#ifndef CV_HTTP_UPLINK_H
#define CV_HTTP_UPLINK_H

#include "http/retry.h"
#include "http/upgrade.h"
#include "net/tunnel.h"

/* A session that is kept: dials, and dials again for ever when it is lost or refused. An agent's,
 * or a dialling peer's. */
struct cv_uplink;

struct cv_uplink_config {
    const char *url; /* for logs; borrowed for the uplink's life, as everything here */
    struct cv_outbound_options outbound;
    const char *target;
    const char *key;                    /* client key, or a peer's id */
    const char *client;                 /* whom lines of the log are about; NULL: nobody */
    bool found;                         /* by discovery: its refusals are of a cause of the log */
    const char *key_header;             /* what it stands in; NULL: X-Tunnel-ID */
    const struct cv_ws_header *headers; /* further ones, Authorization among them */
    size_t header_count;
    struct cv_session_config session; /* culvert and features are filled in */

    /* A session was not to be had, why says @end: whether to try again. After false the uplink is
     * gone. NULL: always, and it goes to the log. */
    bool (*refused)(void *ctx, const struct cv_upgrade_end *end);

    /* A session stands; the owner is the tunnel's. */
    void (*up)(void *ctx, struct cv_tunnel *tunnel);

    /* Before that: gives it its number, for the log; 0 for none. NULL: the loop counts them. */
    uint64_t (*number)(void *ctx, struct cv_tunnel *tunnel);
    void (*event)(void *ctx, struct cv_tunnel *tunnel, const struct cv_session_event *event);
    void (*down)(void *ctx, struct cv_tunnel *tunnel, int error, const char *why);
    void *ctx;
};

#define CV_UPLINK_HEADERS_MAX 49 /* further headers */

/* Starts dialling. Returns 0, -ENOMEM, or CV_EFULL for too many headers. */
int cv_uplink_new(struct cv_uplink **out, struct cv_loop *loop, struct cv_outbound *outbound,
                  const struct cv_uplink_config *config) CV_MUST_USE;

/* Stops: closes the tunnel in order and tries no more. `down` is still called for a tunnel that
 * stands; after that, or at once, the uplink frees itself. */
void cv_uplink_close(struct cv_uplink *uplink);

/* How often it has dialled. */
uint64_t cv_uplink_dials(const struct cv_uplink *uplink);

#endif
