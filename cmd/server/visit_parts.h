#ifndef CMD_SERVER_VISIT_PARTS_H
#define CMD_SERVER_VISIT_PARTS_H

/* What the files of a visit share; nobody else includes it. */

#include "net/stream.h"
#include "net/timer.h"
#include "server.h"
#include "visit.h"

struct visit {
    struct cv_list link;         /* in the worker's, from the dial on */
    uint64_t id;                 /* from then on */
    struct cv_mail mail;         /* on its way to another worker */
    struct cv_endpoint endpoint; /* of the connection, while it waits for the target's answer */
    const struct visit_way *way; /* borrowed */
    void *ctx;                   /* borrowed */
    struct worker *worker;       /* that has it now; borrowed */
    const char *door, *peer, *client, *address; /* in text[] */
    enum cv_proto proto;
    enum cv_route_from from;
    enum cv_balance balance; /* of the client, as the rules said when it came */
    enum visit_place place;
    uint64_t wait;
    uint64_t since; /* it came in */
    bool has_digest;
    uint8_t digest[CV_TOKEN_DIGEST];
    char who[CV_KEY_MAX + 1]; /* the name in the visitor's credential, once that was asked */

    int fd;                   /* owned; -1 when it is the stream's */
    struct cv_pair *pair;     /* a reference, which goes with @fd; NULL: it is no pair's */
    struct cv_stream *stream; /* owned; NULL before the dial, and when it is a relay's */
    uint8_t *early;           /* owned; what the visitor has said, until the target answers */
    size_t early_len, early_sent;
    struct cv_tunnel *tunnel; /* borrowed while there is a connection */
    int64_t conn_id;
    uint64_t session;  /* the connection's, by the manager's id */
    bool through_peer; /* it is a peer's */
    bool linked;       /* the peer was found in the directory, by this claim, which is
                          left out when the visit is dialled elsewhere: */
    uint64_t claim_incarnation;
    int64_t claim_session;
    struct cv_timer *timer;    /* owned; of the wait */
    uint64_t look_at, wait_by; /* when the session is looked at next; when the wait is over */
    int watched;               /* what the stream is watched for, during the wait */
    bool told_ready;           /* the session knows that the visitor has said something */
    bool acked, timed_out;
    bool waiting; /* counted as such in the server */

    bool silent;    /* its session is: it goes to another one */
    bool peer_says; /* so of its own session */
    bool said;      /* we said so to a peer */
    bool moved;     /* it was dialled through another one before, which is left out: */
    uint64_t but;   /* by the manager's id, or 0 */
    uint64_t tried; /* a bit for each worker that could not serve it */
    bool asked;     /* the directory was */
    bool settles;   /* everybody was asked for a healthy session: any will do now */
    bool met_silent;
    int problem; /* of the last one that tried */
    char text[];
};

/* Session and connection are those of its dial, if there was one. */
#define VISIT_ABOUT(visit)         \
    (&(const struct cv_log_about){ \
        .client = (visit)->client, .session = (visit)->session, .conn = (visit)->conn_id})

/* visit.c */

/* What it wants dialled, not through the session @but. Borrows from @visit. */
struct cv_route_wish visit_wish(const struct visit *visit, uint64_t but);

/* Makes the stream of the visit's socket. Returns 0 or -ENOMEM. */
int visit_open_stream(struct visit *visit) CV_MUST_USE;

/* Dials here, or hands it over to the worker that can; else it is turned away. It may be over
 * before this returns. */
void visit_serve(struct visit *visit);

/* Dials through a link to the server that the directory named by this claim. Returns 0 when the
 * visit has become the connection's, also when that ends at once. */
int visit_dial_link(struct visit *visit, const struct cv_route *route, uint64_t incarnation,
                    int64_t session) CV_MUST_USE;

/* It was on its way to another worker when that had ended. */
void visit_lose(struct visit *visit);

/* Gives its places back, and lets it go. @end is the visit's way's. */
void visit_leave(struct visit *visit, const struct cv_relay_end *end);

/* visit_tell.c: the line in the log, and what the visitor is told. */

/* One line a visit: how it ended, and what the other end said. @end is NULL without a relay. */
void visit_log_end(const struct visit *visit, enum cv_reason reason, const char *text, size_t len,
                   const struct cv_relay_end *end);

/* Writes the answer: its length, or -errno. The first bytes that this end says, or nearly so: the
 * socket's buffer has room for all of them. */
ssize_t visit_answer(struct visit *visit, enum cv_failure failure, const char *text) CV_MUST_USE;

/* The last answer, and the end of the socket. Without an answer the visitor sees a reset: what it
 * would see of a closed port. */
void visit_close_failed(struct visit *visit, enum cv_failure failure, const char *text);

/* Nobody can serve it: visit->problem says why. */
void visit_turn_away(struct visit *visit);

/* visit_move.c: a dial that fails before its first byte is tried once more, through another
 * session. */

/* Whether one is there, or may be at another worker. @healthy: an unhealthy one does not count. */
bool visit_has_another(struct visit *visit, bool healthy);

/* The connection ended before the target's answer: whether that is the session's fault, and
 * another one is to be tried. */
bool visit_may_move(struct visit *visit, enum cv_reason reason, enum cv_failure failure);

/* Tries it. The connection is over; the visitor was told nothing yet. */
void visit_move(struct visit *visit);

/* visit_wait.c: from the opening of a connection to the first bytes. */

/* Ends the connection of a visit. */
void visit_abort(struct visit *visit, enum cv_reason reason, const char *text);

/* Before the wait is over by itself. */
void visit_stop_waiting(struct visit *visit);

/* The connection is opened: tells the visitor when there is something to tell, which may be only
 * after the target's answer, and then lets bytes flow. On failure the connection is the caller's to
 * end. */
int visit_begin(struct visit *visit) CV_MUST_USE;

#endif
