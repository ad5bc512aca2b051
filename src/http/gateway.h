#ifndef CV_HTTP_GATEWAY_H
#define CV_HTTP_GATEWAY_H

#include "access/credential.h"
#include "door/http_route.h"
#include "http/upstream.h"

/* The HTTP door: requests to `/client/{id}/{scheme}/{host}[/{path}]`, and to the names that routes
 * lead on, go to a target through a tunnel. Visitors keep their connection from request to request.
 * Bodies stream both ways; of each direction one read is held at most. */
struct cv_gateway; /* one a loop */

struct cv_gateway_target {
    const char *client;  /* a valid client key */
    const char *address; /* HOST:PORT */
};

/* Where requests to names go: those of match[i] to to[i]. */
struct cv_gateway_routes {
    const struct cv_http_route *match;
    const struct cv_gateway_target *to;
    size_t count;
};

struct cv_gateway_config {
    struct cv_loop *loop; /* borrowed */

    /* As of the front door: visitors' credentials; NULL: anyone may ask for anything. */
    const struct cv_credentials *(*credentials)(void *ctx);
    cv_upstream_dialler *dial;

    /* Where a name leads that an agent has published (@host as of cv_http_route_name()): fills in
     * client and address of @out, which may be NULL. Asked when no route is found. NULL: none are.
     */
    bool (*published)(void *ctx, struct cv_slice host, struct cv_upstream_target *out);

    /* A request by the token of @digest begins: 0, or why there is no place for it, as an error
     * code. It is over: the place is given back. NULL: nobody counts. */
    int (*enter)(void *ctx, const uint8_t digest[CV_TOKEN_DIGEST]);
    void (*leave)(void *ctx, const uint8_t digest[CV_TOKEN_DIGEST]);

    /* A request is answered with @status by the door itself, which is an error's. */
    void (*answered)(void *ctx, int status);

    /* A request's token did not do, or there was none. NULL: nobody counts. */
    void (*refused)(void *ctx);

    /* A visitor that came from @peer is gone, as the one of the front door is told. NULL: nobody
     * hears it. */
    void (*left)(void *ctx, const char *peer);

    /* No visitor is left after cv_gateway_drain(). */
    void (*emptied)(void *ctx);
    void *ctx;           /* borrowed, for all of them */
    const char *ca_file; /* see cv_upstreams_config */
    uint64_t max_body;   /* bytes of a request's body; 0: as long as it likes */
    uint64_t stall;      /* microseconds for an end that neither gives nor takes what it must */
    uint64_t idle;       /* microseconds in which nothing of a response that has begun, or of a
                            WebSocket, need come; 0: as long as it likes */
};

#define CV_GATEWAY_CALLERS_MAX 4096 /* visitors on a loop; one more, and the longest idle goes */
#define CV_GATEWAY_IDLE        (60 * CV_SEC)       /* until a visitor's next request */
#define CV_GATEWAY_HEAD_WAIT   (10 * CV_SEC)       /* from its first byte to the end of its head */
#define CV_GATEWAY_READ        ((size_t)64 * 1024) /* what is read at once, and held at most */
#define CV_GATEWAY_INTERIM_MAX 64 /* heads of 1xx in front of an answer; a loop deals with all */

int cv_gateway_new(struct cv_gateway **out, const struct cv_gateway_config *config) CV_MUST_USE;

/* Requests take these from now on; at first there are none. Borrowed until the next call, or the
 * gateway's end. */
void cv_gateway_set_routes(struct cv_gateway *gateway, const struct cv_gateway_routes *routes);

/* The header of a visitor who wants a session of his own: what he calls himself, for logs. A valid
 * client key. */
#define CV_VISITOR_HEADER "X-Culvert-Visitor"

/* Whether a request is the gateway's to answer. A way into the server, `/connect` with X-Tunnel-ID
 * or CV_VISITOR_HEADER, never is, whatever name it asks for. */
bool cv_gateway_claims(const struct cv_gateway *gateway, const struct cv_http_head *head);

/* Takes a visitor from @peer, of whom the first @len bytes are read already: a request that the
 * gateway claims, and what follows it. Its place in the limits is the gateway's to give back. */
void cv_gateway_take(struct cv_gateway *gateway, struct cv_stream *stream, const char *peer,
                     const void *data, size_t len);

/* Takes in no more: who is between two requests goes, the others after the one that runs or has
 * begun to come. `emptied` may be called from within. */
void cv_gateway_drain(struct cv_gateway *gateway);

/* Whether there are visitors. */
bool cv_gateway_busy(const struct cv_gateway *gateway);

/* Ends everything at once. */
void cv_gateway_end(struct cv_gateway *gateway);

/* After cv_gateway_end(). NULL is fine. */
void cv_gateway_free(struct cv_gateway *gateway);

#endif
