#ifndef CV_NET_RELAY_H
#define CV_NET_RELAY_H

#include "net/tunnel.h"

/* A local socket relayed through a virtual connection: a visitor's at a server, a target's at an
 * agent. It lives as long as the connection and frees itself; an error at the other end becomes RST
 * at the socket, an orderly end FIN. */
struct cv_relay;

/* Of one who is gone in the middle, what it said before goes through all the same, and the error
 * behind it; unless nothing of that is taken for so long. */
#define CV_LAST_WORDS_WAIT (30 * CV_SEC)

/* How it went, for logs and limits; called once, when the connection has ended. */
struct cv_relay_end {
    enum cv_reason reason;
    const char *text; /* what the other end said; not ended by NUL, may be NULL; borrowed */
    size_t text_len;
    uint64_t bytes_in, bytes_out; /* to the socket, from the socket */
};
typedef void cv_relay_ended(void *ctx, const struct cv_relay_end *end);

/* Takes @stream (also on failure) and becomes the endpoint of connection @conn_id of the tunnel's
 * session. Returns 0, -ENOMEM, or CV_ESTALE when there is no such connection. @ended may be NULL;
 * @ctx is borrowed. */
int cv_relay_new(struct cv_tunnel *tunnel, int64_t conn_id, struct cv_stream *stream,
                 cv_relay_ended *ended, void *ctx) CV_MUST_USE;

/* The same for a socket that was read before: the @early_len bytes at @early, which are copied, go
 * through the tunnel first. */
int cv_relay_new_early(struct cv_tunnel *tunnel, int64_t conn_id, struct cv_stream *stream,
                       const void *early, size_t early_len, cv_relay_ended *ended,
                       void *ctx) CV_MUST_USE;

#endif
