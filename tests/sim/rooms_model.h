#ifndef TESTS_SIM_ROOMS_MODEL_H
#define TESTS_SIM_ROOMS_MODEL_H

#include "sim/world.h"

/* What rooms are to do, from docs/ROOMS.md, said a second time and as plainly as can be: tables
 * that are searched from end to end, ids that are numbers, limits that are written out. It follows
 * one call about rooms at a time, and is asked what must be true then. */

#define MODEL_NONE    (-1)
#define MODEL_NAMES   8 /* ids of rooms and of clients: the first is empty, the third too long */
#define MODEL_ENDS    16
#define MODEL_SOURCES 4

struct model_message {
    struct cv_list link;
    const char *error; /* static; NULL: a client's message */
    uint32_t number;   /* of a client's message: no other has it */
    size_t len;
};

struct model_queue {
    struct cv_list list;
    size_t count, bytes;
    int rank;      /* 2 to its power, and not twice that, is what it holds; -1: nothing */
    uint64_t turn; /* since when: of one rank the first turn goes first */
};

/* A WebSocket. */
struct model_end {
    bool open, closing, dropped;
    int room, id; /* MODEL_NONE: not registered */
    int source;
    struct model_queue out;
};

/* Who has a place. */
struct model_client {
    bool there;
    int end;                     /* MODEL_NONE: absent */
    uint64_t until, absent_turn; /* of one that is absent: the first turn goes first */
    struct model_queue queue;
};

/* One who went, and whether the caller of cv_rooms_poll() must hear of it, or may. */
struct model_gone {
    int room, id;
    bool must, may;
};

struct model_limits {
    uint32_t max_rooms, max_rooms_per_source;
    size_t max_bytes;
    bool tell_gone;
    int admitted; /* ids below are let in */
};

struct model {
    struct sim_world *w; /* borrowed */
    struct model_limits limits;
    size_t overhead; /* bytes that a message costs besides its own */
    size_t held;     /* bytes in all */
    bool no_memory;  /* an allocation failed in the call that is to be followed */
    struct model_end ends[MODEL_ENDS];
    struct model_client clients[MODEL_NAMES][MODEL_NAMES]; /* by room and id */
    int makers[MODEL_NAMES];                               /* sources, of rooms that are there */
    struct model_gone gone[MODEL_NAMES * 2];
    size_t gone_count;
    uint64_t turns;
    uint64_t total_ws, ws_errors, http_errors, dropped, hoards, relayed;
};

void model_init(struct model *m, struct sim_world *w, const struct model_limits *limits);

/* The length of an id. */
size_t model_name_len(int name);

void model_open(struct model *m, int end, int source);
void model_closed(struct model *m, int end);
void model_register(struct model *m, int end, int room, int id);
void model_send(struct model *m, int end, uint32_t number, size_t len);
void model_nonsense(struct model *m, int end);
void model_unreadable(struct model *m, int end, const char *why); /* static */
void model_tick(struct model *m);

/* What a POST is answered: a text, "" for fine. @got is what it was answered: which of several
 * allocations failed is not to be known otherwise. */
const char *model_post(struct model *m, int room, int id, int source, uint32_t number, size_t len,
                       const char *got);
const char *model_delete(struct model *m, int room, int id);

/* The next thing that @end is to hear, or NULL; model_heard() when it has. */
const struct model_message *model_next(const struct model *m, int end);
void model_heard(struct model *m, int end);

/* Every event was polled. */
void model_polled(struct model *m);

int model_people(const struct model *m, int room); /* how many clients it has */
uint64_t model_rooms(const struct model *m);
uint64_t model_clients(const struct model *m);
uint64_t model_registered(const struct model *m); /* ends */
uint64_t model_deadline(const struct model *m);

#endif
