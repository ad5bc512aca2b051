#ifndef CV_CONN_CONN_H
#define CV_CONN_CONN_H

#include <stdbool.h>

#include "base/chain.h"

/* One virtual connection, seen from one end: its state, what it has read and nobody took yet, and
 * back-pressure. It knows neither frames nor its session; it says what it wants said (CV_WANT_*),
 * and the session says it.
 *
 *   source  where this end's bytes come from: the visitor's or the target's socket
 *   sink    where the other end's bytes go: the same socket
 *   tx, rx  towards the other end, from the other end */

enum cv_conn_state {
    CV_CONN_DIALLING,     /* the other end asked for a target that is not through yet */
    CV_CONN_DIALLING_FIN, /* so, and the other end will send no more */
    CV_CONN_DIALLING_END, /* so, and the other end is gone: what it sent is still for the target */
    CV_CONN_OPEN,
    CV_CONN_LOCAL_FIN,  /* our source ended, which was told; the other end still sends */
    CV_CONN_REMOTE_FIN, /* the other end's source ended; ours still sends */
    CV_CONN_DRAINING,   /* nothing more crosses the tunnel; bytes still wait for the sink */
    CV_CONN_CLOSED,
};

enum cv_conn_event {
    CV_CONN_EV_ACCEPT,     /* the target is through */
    CV_CONN_EV_LOCAL_FIN,  /* our source ended, and the other end understands half-close */
    CV_CONN_EV_REMOTE_FIN, /* the other end's source ended */
    CV_CONN_EV_END, /* both directions ended, in order or not: what was received is still for the
                       sink */
    CV_CONN_EV_DRAINED, /* the sink has taken everything */
    CV_CONN_EV_ABORT,   /* give up, and drop what was received */
};

/* Next state of a connection; never acts, so every side effect sits in its one caller.
 * An event that means nothing in a state leaves it as it is. */
enum cv_conn_state cv_conn_next(enum cv_conn_state state, enum cv_conn_event event);

/* Whether the other end may still send in @state. */
bool cv_conn_receives(enum cv_conn_state state);

/* Whether our source may still send in @state. */
bool cv_conn_sends(enum cv_conn_state state);

/* Whether bytes may go to the sink in @state: it is there, and wants them. */
bool cv_conn_delivers(enum cv_conn_state state);

/* How an end is kept from sending too much. */
enum cv_flow_mode {
    CV_FLOW_CREDIT,    /* Culvert ends with `credit`: a window that grows */
    CV_FLOW_PAUSE,     /* Culvert ends without: Pause and Resume, a flag for each direction */
    CV_FLOW_REFERENCE, /* a reference end, which has one flag for both directions */
};

/* What the connection wants told to the other end. */
enum cv_want {
    CV_WANT_RESUME = 1 << 0, /* goes before a Pause that is wanted too */
    CV_WANT_PAUSE = 1 << 1,
    CV_WANT_WINDOW = 1 << 2,
};

/* Marks of a reference end (protocol facts, "Read buffer"); ours use the same. */
#define CV_PAUSE_MARK  ((size_t)2 * 1024 * 1024)
#define CV_RESUME_MARK (CV_PAUSE_MARK / 8)

/* More may arrive after a Pause: what the link's sockets hold. 4 MiB were seen on loopback; ten
 * times that is not innocent any more. */
#define CV_RX_CAP ((size_t)32 * 1024 * 1024)

/* The window that both Culvert ends assume at first, and how far it grows by itself. */
#define CV_WINDOW_INITIAL ((size_t)256 * 1024)
#define CV_WINDOW_MAX     ((size_t)16 * 1024 * 1024)

/* The shortest round trip that a window reckons with. On one machine or a LAN a ping is back
 * sooner, but a process that is busy or asleep is not: a window of less makes the ends take turns.
 */
#define CV_WINDOW_ROUND (CV_MSEC / 2)

/* A reference end that paused us and forgot is asked by a Resume and, a moment later, a small Data
 * frame: first wait before asking, longest wait, the moment (in which its blocked writer wakes;
 * Data that comes at once would pause it again), bytes that the frame may carry, and how long the
 * answer may take at least (two round trips where these are longer). */
#define CV_PROBE_WAIT_FIRST (200 * CV_MSEC)
#define CV_PROBE_WAIT_MAX   (5 * CV_SEC)
#define CV_PROBE_GAP        (20 * CV_MSEC)
#define CV_PROBE_BYTES      ((size_t)4096)
#define CV_PROBE_ANSWER     (50 * CV_MSEC)

/* Where the question to a reference end stands; what ends each step but the first two is probe_at.
 */
enum cv_probe {
    CV_PROBE_NONE,   /* nothing was asked; while paused, probe_at is when to ask */
    CV_PROBE_RESUME, /* a Resume is wanted */
    CV_PROBE_PAUSE,  /* it was said: wait for the writer */
    CV_PROBE_DATA,   /* probe_left bytes may go; then a Pause comes back, or the way is free */
};

struct cv_flow_limits {
    size_t pause_mark;  /* bytes unread above which the other end is paused */
    size_t resume_mark; /* bytes unread below which it may go on */
    size_t rx_cap;      /* bytes unread at which an end that ignores Pause loses the connection */
    size_t window_max;  /* bytes, of CV_FLOW_CREDIT */
};

struct cv_conn {
    enum cv_conn_state state;
    enum cv_flow_mode mode;
    unsigned wants; /* CV_WANT_*; CREDIT never pauses, the others never have a window */

    struct cv_chain rx; /* received and not taken; empty unless the sink is slow or not there yet */

    bool rx_paused;  /* we asked the other end to pause, and it may still know */
    bool tx_paused;  /* the other end asked us to pause */
    bool pause_open; /* REFERENCE: a Pause was sent or received since our last Resume */

    enum cv_probe probe; /* REFERENCE */
    size_t probe_left;
    uint64_t probe_at;     /* next step of the question, or CV_NEVER */
    uint64_t probe_wait;   /* from a Pause to the question */
    uint64_t probe_answer; /* from the question to its answer, a Pause or nothing */

    size_t tx_credit;    /* CREDIT: bytes that we may send */
    size_t rx_credit;    /* CREDIT: bytes that the other end may send */
    size_t rx_window;    /* CREDIT: what rx_credit + unread + rx_consumed adds up to */
    size_t rx_consumed;  /* CREDIT: taken by the sink since the last grant */
    uint64_t granted_at; /* CREDIT: time of the last grant */
};

void cv_conn_init(struct cv_conn *conn, enum cv_conn_state state, enum cv_flow_mode mode,
                  uint64_t now);
void cv_conn_deinit(struct cv_conn *conn, const struct cv_alloc *alloc, struct cv_budget *budget);

/* Receiving. */

/* @len bytes of Data came in: count them against what was granted.
 *
 * CV_EFLOW  more than the window allows: end this connection */
int cv_conn_received(struct cv_conn *conn, size_t len) CV_MUST_USE;

/* Keeps what the sink did not take.
 *
 * CV_EFLOW  the cap is reached: the other end ignores Pause
 * CV_EFULL  the budget is used up
 * -ENOMEM   each of them: end this connection */
int cv_conn_store(struct cv_conn *conn, const struct cv_alloc *alloc, struct cv_budget *budget,
                  const struct cv_flow_limits *limits, const uint8_t *data, size_t len) CV_MUST_USE;

/* Drops @len stored bytes that the sink took. Follow with cv_conn_consumed(). */
void cv_conn_unstore(struct cv_conn *conn, const struct cv_alloc *alloc, struct cv_budget *budget,
                     size_t len);

/* The sink took @len bytes, stored ones or fresh ones: say so to the other end in time. */
void cv_conn_consumed(struct cv_conn *conn, const struct cv_flow_limits *limits, size_t len);

/* Sending. */

/* Bytes that may be sent now; 0 while paused or without credit. Does not look at the state. */
size_t cv_conn_may_send(const struct cv_conn *conn);
void cv_conn_sent(struct cv_conn *conn, size_t len, uint64_t now);

/* What the other end said. @rtt is the shortest round trip known, or CV_NEVER. */
void cv_conn_on_pause(struct cv_conn *conn, uint64_t now, uint64_t rtt);
void cv_conn_on_resume(struct cv_conn *conn);

/* CV_EPROTO  @grant is not positive or the sum runs over: end the session */
int cv_conn_on_window(struct cv_conn *conn, int64_t grant) CV_MUST_USE;

/* What is being said now, one of the wants: clears it and takes its consequences. */
void cv_conn_said_pause(struct cv_conn *conn);
void cv_conn_said_resume(struct cv_conn *conn, uint64_t now);

/* Returns the grant to say, in bytes. @rtt is the shortest round trip known; a window that is used
 * up within two of them, or of CV_WINDOW_ROUND, while the sink keeps up is too small and doubles.
 * @most is what it may be now: a larger one shrinks, step by step, since what was granted cannot be
 * taken back. */
size_t cv_conn_said_window(struct cv_conn *conn, size_t most, uint64_t now, uint64_t rtt);

/* Takes the next step of the question to an end that forgot its Pause, when it is due. */
void cv_conn_tick(struct cv_conn *conn, uint64_t now);

#endif
