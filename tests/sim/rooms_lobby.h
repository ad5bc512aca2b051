#ifndef TESTS_SIM_ROOMS_LOBBY_H
#define TESTS_SIM_ROOMS_LOBBY_H

#include "rendezvous/rooms.h"
#include "sim/rooms_model.h"
#include "support/test_alloc.h"

#define LOBBY_MESSAGES 100000 /* in one world */

enum lobby_pace { LOBBY_QUICK, LOBBY_SLOW, LOBBY_DEAF };

/* A WebSocket's transport: writes when it was told that there is something, and what it then has.
 */
struct lobby_guest {
    uint64_t end; /* of cv_rooms_open() */
    enum lobby_pace pace;
    int room, id;                     /* where it registered last */
    uint32_t last;                    /* message that it heard */
    bool told_to_write, told_to_drop; /* by events */
};

struct lobby_words {
    int room, id; /* whose they are */
    bool heard;
};

/* Rooms, the model, and what stands between them. */
struct lobby {
    struct sim_world w;
    struct test_alloc memory;
    bool fails; /* memory does, now and then */
    size_t calls_before;
    struct cv_rooms *rooms;
    struct model model;
    struct lobby_guest guests[MODEL_ENDS];
    struct lobby_words *words; /* by number */
    uint32_t word_count;
    uint64_t stale; /* an end that was closed */
    size_t resting; /* blocks that rooms hold when nobody is there */
};

struct cv_rooms_text lobby_name(int name);

/* A text that no other message has, until the next call; with @len 0 an empty one. */
struct cv_rooms_text lobby_text(uint32_t number, size_t len);

/* Around each call about rooms: memory may fail in it; what became of it is told to the model, then
 * lobby_settle() polls for events and checks everything. */
void lobby_before(struct lobby *l);
void lobby_after(struct lobby *l);
void lobby_settle(struct lobby *l);

/* An end writes one thing, if it may. False when there was nothing. */
bool lobby_write(struct lobby *l, int guest);

#endif
