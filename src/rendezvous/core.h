#ifndef CV_RENDEZVOUS_CORE_H
#define CV_RENDEZVOUS_CORE_H

#include "base/budget.h"
#include "base/list.h"
#include "base/table.h"
#include "rendezvous/rooms.h"

/* Private to the layer. */

struct cv_room_message {
    struct cv_list link;
    bool error;
    size_t len;
    char bytes[];
};

/* Whose messages they are: those at an end, what a client said, or the name of one that is gone. */
enum cv_room_queue_kind { CV_ROOM_QUEUE_END, CV_ROOM_QUEUE_CLIENT, CV_ROOM_QUEUE_GONE };

/* Messages in order. */
struct cv_room_queue {
    struct cv_list list;
    size_t count, bytes;
    enum cv_room_queue_kind kind;
    struct cv_list hoard; /* in cv_rooms.hoards[rank]; alone when empty or CV_ROOM_QUEUE_GONE */
    unsigned rank;        /* it holds 2 to its power at least, and less than twice that */
};

#define CV_ROOM_RANKS 24 /* no queue holds 2 to the power of it */

/* A WebSocket. One that is closing has no client. */
struct cv_room_end {
    UT_hash_handle hh;
    uint64_t id;
    void *user; /* borrowed */
    struct cv_peer from;
    struct cv_room_client *client; /* borrowed; NULL: not registered */
    struct cv_room_queue out;
    struct cv_list news; /* in cv_rooms.news while an event is due */
    bool closing;        /* in order, when `out` is written */
    bool dropped;        /* at once */
};

/* A place in a room: bound to an end, or in cv_rooms.absent until its deadline. */
struct cv_room_client {
    struct cv_list absent;      /* or, when it is gone, in cv_rooms.gone */
    struct cv_room *room;       /* borrowed */
    struct cv_room_end *end;    /* borrowed; NULL: absent */
    struct cv_room_queue queue; /* what it said that the other could not hear */
    uint64_t deadline;
    size_t len;
    char id[];
};

#define CV_ROOM_SOURCE_LEN 9 /* family, and the first 8 bytes of the address */

struct cv_room_source {
    UT_hash_handle hh;
    uint32_t rooms; /* > 0 */
    uint8_t key[CV_ROOM_SOURCE_LEN];
};

/* Has at least one client, but while one is being added. */
struct cv_room {
    UT_hash_handle hh;
    struct cv_room_source *source;                    /* borrowed: who made it */
    struct cv_room_client *clients[CV_ROOMS_CLIENTS]; /* owned; NULL: a free place */
    size_t len;
    char id[];
};

struct cv_rooms {
    struct cv_alloc alloc;
    struct cv_rooms_config config;
    struct cv_budget budget;
    struct cv_list hoards[CV_ROOM_RANKS]; /* queues; of a rank who came to it first is first */
    struct cv_room *rooms;                /* by id */
    struct cv_room_source *sources;       /* by address */
    struct cv_room_end *ends;             /* by id */
    struct cv_list absent;                /* clients by deadline, the first one first */
    struct cv_list news;                  /* ends */
    struct cv_list gone;         /* clients that the caller is to hear of; their room by name */
    struct cv_room_client *told; /* the last one that it heard of */
    uint64_t next_end;
    struct cv_rooms_counters counters;
};

/* ends.c */

void cv_room_queue_init(struct cv_room_queue *queue, enum cv_room_queue_kind kind);
void cv_room_queue_clear(struct cv_rooms *rooms, struct cv_room_queue *queue);

/* Adds a copy: 0, -ENOMEM, or CV_EFULL when the budget is used up. */
int cv_room_queue_add(struct cv_rooms *rooms, struct cv_room_queue *queue, bool error,
                      struct cv_rooms_text text) CV_MUST_USE;

/* Moves the first message of @from behind those of @to. */
void cv_room_queue_move(struct cv_rooms *rooms, struct cv_room_queue *to,
                        struct cv_room_queue *from);

/* Has the budget hold a message of @len bytes more for @queue. While there is no room those who
 * hoard most, to a factor of two, lose what waits, and their WebSocket: so many ends that do not
 * read cannot keep others from talking. False when that is @queue itself, and for a message that is
 * larger than the budget. */
bool cv_room_make_space(struct cv_rooms *rooms, const struct cv_room_queue *queue, size_t len,
                        uint64_t now) CV_MUST_USE;

struct cv_room_end *cv_room_end_find(struct cv_rooms *rooms, uint64_t id);
void cv_room_end_news(struct cv_rooms *rooms, struct cv_room_end *end);

/* Whether @count messages of @len bytes together may wait there; an end that has no room for them
 * is dropped, and its client absent. */
bool cv_room_end_takes(struct cv_rooms *rooms, struct cv_room_end *end, size_t count, size_t len,
                       uint64_t now);

/* Tells the error and closes when that is its way. */
void cv_room_end_refuse(struct cv_rooms *rooms, struct cv_room_end *end,
                        enum cv_rooms_refusal refusal, uint64_t now);

/* room.c */

struct cv_room_client *cv_room_find(struct cv_rooms *rooms, struct cv_rooms_text room,
                                    struct cv_rooms_text client);

/* The client of that name, which is made when it is not there, and its room too. */
enum cv_rooms_refusal cv_room_enter(struct cv_rooms *rooms, struct cv_room_client **out,
                                    struct cv_rooms_text room, struct cv_rooms_text client,
                                    const struct cv_peer *from, uint64_t now);

struct cv_room_client *cv_room_other(const struct cv_room_client *client);

/* Its end lets it go; its time runs. */
void cv_room_client_absent(struct cv_rooms *rooms, struct cv_room_client *client, uint64_t now);

/* It goes, and its room when that is empty; an end that it has is closed in order. */
void cv_room_client_remove(struct cv_rooms *rooms, struct cv_room_client *client);

#endif
