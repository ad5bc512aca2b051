#ifndef CV_RENDEZVOUS_ROOMS_H
#define CV_RENDEZVOUS_ROOMS_H

#include <stdbool.h>

#include "base/alloc.h"
#include "base/peer.h"

/* Rooms in which two ends meet to exchange WebRTC offers, wire-compatible with AppRTC's collider.
 *
 *   end      one WebSocket, named by an id that is not used twice
 *   client   a place in a room, by the id that its user chose; bound to one end, or absent
 *   room     two clients at most, by an id that they agreed upon
 *   message  what one client says to the other; text that is not looked into
 *
 * A message to an absent client waits with its sender. What waits at an end waits to be written.
 * A client that is absent for CV_ROOMS_ABSENCE goes, with its place and its messages.
 *
 * Fed by the calls below, drained by cv_rooms_poll() after each of them. */
struct cv_rooms;

#define CV_ROOMS_CLIENTS     2                    /* of a room */
#define CV_ROOMS_QUEUE_MAX   1024                 /* messages that wait with a client */
#define CV_ROOMS_QUEUE_BYTES ((size_t)256 * 1024) /* in them */
#define CV_ROOMS_BODY_MAX    ((size_t)64 * 1024)  /* bytes of one message */
#define CV_ROOMS_OUT_MAX     ((size_t)512 * 1024) /* bytes that wait at an end */
#define CV_ROOMS_OUT_COUNT   4096                 /* messages that do, errors too */
#define CV_ROOMS_ID_MAX      256                  /* bytes of the id of a room or a client */
#define CV_ROOMS_ABSENCE     (10 * CV_SEC)

/* Why something is refused: name, what the other end is told (collider's words where it has any),
 * and whether its WebSocket is closed after that. */
#define CV_ROOMS_REFUSALS(X)                                                                    \
    X(CV_ROOMS_FINE, "", false)                                                                 \
    X(CV_ROOMS_NOT_REGISTERED, "Client not registered", true)                                   \
    X(CV_ROOMS_NAMELESS, "Invalid register request: missing 'clientid' or 'roomid'", true)      \
    X(CV_ROOMS_NAME_LONG, "Invalid register request: 'clientid' or 'roomid' is too long", true) \
    X(CV_ROOMS_TWICE, "Duplicated register request", true)                                      \
    X(CV_ROOMS_DUPLICATE, "Duplicated registration", true)                                      \
    X(CV_ROOMS_CAPACITY, "Max room capacity reached", true)                                     \
    X(CV_ROOMS_EMPTY, "Invalid send request: missing 'msg'", true)                              \
    X(CV_ROOMS_LONG, "Invalid send request: 'msg' is too long", true)                           \
    X(CV_ROOMS_UNEXPECTED, "Invalid message: unexpected 'cmd'", false)                          \
    X(CV_ROOMS_QUEUE_FULL, "Too many messages queued for the client", false)                    \
    X(CV_ROOMS_TOO_MANY, "Too many rooms", true)                                                \
    X(CV_ROOMS_SOURCE_FULL, "Too many rooms from this address", true)                           \
    X(CV_ROOMS_UNSIGNED, "Room id not signed for this client, or expired", true)                \
    X(CV_ROOMS_MEMORY, "Out of memory", true)

enum cv_rooms_refusal {
#define X(name, text, closes) name,
    CV_ROOMS_REFUSALS(X)
#undef X
};

/* Static, never NULL. */
const char *cv_rooms_refusal_text(enum cv_rooms_refusal refusal);

/* Bytes that may hold anything, NUL too. */
struct cv_rooms_text {
    const char *at; /* borrowed; NULL when len is 0 */
    size_t len;
};

struct cv_rooms_config {
    uint32_t max_rooms;
    uint32_t max_rooms_per_source; /* made from one address, of IPv6 from one /64 */
    size_t max_bytes; /* in all messages that wait anywhere; then who hoards most pays */
    bool tell_gone;   /* whether CV_ROOMS_GONE is wanted */
    /* Whether @room was signed for @client; NULL: anyone may use any room. */
    bool (*admit)(void *ctx, struct cv_rooms_text room, struct cv_rooms_text client);
    void *ctx; /* borrowed, for admit */
};

/* Returns 0 or -ENOMEM. @alloc is copied. */
int cv_rooms_new(struct cv_rooms **out, const struct cv_alloc *alloc,
                 const struct cv_rooms_config *config) CV_MUST_USE;
void cv_rooms_free(struct cv_rooms *rooms);

/* A WebSocket of @user (borrowed; handed back by events) from that address. Returns 0 or -ENOMEM.
 */
int cv_rooms_open(struct cv_rooms *rooms, uint64_t *end, const struct cv_peer *from,
                  void *user) CV_MUST_USE;

/* What an end asks for; what it did not say is empty. */
struct cv_rooms_request {
    struct cv_rooms_text cmd, roomid, clientid, msg;
};

/* Whatever is wrong with it is queued for the end. Ids that are not known are ignored here and
 * below. */
void cv_rooms_recv(struct cv_rooms *rooms, uint64_t end, const struct cv_rooms_request *request,
                   uint64_t now);

/* What the end said could not be read: it is told @why and closed. */
void cv_rooms_unreadable(struct cv_rooms *rooms, uint64_t end, const char *why, uint64_t now);

/* The WebSocket is gone. The end's id is not known any more. */
void cv_rooms_closed(struct cv_rooms *rooms, uint64_t end, uint64_t now);

/* What is to be written to an end. */
struct cv_rooms_out {
    bool error; /* the text is an error's, not a message */
    struct cv_rooms_text text;
};

/* The next thing to write: 1 and *@out, borrowed until the next call about rooms; 0 nothing now;
 * CV_ECLOSED: close the WebSocket in order, nothing follows; CV_ESTALE. */
int cv_rooms_peek(struct cv_rooms *rooms, uint64_t end, struct cv_rooms_out *out) CV_MUST_USE;

/* It was written. */
void cv_rooms_written(struct cv_rooms *rooms, uint64_t end);

/* A message by HTTP, in the name of @client. Refusals that HTTP knows alone are the caller's. */
enum cv_rooms_refusal cv_rooms_post(struct cv_rooms *rooms, struct cv_rooms_text room,
                                    struct cv_rooms_text client, const struct cv_peer *from,
                                    struct cv_rooms_text msg, uint64_t now) CV_MUST_USE;

/* The client goes, with its WebSocket and its messages; also when there is none of that name. Fails
 * as CV_ROOMS_UNSIGNED alone. */
enum cv_rooms_refusal cv_rooms_delete(struct cv_rooms *rooms, struct cv_rooms_text room,
                                      struct cv_rooms_text client) CV_MUST_USE;

/* Those who were absent for too long go. */
void cv_rooms_tick(struct cv_rooms *rooms, uint64_t now);
uint64_t cv_rooms_deadline(const struct cv_rooms *rooms);

enum cv_rooms_event_kind {
    CV_ROOMS_WRITE, /* cv_rooms_peek() has news of that end */
    CV_ROOMS_DROP,  /* the end did not read, or hoarded: close its WebSocket at once */
    CV_ROOMS_GONE,  /* that client is no more */
};

struct cv_rooms_event {
    enum cv_rooms_event_kind kind;
    void *user;                        /* of CV_ROOMS_WRITE and CV_ROOMS_DROP */
    struct cv_rooms_text room, client; /* of CV_ROOMS_GONE; borrowed until the next poll */
};

/* The next event; false when there is none. */
bool cv_rooms_poll(struct cv_rooms *rooms, struct cv_rooms_event *event) CV_MUST_USE;

struct cv_rooms_counters {
    uint64_t open_ws;        /* ends that are registered now */
    uint64_t total_ws;       /* that ever were */
    uint64_t ws_errors;      /* told on WebSockets */
    uint64_t http_errors;    /* counted by cv_rooms_http_error() */
    uint64_t dropped;        /* ends that did not read, or hoarded */
    uint64_t hoards;         /* that were taken away when max_bytes waited */
    uint64_t rooms, clients; /* now */
    uint64_t relayed;        /* messages that were handed to an end */
    size_t bytes;            /* in messages that wait now */
};

void cv_rooms_count(const struct cv_rooms *rooms, struct cv_rooms_counters *out);
void cv_rooms_http_error(struct cv_rooms *rooms);

/* One client of one room. */
struct cv_rooms_entry {
    struct cv_rooms_text room, client; /* borrowed for the call */
    bool present;
    size_t queued; /* messages that wait with it */
    size_t bytes;  /* in them */
};

/* Shows every client, room by room. */
void cv_rooms_each(const struct cv_rooms *rooms,
                   void (*show)(void *ctx, const struct cv_rooms_entry *entry), void *ctx);

#endif
