#ifndef CV_HTTP_UPSTREAM_H
#define CV_HTTP_UPSTREAM_H

#include "access/token.h"
#include "base/key.h"
#include "door/failure.h"
#include "door/http_gate.h"
#include "net/outbound.h"
#include "net/pair.h"

/* Connections of the HTTP door to targets, through tunnels. Each is a pair of sockets in this
 * process: one end is the door's, on the loop of its visitor; the other goes, as any visitor's
 * would, to the loop that has the client's session. Those that are idle are kept for the next
 * request. */
struct cv_upstreams; /* those of one loop */
struct cv_upstream;

/* How the other end of a pair got on, told from whichever thread has it. */
struct cv_upstream_call;

struct cv_upstream_target {
    char client[CV_KEY_MAX + 1];
    char address[CV_HTTP_GATE_HOST_MAX + 6 + 1]; /* as in a Connect: HOST:PORT */
    bool has_digest; /* of the visitor's token: a connection serves the requests of one alone */
    uint8_t digest[CV_TOKEN_DIGEST];
    bool https; /* TLS to the target, verified for HOST */
};

/* What the server dials with. All is borrowed for the call but @fd, which is taken, and @call. */
struct cv_upstream_dial {
    const struct cv_upstream_target *target;
    const char *peer; /* the visitor's address, for logs */
    uint64_t wait;    /* microseconds for the target's answer */
    int fd;
    struct cv_pair *pair;          /* taken too: @fd is its outer end */
    struct cv_upstream_call *call; /* to be given to cv_upstream_ended() in the end */
};
typedef void cv_upstream_dialler(void *ctx, const struct cv_upstream_dial *dial);

#define CV_UPSTREAM_OUTCOME_MAX 258

/* Writes what the dialler sends on @fd before anything else: how the dial went, and after a failure
 * one line about it. Returns the length. */
size_t cv_upstream_outcome(char out[CV_UPSTREAM_OUTCOME_MAX], enum cv_failure failure,
                           const char *text);

/* From any thread, before @fd is closed: the connection ended, with an error or in order. @text may
 * be NULL, and is copied. */
void cv_upstream_ended(struct cv_upstream_call *call, bool error, const char *text, size_t len);

#define CV_UPSTREAM_IDLE     (4 * CV_SEC) /* most servers wait 5 s or more for a next request */
#define CV_UPSTREAM_IDLE_MAX 64           /* kept idle on a loop */
#define CV_UPSTREAM_SAME_MAX 8            /* of them to one target */

struct cv_upstreams_config {
    struct cv_loop *loop; /* borrowed */
    const char *ca_file;  /* of https targets; NULL: the system's. Borrowed */
    cv_upstream_dialler *dial;
    void *ctx; /* borrowed */
};

int cv_upstreams_new(struct cv_upstreams **out,
                     const struct cv_upstreams_config *config) CV_MUST_USE;

/* Closes the idle ones, and keeps none from now on. */
void cv_upstreams_drain(struct cv_upstreams *upstreams);

/* Every upstream must have been put back before. NULL is fine. */
void cv_upstreams_free(struct cv_upstreams *upstreams);

/* The end of opening. @failure CV_FAILURE_NONE: it stands. Else @text, one line, borrowed for the
 * call, says why not; put it back all the same. */
typedef void cv_upstream_opened(void *ctx, enum cv_failure failure, const char *text);

/* An idle connection to the target; NULL when there is none. */
struct cv_upstream *cv_upstream_reuse(struct cv_upstreams *upstreams,
                                      const struct cv_upstream_target *target) CV_MUST_USE;

/* Opens one; @done is called once, never before this has returned, unless it is put back before.
 * Returns 0, -errno or -ENOMEM. */
int cv_upstream_open(struct cv_upstream **out, struct cv_upstreams *upstreams,
                     const struct cv_upstream_target *target, const char *peer, uint64_t wait,
                     cv_upstream_opened *done, void *ctx) CV_MUST_USE;

/* Borrowed; NULL until it stands. Whoever has the upstream owns the stream's wakes. */
struct cv_stream *cv_upstream_stream(const struct cv_upstream *upstream);

/* After its end was read: NULL when it ended in order, else what is known of why. */
const char *cv_upstream_problem(const struct cv_upstream *upstream);

/* Gives it up. @clean: everything on it was read and sent to the end, and the next request may go
 * over it; else it is closed. NULL is fine. */
void cv_upstream_put(struct cv_upstream *upstream, bool clean);

/* Gives it up in the middle of an exchange, which the target sees as a reset. NULL is fine. */
void cv_upstream_abandon(struct cv_upstream *upstream);

#endif
