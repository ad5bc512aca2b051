#ifndef CMD_SERVER_VISIT_H
#define CMD_SERVER_VISIT_H

#include "access/target.h"
#include "door/failure.h"
#include "manager/manager.h"
#include "net/pair.h"
#include "net/relay.h"

struct worker;

/* A visit: somebody who came in by one of the ways in (a forward, SOCKS5, CONNECT, the HTTP door, a
 * peer) and wants a target through a client. What they share is here: the visit goes to the worker
 * that has the client, dials there through the best session, then through the next best, and is
 * turned away when there is none. It goes with its socket, so it may end on another thread than it
 * began on. A way in that has no socket of its own (TLS, a server in this process) makes one with
 * cv_connect_pair(), and may let its answer() write there for itself: so it hears of the outcome on
 * its own thread. */

/* How a visit got on, for whoever tells the visitor. Everything is borrowed for the call. */
struct visit_outcome {
    enum cv_failure failure; /* CV_FAILURE_NONE: the target answered, bytes may flow */
    const char *text;        /* of a failure: one line, as the agent said it or our own */
    bool acked;              /* the agent said so; else it cannot, and this only says that it was
                                asked to dial */
};

#define VISIT_ANSWER_MAX 1024

/* What makes a way in; static. Called on the thread of the worker that serves the visit. @ctx is
 * the visit's. */
struct visit_way {
    /* Writes what the visitor is told before the first byte of the target, and returns its length,
     * 0 for nothing. After that of a failure the socket is closed in order; it is reset when there
     * is none. NULL: nobody is told anything, bytes flow at once, and a failure is a reset. */
    size_t (*answer)(void *ctx, const struct visit_outcome *outcome, char out[VISIT_ANSWER_MAX]);
    bool hears_first; /* nobody speaks before that: a visitor who ends without a word is gone, and
                         not only at an end of what it has to say */

    /* The same before there is an answer, for a peer's dial: the only session gives no sign of
     * life. Nothing is closed for it. May be NULL. */
    size_t (*silent)(char out[VISIT_ANSWER_MAX]);

    /* It is over, however it went; the last call. @end is NULL when it was turned away. May be
     * NULL. */
    void (*ended)(void *ctx, const struct cv_relay_end *end);
};

/* Its visitor's place in the limits of one address, see admit.h. */
enum visit_place {
    VISIT_PLACE_WANTED, /* it takes one, or is turned away */
    VISIT_PLACE_GIVEN,  /* it was taken at the door, and goes with the visit */
    VISIT_PLACE_OTHERS, /* it is held, and given back, by who starts the visit; its place in the
                           limit of its token, too, which is always taken else */
};

struct visit_options {
    const struct visit_way *way; /* borrowed for the visit's life */
    const char *door;            /* where it came in, for the log; copied */
    const char *peer;            /* the visitor's address; copied */
    const char *client;          /* a valid client key; copied */
    enum cv_proto proto;
    const char *address;  /* as in a Connect; copied */
    int fd;               /* taken; of udp one end of cv_connect_pair_messages() */
    struct cv_pair *pair; /* taken; @fd is its outer end. NULL: a socket of its own */
    const void *early;    /* bytes that were read from it already; copied */
    size_t early_len;
    const uint8_t *digest; /* of the visitor's token, CV_TOKEN_DIGEST bytes, copied: what it may
                              dial is asked of its credential. NULL: the operator's own rule, or
                              anyone may come in */
    enum cv_route_from from;
    enum visit_place place;
    bool entered;  /* visit_enter() has taken its places */
    uint64_t wait; /* microseconds for the target's answer; 0: VISIT_WAIT */
    void *ctx;     /* borrowed for the visit's life */
};

#define VISIT_WAIT (40 * CV_SEC) /* an agent gives up before */

/* Takes the places of a visit that is to be started, of which neither socket nor target matter yet:
 * so one that there is no room for costs no more. Returns 0, CV_EFULL, CV_EQUOTA or -ENOMEM. */
int visit_enter(struct worker *worker, const struct visit_options *options) CV_MUST_USE;

/* Gives them back: nothing came of it. */
void visit_retreat(struct worker *worker, const struct visit_options *options);

/* Counts a visitor who was turned away for @problem, an error code, without a visit. */
void visit_count_refused(struct worker *worker, int problem);

/* Starts a visit from the worker's own thread; may be over before it returns. */
void visit_start(struct worker *worker, const struct visit_options *options);

/* A visit that was dialled, as operators see it. Everything is borrowed for the call. */
struct visit_info {
    uint64_t id;      /* never used twice */
    const char *door; /* where it came in */
    const char *peer; /* the visitor's address */
    const char *client;
    enum cv_proto proto;
    const char *address;
    int64_t conn_id; /* in the client's session */
    uint64_t since;  /* microseconds of the loop's clock */
};

/* Calls @each for every visit that @worker serves. */
void visits_each(struct worker *worker, void (*each)(void *ctx, const struct visit_info *info),
                 void *ctx);

/* Ends one; false when it is not there. */
bool visit_cut(struct worker *worker, uint64_t id);

#endif
