#ifndef CV_HTTP_UPGRADE_H
#define CV_HTTP_UPGRADE_H

#include "net/outbound.h"
#include "ws/handshake.h"

/* The dialler's opening handshake: connects (net/outbound.h), asks for the WebSocket, checks the
 * answer. */
struct cv_upgrade;

struct cv_upgrade_options {
    const struct cv_outbound_options *outbound; /* borrowed for the call */
    const char *target;                         /* path and query */
    const struct cv_ws_header
        *headers; /* further ones, X-Tunnel-ID among them; borrowed for the call */
    size_t header_count;
};

/* The end, exactly once unless cancelled, never before cv_upgrade_start() returned. */
struct cv_upgrade_end {
    struct cv_stream *stream; /* the callee's; NULL when it failed */
    const void *early;        /* bytes that came behind the answer; borrowed for the call */
    size_t early_len;
    bool culvert;      /* the server sent X-Culvert-Features */
    unsigned features; /* those shared */
    int error;         /* why it failed: -errno or one of ours; CV_EDENIED for 401 and 403,
                          CV_EREMOTE for other answers that were not 101 */
    int status;        /* of such an answer, else 0 */
    const char *text;  /* what went wrong, one line; borrowed for the call */
};
typedef void cv_upgrade_done(void *ctx, const struct cv_upgrade_end *end);

#define CV_UPGRADE_WAIT (15 * CV_SEC) /* from the request to its answer */

/* CV_ESYNTAX, CV_ETOOLONG  a header that cannot stand in a request
 * -ENOMEM and others of cv_outbound_dial() */
int cv_upgrade_start(struct cv_upgrade **out, struct cv_loop *loop, struct cv_outbound *outbound,
                     const struct cv_upgrade_options *options, cv_upgrade_done *done,
                     void *ctx) CV_MUST_USE;

/* Stops it; `done` is not called any more. Must not be called after `done`. */
void cv_upgrade_cancel(struct cv_upgrade *upgrade);

#endif
