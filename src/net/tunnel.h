#ifndef CV_NET_TUNNEL_H
#define CV_NET_TUNNEL_H

#include "net/ending.h"
#include "net/endpoint.h"
#include "net/stream.h"
#include "session/session.h"

/* A tunnel: one session over one stream on the loop. Data goes between the session's connections
 * and their endpoints by itself; the owner hears of what is his to decide.
 *
 * When the link is gone the owner hears `closed` once. Connections then end by themselves, after
 * their sinks have taken what had come in; the tunnel frees itself after the last one. */
struct cv_tunnel;

struct cv_tunnel_end {
    enum cv_ending ending;
    int error;        /* CV_ECLOSED in order, CV_EDEAD, CV_EPROTO, -ECONNRESET … */
    const char *text; /* for people: the ending's, or the error's where that says more; static */

    /* For the log: that, and in quotes what the other end said in its close frame, which may be
     * anything; borrowed. */
    const char *line;
};

struct cv_tunnel_owner {
    /* CONNECT, ADD_CLIENT, REMOVE_CLIENT, PUBLISHED and NOTICE of the session, as it polls them. */
    void (*event)(void *ctx, struct cv_tunnel *tunnel, const struct cv_session_event *event);

    /* The link is gone. @end is borrowed; @tunnel must not be used after the return. */
    void (*closed)(void *ctx, struct cv_tunnel *tunnel, const struct cv_tunnel_end *end);
    void *ctx; /* borrowed */
};

/* Takes @stream, also on failure, and makes a session of @config. @early are bytes that came with
 * the handshake. The owner hears nothing before the loop turns. Returns 0 or -ENOMEM. */
int cv_tunnel_new(struct cv_tunnel **out, struct cv_loop *loop, struct cv_stream *stream,
                  const struct cv_session_config *config, const void *early, size_t early_len,
                  const struct cv_tunnel_owner *owner) CV_MUST_USE;

/* Borrowed. After using it say cv_tunnel_touch(). */
struct cv_session *cv_tunnel_session(struct cv_tunnel *tunnel);

struct cv_loop *cv_tunnel_loop(struct cv_tunnel *tunnel);

/* What lines of the log about it say: @client, a key (borrowed until `closed` has returned; NULL:
 * none), and @number, the session's here (0: it has none). */
void cv_tunnel_name(struct cv_tunnel *tunnel, const char *client, uint64_t number);

/* These, and the connection @conn_id (0: none). */
struct cv_log_about cv_tunnel_about(const struct cv_tunnel *tunnel, int64_t conn_id);

/* The other end never asks for anything by itself, as agents do not: while there are no connections
 * its keep-alive may wait for CV_REST_MS, and shares a wake of the process with that of others. */
void cv_tunnel_may_rest(struct cv_tunnel *tunnel);

/* cv_session_measure(), over a link that does not rest meanwhile. */
bool cv_tunnel_measure(struct cv_tunnel *tunnel);

/* The session was used: at the end of this turn its events are handed out and what it has to send
 * is sent. */
void cv_tunnel_touch(struct cv_tunnel *tunnel);

/* cv_session_abort() and cv_tunnel_touch(); a connection that is gone already is left at that. */
void cv_tunnel_abort(struct cv_tunnel *tunnel, int64_t conn_id, enum cv_reason reason,
                     const char *text);

/* Ends every connection of every tunnel of @loop with @reason; what is not delivered yet is lost.
 * The tunnels stay. */
void cv_tunnel_abort_all(struct cv_loop *loop, enum cv_reason reason);

/* Ends every tunnel of @loop at once, and every connection with @reason: what is not delivered yet
 * is lost. */
void cv_tunnel_end_all(struct cv_loop *loop, enum cv_ending ending, enum cv_reason reason);

/* Closes the link in order: a close frame, then a moment for its answer. `closed` is still called.
 */
void cv_tunnel_close(struct cv_tunnel *tunnel, enum cv_ending ending);

#define CV_CLOSE_WAIT (750 * CV_MSEC) /* a broken link is gone within a second */

#endif
