#ifndef CV_SESSION_SESSION_H
#define CV_SESSION_SESSION_H

#include <stdbool.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/random.h"
#include "base/reason.h"

/* Many virtual connections over one pipe of messages, seen from one end. No I/O: messages are fed
 * in as they arrive, piece by piece, and events come out; what is to be sent is asked for, frame by
 * frame.
 *
 *   dialler   the end that opened the WebSocket: an agent, or a dialling peer. It pings and sends
 * lists of its connections; its connection ids are odd, the acceptor's even piece     a run of
 * bytes of one message, borrowed from the reader's buffer source    the local socket that a
 * connection's outgoing bytes are read from sink      the same socket, for the incoming ones slot
 * the next thing to go out
 *
 * Payload is not queued here. A connection whose source has bytes is marked ready; when its turn
 * comes the session asks for up to so many bytes, and the caller reads them from the source
 * straight into the outgoing buffer. So the source's socket is the queue, and a slow link slows the
 * source.
 *
 * A connection is named by its id; `user` is the caller's and comes back with each event and slot
 * until CLOSED. An id that is no longer known is CV_ESTALE. */
struct cv_session;

enum cv_session_role { CV_SESSION_ACCEPTOR, CV_SESSION_DIALLER };

/* Extensions between Culvert ends, as negotiated in the handshake. */
enum cv_feature {
    CV_FEATURE_ACK = 1 << 0,
    CV_FEATURE_HALFCLOSE = 1 << 1,
    CV_FEATURE_CREDIT = 1 << 2,
    CV_FEATURE_DGRAM = 1 << 3,
    CV_FEATURE_PUBLISH = 1 << 4,
};

#define CV_PING_EVERY         (5 * CV_SEC)    /* the dialler's; protocol facts, "Keep-alive" */
#define CV_PING_EVERY_IDLE    (10 * CV_SEC)   /* to a Culvert end, without connections */
#define CV_DEAD_AFTER         (15 * CV_SEC)   /* of silence, between Culvert ends */
#define CV_DEAD_AFTER_FOREIGN (60 * CV_SEC)   /* of silence, with a reference end */
#define CV_TAKEOVER_WAIT      (5 * CV_SEC)    /* of silence after cv_session_probe() */
#define CV_ANSWER_WAIT        (750 * CV_MSEC) /* of silence after cv_session_ask() */
#define CV_MEASURE_EVERY      (10 * CV_SEC)   /* between two of cv_session_measure() */
#define CV_DRAIN_WAIT                                                                             \
    (30 * CV_SEC) /* a sink that takes nothing for that long after the link is gone loses what is \
                     stored */
#define CV_SYNC_EVERY     (60 * CV_SEC)
#define CV_SYNC_GRACE     (10 * CV_SEC) /* a younger connection is never closed by a list */
#define CV_SYNC_LEAST     (1 * CV_SEC)  /* between two lists that are acted on */
#define CV_SESSION_BUDGET ((size_t)64 * 1024 * 1024)
#define CV_SESSION_MISC_MAX \
    ((size_t)4 * 1024 * 1024)      /* bytes of announcements that wait to be sent */
#define CV_SESSION_ORPHANS_MAX 256 /* Errors about unknown connections that wait to be sent */
#define CV_DATA_MAX \
    ((size_t)256 * 1024) /* payload of one Data frame; a link's room is what bounds it, mostly */
#define CV_DATA_MAX_FOREIGN \
    ((size_t)32640) /* to a reference end, which sends no more itself; two fill a send */

#define CV_DGRAM_MAX                                                                              \
    ((size_t)60000) /* bytes of a datagram of `udp`: a link's buffer has room for it at any time. \
                       Longer ones, and empty ones, are dropped */
#define CV_DGRAMS_KEPT \
    ((size_t)64 * 1024) /* bytes of them that wait for a target that is being dialled */

struct cv_session_config {
    enum cv_session_role role;
    bool culvert;      /* the other end's handshake showed X-Culvert-Features */
    unsigned features; /* CV_FEATURE_*, those shared; 0 unless culvert */
    char name[80];     /* client key, for the texts of Errors; "client" at a dialler, as in the
                          reference */
    int64_t key;       /* session key: what AddClient announces */
    uint32_t max_conns;
    size_t budget;            /* bytes of all its read buffers */
    size_t rx_cap;            /* bytes of one, against an end that ignores Pause */
    struct cv_budget *parent; /* the process's budget, borrowed, may be NULL */
};

/* Defaults for everything but role, culvert, features, name and key. */
struct cv_session_config cv_session_defaults(enum cv_session_role role);

/* @alloc and @random are borrowed for the session's life. Returns 0 or -ENOMEM. */
int cv_session_new(struct cv_session **out, const struct cv_session_config *config,
                   const struct cv_alloc *alloc, const struct cv_random *random,
                   uint64_t now) CV_MUST_USE;
void cv_session_free(struct cv_session *session);

/* What came in. */

/* Bytes arrived, of whatever kind: the other end lives. */
void cv_session_heard(struct cv_session *session, uint64_t now);

/* A pong arrived: gives a round trip. */
void cv_session_pong(struct cv_session *session, uint64_t now);

/* One piece of a message; @fin marks its last one, which may be empty. Poll the events after each
 * call. A Data event borrows from @data.
 *
 * CV_EPROTO  the frame breaks the protocol: close the link with 1002
 * -ENOMEM    close the link */
int cv_session_recv(struct cv_session *session, const uint8_t *data, size_t len, bool fin,
                    uint64_t now) CV_MUST_USE;

enum cv_session_event_kind {
    CV_EVENT_CONNECT, /* the other end wants a target: cv_session_accept() or cv_session_abort() in
                         time */
    CV_EVENT_CONNECTED, /* our dial is through (only with CV_FEATURE_ACK) */
    CV_EVENT_SILENT,    /* our dial waits at the other end for one that gives no sign of life (the
                           same): if there is another way, it may be better */
    CV_EVENT_DATA, /* of `udp`: one datagram, whole; what is not taken of it is dropped. Else: offer
                      it to the sink at once and say cv_session_taken(); the rest is kept */
    CV_EVENT_FIN,  /* everything is taken and no more comes: shut the sink's writing side */
    CV_EVENT_DRAIN, /* both directions ended; stored bytes wait for the sink. The source's are to be
                       dropped */
    CV_EVENT_CLOSED, /* the last event of a connection; its id is stale from here on */
    CV_EVENT_ADD_CLIENT,
    CV_EVENT_REMOVE_CLIENT,
    CV_EVENT_PUBLISHED, /* what became of something that this dialler wants published */
    CV_EVENT_NOTICE,    /* something odd that was survived: for the log */
};

enum cv_notice {
    CV_NOTICE_DUPLICATE_ID, /* a Connect under an id that is in use was ignored */
    CV_NOTICE_CONN_LIMIT,   /* a Connect over max_conns was refused */
    CV_NOTICE_BAD_CONNECT,  /* a Connect over 266 bytes was refused */
    CV_NOTICE_BAD_ANNOUNCE, /* an announcement over 100 bytes, or of an impossible key, was ignored
                             */
    CV_NOTICE_ORPHANS_FULL, /* an Error about an unknown connection was left out */
};

/* One line about it, for the log of who has the session. Static. */
const char *cv_notice_text(enum cv_notice notice);

struct cv_session_event {
    enum cv_session_event_kind kind;
    int64_t conn_id;
    void *user;
    const uint8_t *data; /* DATA: borrowed from the piece */
    size_t len;
    const char *text; /* CONNECT: proto; ADD, REMOVE: client key; CLOSED: why, as the other end said
                         it, or NULL; PUBLISHED: where, or why not, in its words */
    size_t text_len;
    const char *address; /* CONNECT */
    size_t address_len;
    int64_t session_key;   /* ADD, REMOVE */
    uint32_t number;       /* PUBLISHED: of what was asked for, from 1 */
    bool granted;          /* PUBLISHED */
    enum cv_reason reason; /* CLOSED */
    enum cv_notice notice; /* NOTICE */
};

/* The next event: 1, or 0 when there is none. What it borrows lives until the next call on the
 * session. */
int cv_session_poll(struct cv_session *session, struct cv_session_event *event);

/* The sink took the first @len bytes of the Data event just polled. Without this call none were. */
void cv_session_taken(struct cv_session *session, size_t len);

/* Whether the bytes that come next are Data that may go to the sink by themselves, without being
 * fed: the message's head was, and nothing is stored before them. Then *@user is the connection's.
 */
bool cv_session_passing(struct cv_session *session, void **user);

/* @len (> 0) of them did, as if they had been fed as a piece, and taken at once; @fin as there.
 * Poll the events. */
void cv_session_passed(struct cv_session *session, size_t len, bool fin);

/* The length of the head of a Data frame at the beginning of @data, a message's first bytes; 0 when
 * it is another frame's, or cut, or a message is being read. */
size_t cv_session_data_head(const struct cv_session *session, const uint8_t *data, size_t len);

/* Connections. */

/* Opens a connection to @address through the other end; Data may follow at once.
 *
 * CV_ETOOLONG  proto/address is over 266 bytes
 * CV_EFULL     max_conns
 * CV_ECLOSED   the session was stopped or cut
 * -ENOMEM */
int cv_session_dial(struct cv_session *session, const char *proto, const char *address, void *user,
                    uint64_t now, int64_t *conn_id) CV_MUST_USE;

/* The target that CV_EVENT_CONNECT asked for is through. Its stored bytes wait: see
 * cv_session_backlog(). */
int cv_session_accept(struct cv_session *session, int64_t conn_id) CV_MUST_USE;

/* What CV_EVENT_CONNECT asked for waits for a session of ours that gives no sign of life: the other
 * end is told, where it understands that. The connection stays. */
int cv_session_say_silent(struct cv_session *session, int64_t conn_id) CV_MUST_USE;

/* Sets `user` of a connection, before or after it was accepted. */
int cv_session_set_user(struct cv_session *session, int64_t conn_id, void *user) CV_MUST_USE;

/* The source has bytes, or ended and shall be read; or it has none now. */
int cv_session_ready(struct cv_session *session, int64_t conn_id, bool ready) CV_MUST_USE;

/* The source ended in order. Tells the other end, which may go on sending if it understands
 * half-close. */
int cv_session_finish(struct cv_session *session, int64_t conn_id) CV_MUST_USE;

/* Ends a connection at once, and drops what the sink has not taken. @text (NULL: the reason's own)
 * is what the other end reads, cut at 100 bytes. */
int cv_session_abort(struct cv_session *session, int64_t conn_id, enum cv_reason reason,
                     const char *text) CV_MUST_USE;

/* The first stored bytes; *@len is 0 when there are none. Borrowed until the next call on the
 * session. */
int cv_session_backlog(struct cv_session *session, int64_t conn_id, const uint8_t **data,
                       size_t *len) CV_MUST_USE;

/* Whether anything is stored, also what is delivered only after cv_session_accept(). */
bool cv_session_stored(struct cv_session *session, int64_t conn_id);

/* The sink took the first @len stored bytes. */
int cv_session_consume(struct cv_session *session, int64_t conn_id, size_t len) CV_MUST_USE;

/* Announces a client, or takes that back. Never waits.
 *
 * CV_EBADKEY  not a client key
 * CV_EFULL    the other end has stopped reading: close the link
 * -ENOMEM */
int cv_session_announce(struct cv_session *session, bool add, const char *key,
                        int64_t session_key) CV_MUST_USE;

/* Tells the dialler what became of the thing number @number (from 1) that its handshake asked to
 * have published: where it is, or why not. @text is cut at 250 bytes. Never waits. Nothing is said
 * to an end without CV_FEATURE_PUBLISH.
 *
 * CV_EFULL    the other end has stopped reading
 * CV_ECLOSED  the session was cut
 * -ENOMEM */
int cv_session_published(struct cv_session *session, uint32_t number, bool granted,
                         const char *text) CV_MUST_USE;

/* What is to go out. */

enum cv_slot_kind {
    CV_SLOT_NONE,  /* nothing, or nothing that fits */
    CV_SLOT_PING,  /* a WebSocket ping */
    CV_SLOT_FRAME, /* a whole message: head and body, already taken off the queue */
    CV_SLOT_DATA,  /* the turn of a connection: read up to `max` bytes from its source, then
                      cv_session_sent() */
};

#define CV_SLOT_HEAD_MAX 40

struct cv_slot {
    enum cv_slot_kind kind;
    uint8_t head[CV_SLOT_HEAD_MAX];
    size_t head_len;
    const uint8_t *body; /* FRAME: borrowed until the next call */
    size_t body_len;
    int64_t conn_id; /* DATA */
    void *user;
    size_t max;
};

/* The next slot whose message (head, body, or for DATA head and at least one byte) fits into @room
 * bytes. Frames about connections, in order; then Data, fairly. */
void cv_session_next(struct cv_session *session, size_t room, uint64_t now, struct cv_slot *slot);

/* @len (> 0) bytes of the DATA slot just handed out were laid down behind its head. If the source
 * has nothing, say cv_session_ready(false), cv_session_finish() or cv_session_abort() instead. */
void cv_session_sent(struct cv_session *session, const struct cv_slot *slot, size_t len,
                     uint64_t now);

/* Whether cv_session_next() would have something, given room. */
bool cv_session_pending(const struct cv_session *session);

/* Time. */

/* When to call cv_session_tick() at the latest. It may move closer with any call, and away with
 * none that matters. */
uint64_t cv_session_deadline(const struct cv_session *session);

/* CV_EDEAD  the other end was silent for too long: close the link */
int cv_session_tick(struct cv_session *session, uint64_t now) CV_MUST_USE;

/* This end did not run for a while (a stopped process, a suspended machine): silence until @now
 * proves nothing. The other end has CV_PING_EVERY to be heard again. */
void cv_session_woke(struct cv_session *session, uint64_t now);

/* Asks the other end for a sign of life, which it has CV_TAKEOVER_WAIT for: a newer session of its
 * key has come. */
void cv_session_probe(struct cv_session *session, uint64_t now);

/* Has one more round trip measured, for who looks at cv_session_rtt(). False, and nothing is done,
 * while an answer is waited for, and within CV_MEASURE_EVERY of the last one. */
bool cv_session_measure(struct cv_session *session, uint64_t now);

/* Asks the other end for a sign of life, as a dial is not answered. Its silence ends nothing: see
 * cv_session_silent(). Does nothing while an answer is waited for. */
void cv_session_ask(struct cv_session *session, uint64_t now);

/* How long an answer to that is waited for: CV_ANSWER_WAIT, on slow links four round trips. */
uint64_t cv_session_patience(const struct cv_session *session);

/* It was asked, and nothing was heard of it for so long: its process is stopped, or the link is.
 * Holds until it is heard again. */
bool cv_session_silent(const struct cv_session *session, uint64_t now);

/* The link is gone: nothing more goes out or comes in. Each connection ends, after its sink has
 * taken what is stored; cv_session_tick() still ends those whose sink takes nothing. */
void cv_session_cut(struct cv_session *session);

/* The link is about to go: no more connections are opened, and none should be routed here. */
void cv_session_stop(struct cv_session *session);

/* Ends every connection at once, and drops what their sinks have not taken. */
void cv_session_abort_all(struct cv_session *session, enum cv_reason reason);

/* At most @max connections from now on, in place of the configuration's; those over it stay. */
void cv_session_limit_conns(struct cv_session *session, uint32_t max);

/* Whether a dial could start: it is neither stopped nor full. */
bool cv_session_usable(const struct cv_session *session);

/* Whether it is not stopped, but has as many connections as it may. */
bool cv_session_full(const struct cv_session *session);

/* For routing, limits and people. */

/* How long dials took that were acknowledged: one bucket up to each of these, and one for longer.
 */
#define CV_DIAL_BOUNDS 12
extern const uint32_t cv_dial_bounds[CV_DIAL_BOUNDS]; /* milliseconds */

struct cv_session_stats {
    uint64_t opened;                      /* connections ever */
    uint64_t dialled[CV_DIAL_BOUNDS + 1]; /* of them acknowledged, by how long that took */
    uint64_t dial_time;                   /* of those together, microseconds */
    uint64_t closed[CV_REASON_COUNT];     /* of them ended, by reason */
    uint64_t bytes_in, bytes_out;         /* payload */
    uint64_t frames_in, frames_out;
    uint64_t pauses_in, pauses_out, resumes_in, resumes_out;
    uint64_t error_bytes_out; /* of Error frames about connections */
    uint64_t unknown_frames;  /* of a type not known, skipped */
};

/* Adds what @from counted to @to. */
void cv_session_stats_add(struct cv_session_stats *to, const struct cv_session_stats *from);

const struct cv_session_stats *cv_session_stats(const struct cv_session *session);
const struct cv_session_config *cv_session_config(const struct cv_session *session);
uint32_t cv_session_conns(const struct cv_session *session); /* open now */
uint32_t cv_session_busy(
    const struct cv_session *session); /* those of them whose CLOSED was not polled yet */
size_t cv_session_buffered(
    const struct cv_session *session); /* bytes in read buffers, with their blocks' heads */
uint64_t cv_session_heard_at(const struct cv_session *session);
uint64_t cv_session_rtt(
    const struct cv_session *session); /* shortest round trip, CV_NEVER when none is known */
bool cv_session_probing(const struct cv_session *session); /* a probe was not answered yet */

#endif
