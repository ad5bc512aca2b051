#ifndef CV_SESSION_CORE_H
#define CV_SESSION_CORE_H

/* What the files of this layer share; nobody else includes it. */

#include <string.h>

#include "base/list.h"
#include "base/table.h"
#include "conn/conn.h"
#include "session/session.h"
#include "wire/frame.h"

/* The other end chooses the ids of the connections that it opens: with a seed that it cannot know,
 * it cannot choose them to meet in one bucket. Uses `s`, the session, as uthash's macros find it.
 */
#undef HASH_FUNCTION
#define HASH_FUNCTION(key, len, value) ((value) = cv_session_hash(s->hash_seed, (key), (len)))

static inline unsigned cv_session_hash(uint64_t seed, const void *key, size_t len)
{
    uint64_t x = 0;

    memcpy(&x, key, cv_min_size(len, sizeof(x)));
    x = (x ^ seed) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ (x >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return (unsigned)(x ^ (x >> 33));
}

/* What an entry wants sent besides what its connection's flow wants (enum cv_want, the low bits),
 * in the order in which it goes out. */
enum entry_want {
    WANT_CONNECT = 1 << 8,
    WANT_CONNECTED = 1 << 9,
    WANT_CLOSE_WRITE = 1 << 10,
    WANT_ERROR = 1 << 11,     /* with the text of the entry */
    WANT_ERROR_EOF = 1 << 12, /* the second Error of a dial that failed */
    WANT_SILENT = 1 << 13,    /* before any of these */
};

/* Events that an entry has to tell. CLOSED is the last. */
enum entry_event {
    EVENT_CONNECTED = 1 << 0,
    EVENT_GRAM = 1 << 1, /* a datagram that was kept */
    EVENT_FIN = 1 << 2,
    EVENT_DRAIN = 1 << 3,
    EVENT_CLOSED = 1 << 4,
    EVENT_SILENT = 1 << 5,
};

/* A datagram that came before its target was there. */
struct gram {
    struct cv_list link;
    size_t len;
    uint8_t data[];
};

/* One connection in the session's table. It leaves when its CLOSED was polled and nothing is wanted
 * any more. */
struct entry {
    struct cv_conn conn;
    int64_t id;
    UT_hash_handle hh;
    void *user;             /* borrowed from the caller */
    struct cv_list ready;   /* in `fresh` or `bulk` while the source has bytes that may be sent */
    struct cv_list control; /* in `control` while something is wanted */
    struct cv_list events;  /* in `events` while there is something to tell */
    struct cv_list asking;  /* in `asking` while probe_at is set */
    struct cv_list drains;  /* in `drains` while the connection is draining */
    unsigned wants, tells;  /* enum entry_want, enum entry_event */
    struct cv_list grams;   /* owned; of `udp`, while its target is not there */
    size_t grams_len;       /* bytes in them, charged to the budget */
    bool dgram;             /* of `udp`: a Data frame is a datagram */
    bool source_ready;
    bool awaits_ack;   /* we dialled, and were not told yet that it is through */
    bool progressed;   /* DRAINING: the sink took something since drain_at was set */
    uint64_t drain_at; /* DRAINING: when to see whether it did */
    bool wire_over;    /* we said, or were told, that it is over: later frames about it are stray */
    bool closed_told;  /* CLOSED was polled */
    uint32_t listed;   /* number of the last list that it was in */
    uint8_t missed;    /* lists in a row that it was absent from */
    enum cv_reason reason;
    char *text; /* owned; Connect's body until that is sent, then why it ended, unless in order */
    size_t text_len;
    uint64_t opened_at;
};

/* The message being read. */
struct reader {
    bool in_body;
    bool known; /* DATA: the connection was there when the message began */
    size_t head_len;
    uint8_t head[CV_FRAME_HEAD_MAX];
    struct cv_frame frame;
    size_t body_len; /* bytes so far; body[] keeps the first ones only */
    uint8_t body[CV_CONNECT_MAX];
};

struct cv_session {
    struct cv_session_config config;
    const struct cv_alloc *alloc;
    const struct cv_random *random;
    struct cv_budget budget;
    struct cv_flow_limits limits;
    struct cv_session_stats stats;

    struct entry *entries; /* by id */
    uint32_t over;         /* of them: CLOSED was told, and a last frame may wait */
    struct entry *recent;  /* the entry last found, or NULL */
    struct entry
        *told; /* its CLOSED was polled last, and lends its text until the next poll; or NULL */
    int64_t next_id;
    int64_t frame_id;
    bool cut;
    bool stopped; /* no more dials: the link is about to go */
    uint64_t hash_seed;

    struct reader reader;
    uint8_t *gram; /* owned: a datagram that came in several pieces so far, or NULL */
    size_t gram_len;
    struct gram *lent;                 /* owned: handed out by the last poll, or NULL */
    struct cv_session_event now_event; /* from the piece just fed */
    bool has_now_event;
    int64_t offer_id; /* Data event polled and not yet answered */
    const uint8_t *offer;
    size_t offer_len;

    struct cv_list fresh,
        bulk;           /* ready entries: those that just woke, those that have had a turn */
    size_t fresh_bytes; /* that went out since the last turn of `bulk` */
    bool bulk_turn;     /* the Data slot last handed out was of `bulk` */
    struct cv_list control, events, asking, drains;
    struct cv_chain misc; /* frames about no entry: see misc.c */
    size_t grown;         /* bytes by which all windows are larger than they began */
    size_t orphans;       /* Errors in misc */
    int64_t last_orphan;
    uint8_t body[CV_CONNECT_MAX]; /* of the slot last handed out, but for lists */
    uint8_t *sync_body;           /* owned; a list that waits to be sent, or was just sent */
    size_t sync_len;
    bool want_sync; /* the list in sync_body waits to be sent */

    uint64_t now; /* the latest time that a call brought */
    uint64_t heard_at;
    uint64_t ping_at;      /* next one */
    unsigned pings_out;    /* not answered yet, as far as counted */
    uint64_t ping_sent_at; /* the last one, CV_NEVER when it was answered */
    uint64_t takeover_at;  /* silence until then is the end, or CV_NEVER */
    uint64_t asked_at;     /* cv_session_ask(), and nothing was heard since; or CV_NEVER */
    uint64_t sync_at;
    uint64_t rtt, measure_at; /* the shortest; when cv_session_measure() may have the next one */
    bool want_ping;

    uint32_t sync_number;   /* of the list being read, or last read */
    uint64_t sync_swept_at; /* when the last list was acted on, or CV_NEVER */
    uint8_t sync_part[CV_SYNC_ID_SIZE];
    size_t sync_part_len;
};

/* stats.c: a dial was acknowledged after @took microseconds. */
void cv_stats_dialled(struct cv_session_stats *stats, uint64_t took);

/* entry.c */
struct entry *cv_entry_find(struct cv_session *s, int64_t id);
int cv_entry_add(struct cv_session *s, int64_t id, enum cv_conn_state state, uint64_t now,
                 struct entry **out) CV_MUST_USE;
void cv_entry_free(struct cv_session *s, struct entry *e);
void cv_entry_free_all(struct cv_session *s);

/* Puts an entry into the lists that its wants, events and readiness ask for, and lets it go when it
 * is done. The one place where they are looked at together: call it after any change. */
void cv_entry_settle(struct cv_session *s, struct entry *e);

/* Moves the connection on, and does what follows from the move. */
void cv_entry_move(struct cv_session *s, struct entry *e, enum cv_conn_event event);

/* Replaces the entry's text; without memory there is none. */
void cv_entry_set_text(struct cv_session *s, struct entry *e, const char *text, size_t len);

/* Ends an entry at once and, unless the other end knows already, says so. @text NULL: the reason's
 * own. */
void cv_entry_abort(struct cv_session *s, struct entry *e, enum cv_reason reason, const char *text);

/* Keeps @len bytes for an entry's sink; ends that connection when it cannot. */
void cv_entry_store(struct cv_session *s, struct entry *e, const uint8_t *data, size_t len);

/* recv.c */
void cv_session_settle_offer(struct cv_session *s);

/* gram.c: datagrams. */

/* Whether connections of @proto, which may hold a route, are datagrams. */
bool cv_gram_proto(const char *proto, size_t len);

/* A piece of a Data frame of a connection of datagrams. Returns the whole datagram's length, with
 * *@data on it, when @fin ends it and it is to be told now, else 0. */
size_t cv_gram_piece(struct cv_session *s, struct entry *e, const uint8_t **data, size_t len,
                     bool fin);

/* Takes the next one that was kept and lends it until cv_gram_return(). */
void cv_gram_lend(struct cv_session *s, struct entry *e, struct cv_session_event *event);
void cv_gram_return(struct cv_session *s);
void cv_gram_drop_all(struct cv_session *s, struct entry *e);

/* Bytes that @e must be allowed to send for its turn to come. */
size_t cv_gram_least(const struct cv_session *s, const struct entry *e);

/* Bytes of payload that there must be room for in a datagram's turn. */
size_t cv_gram_room(const struct cv_session *s);

/* misc.c: frames about no entry, in a queue of bytes. */
int cv_misc_orphan(struct cv_session *s, int64_t conn_id, const char *text) CV_MUST_USE;
bool cv_misc_next(struct cv_session *s, size_t room, struct cv_slot *slot);

/* sync.c */
int cv_sync_make(struct cv_session *s) CV_MUST_USE;
void cv_sync_begin(struct cv_session *s);
void cv_sync_piece(struct cv_session *s, const uint8_t *data, size_t len);
int cv_sync_end(struct cv_session *s, uint64_t now) CV_MUST_USE;

/* send.c */
void cv_slot_frame(struct cv_session *s, struct cv_slot *slot, int64_t type, int64_t conn_id,
                   const uint8_t *body, size_t len);

#endif
