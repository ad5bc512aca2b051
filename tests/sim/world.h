#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdio.h>

#include "base/list.h"
#include "base/random.h"

/* One run of the simulator: a virtual clock, one seed that decides everything, and actors that wake
 * on the clock.
 *
 * Nothing here is freed before the world is: what the harness makes lives in the world's own store,
 * so that only the core's memory, which comes from the nodes' failing allocators, has to be
 * accounted for. */

/* What was exercised, counted over all seeds: a row that stays 0 means that the simulator proves
 * nothing about it. */
#define SIM_MESH_COUNT_MAP(X)                                                \
    X(SIM_MESH_FULL, "worlds: every two servers are peers")                  \
    X(SIM_MESH_RING, "worlds: a ring")                                       \
    X(SIM_MESH_LINE, "worlds: a line")                                       \
    X(SIM_MESH_FLAPPING, "worlds: a link flaps 1,000 times")                 \
    X(SIM_MESH_LINKS, "links between servers that came up")                  \
    X(SIM_MESH_FLAPS, "faults: a link flaps")                                \
    X(SIM_MESH_APART, "faults: no byte passes between two")                  \
    X(SIM_MESH_ONE_WAY, "faults: bytes pass one way only")                   \
    X(SIM_MESH_SLOW, "faults: an end stops reading")                         \
    X(SIM_MESH_HANGS, "faults: an end hangs")                                \
    X(SIM_MESH_KILLED, "faults: a server dies and starts again")             \
    X(SIM_MESH_RESTARTED, "faults: a server drains and starts again")        \
    X(SIM_MESH_LEAVES, "agents that left")                                   \
    X(SIM_MESH_MOVES, "agents that moved to another server")                 \
    X(SIM_MESH_LIES, "agents that announced a client")                       \
    X(SIM_MESH_TAKEOVERS, "silent sessions of peers with a newer one")       \
    X(SIM_MESH_REFUSED, "dials of peers that were refused: no session here") \
    X(SIM_MESH_SILENT, "dials through a peer that were said to wait")        \
    X(SIM_MESH_LOCAL, "at rest: routes to a local session")                  \
    X(SIM_MESH_THROUGH, "at rest: routes through a peer")                    \
    X(SIM_MESH_NOWHERE, "at rest: keys without a route")

#define SIM_ROOMS_COUNT_MAP(X)                                           \
    X(SIM_ROOMS_REGISTERED, "ends that registered")                      \
    X(SIM_ROOMS_RESUMED, "that resumed within the time-out")             \
    X(SIM_ROOMS_EXPIRED, "clients that went by the time-out")            \
    X(SIM_ROOMS_DELETED, "clients that were deleted")                    \
    X(SIM_ROOMS_GONE, "events: GONE")                                    \
    X(SIM_ROOMS_HEARD, "messages that arrived")                          \
    X(SIM_ROOMS_WAITED, "messages that had waited with their sender")    \
    X(SIM_ROOMS_ROOMS, "refused: too many rooms")                        \
    X(SIM_ROOMS_SOURCE, "refused: too many rooms from an address")       \
    X(SIM_ROOMS_PLACES, "refused: no place in the room")                 \
    X(SIM_ROOMS_DUPLICATE, "refused: the id is taken")                   \
    X(SIM_ROOMS_UNSIGNED, "refused: not admitted")                       \
    X(SIM_ROOMS_QUEUE_COUNT, "messages beyond the 1024 of a queue")      \
    X(SIM_ROOMS_QUEUE_BYTES, "messages beyond the bytes of a queue")     \
    X(SIM_ROOMS_BUDGET, "what found the budget used up")                 \
    X(SIM_ROOMS_HOARDS, "hoards that made room")                         \
    X(SIM_ROOMS_DROPPED, "ends that were dropped, as they did not read") \
    X(SIM_ROOMS_ERRORS, "errors that an end had no room for")            \
    X(SIM_ROOMS_MEMORY, "allocations that failed")

#define SIM_DIR_COUNT_MAP(X)                                                 \
    X(SIM_DIR_FROZEN, "faults: Redis freezes")                               \
    X(SIM_DIR_FULL, "faults: Redis has no memory")                           \
    X(SIM_DIR_FORGOT, "faults: Redis forgets everything")                    \
    X(SIM_DIR_RESTARTED, "faults: Redis goes away and comes back")           \
    X(SIM_DIR_CUT, "faults: a server is cut off from Redis")                 \
    X(SIM_DIR_KILLED, "faults: a server is killed")                          \
    X(SIM_DIR_STOPPED, "servers that stopped with a goodbye")                \
    X(SIM_DIR_REACHED, "dials that reached a live session of their key")     \
    X(SIM_DIR_RETRIED, "of these at the second try")                         \
    X(SIM_DIR_STALE, "claims that led to nothing")                           \
    X(SIM_DIR_NOBODY, "dials that ended: nobody has the key, as they heard") \
    X(SIM_DIR_AWAY, "dials that ended: the directory does not answer")       \
    X(SIM_DIR_REST_THERE, "at rest: keys that are elsewhere")                \
    X(SIM_DIR_REST_NOWHERE, "at rest: keys that nobody else has")

#define SIM_COUNT_MAP(X)                                                                \
    X(SIM_WORLDS_CULVERT, "worlds: Culvert server and agents")                          \
    X(SIM_WORLDS_PEERS, "worlds: two Culvert servers that are peers")                   \
    X(SIM_WORLDS_FOREIGN_SERVER, "worlds: Culvert agent at a foreign server")           \
    X(SIM_ENDS_CREDIT, "links: Culvert ends with credit")                               \
    X(SIM_ENDS_PAUSE, "links: Culvert ends without credit")                             \
    X(SIM_ENDS_UNAWARE, "links: Culvert ends that take each other for a reference end") \
    X(SIM_ENDS_REFERENCE, "links: a reference-like end")                                \
    X(SIM_ENDS_FLOOD, "links: an end that ignores Pause and credit")                    \
    X(SIM_ENDS_GARBAGE, "links: an end that sends garbage")                             \
    X(SIM_TRANSFERS, "transfers")                                                       \
    X(SIM_TRANSFERS_ECHO, "transfers: through an echo target")                          \
    X(SIM_TRANSFERS_WHOLE, "transfers: whole at both ends, as they had to be")          \
    X(SIM_TRANSFERS_BROKEN, "transfers: ended with an error")                           \
    X(SIM_TRANSFERS_UNROUTED, "transfers: no session of that client")                   \
    X(SIM_TRANSFERS_PROBE, "transfers: new dials after the faults healed")              \
    X(SIM_DIALS_REFUSED, "dials refused by the target's end")                           \
    X(SIM_BYTES, "bytes that reached their sink")                                       \
    X(SIM_EVENTS_CONNECTED, "events: CONNECTED")                                        \
    X(SIM_EVENTS_FIN, "events: FIN")                                                    \
    X(SIM_EVENTS_CLOSED, "events: CLOSED")                                              \
    X(SIM_EVENTS_ANNOUNCE, "events: ADD_CLIENT, REMOVE_CLIENT")                         \
    X(SIM_EVENTS_NOTICE, "events: NOTICE")                                              \
    X(SIM_EVENTS_PUBLISHED, "events: PUBLISHED")                                        \
    X(SIM_DATA_REFUSED, "Data that the sink did not take at once")                      \
    X(SIM_DROPPED, "reads of a source that nobody wants any more")                      \
    X(SIM_FAULT_STALL, "faults: a link stalls")                                         \
    X(SIM_FAULT_CUT, "faults: a link is cut")                                           \
    X(SIM_FAULT_HALF_OPEN, "faults: a link dies without a word")                        \
    X(SIM_FAULT_FREEZE, "faults: an agent freezes and joins again")                     \
    X(SIM_FAULT_MEMORY, "faults: an allocation fails")                                  \
    X(SIM_FAULT_SOURCE, "faults: a source is reset")                                    \
    X(SIM_FAULT_SINK, "faults: a sink is reset")                                        \
    X(SIM_REJOINS, "agents that joined again")                                          \
    X(SIM_LINKS_DEAD, "links given up for silence")                                     \
    X(SIM_LINKS_PROTO, "links closed for a broken protocol")                            \
    X(SIM_CLOSED_CAP, "connections ended: the cap or the window was overrun")           \
    X(SIM_CLOSED_BUDGET, "connections ended: budget")                                   \
    X(SIM_CLOSED_SESSION, "connections ended: session")                                 \
    X(SIM_PAUSES_OUT, "Pause said by Culvert ends")                                     \
    X(SIM_RESUMES_OUT, "Resume said by Culvert ends")                                   \
    X(SIM_PAUSES_IN, "Pause heard by Culvert ends")                                     \
    X(SIM_RESUMES_IN, "Resume heard by Culvert ends")                                   \
    X(SIM_REFERENCE_BLOCKED, "writers of a reference end that were blocked")            \
    X(SIM_SYNCS, "lists of connections said by reference ends")                         \
    X(SIM_WINDOWS, "Data beyond the first window")                                      \
    X(SIM_ASIDES, "Data that was kept aside")                                           \
    X(SIM_PASSED, "Data that passed its link")                                          \
    X(SIM_ROUTES_NEWEST, "routes chosen among several sessions of a key")               \
    X(SIM_ROUTES_PEER, "routes through a peer")                                         \
    SIM_MESH_COUNT_MAP(X)                                                               \
    SIM_ROOMS_COUNT_MAP(X)                                                              \
    SIM_DIR_COUNT_MAP(X)

enum sim_count {
#define X(name, text) name,
    SIM_COUNT_MAP(X)
#undef X
        SIM_COUNT_COUNT
};

struct sim_counts {
    uint64_t n[SIM_COUNT_COUNT];
    uint64_t virtual_us, steps;
};

/* Something that acts when the clock reaches wake_at, and sets its next time itself. */
struct sim_actor {
    struct cv_list link;
    uint64_t wake_at; /* CV_NEVER: sleeps until it is woken */
    void (*run)(struct sim_actor *actor);
};

struct sim_world {
    uint64_t seed;
    const char *options; /* static: what replays it, besides the seed; "" or with a space behind */
    uint64_t now;
    struct cv_prng prng;
    bool verbose;
    bool healed;               /* no more faults, and everything that is slow becomes quick */
    struct sim_counts *counts; /* borrowed */
    struct cv_list actors;
    struct cv_list tunnels;   /* of struct sim_tunnel */
    struct cv_list transfers; /* of struct sim_transfer */
    struct cv_list nodes;     /* of struct sim_node */
    uint32_t transfer_count;
    uint64_t steps;
    void *owned;                        /* chain of what sim_new() made */
    void (*check)(struct sim_world *w); /* after every step */
};

void sim_world_init(struct sim_world *w, uint64_t seed, bool verbose, struct sim_counts *counts);
void sim_world_deinit(struct sim_world *w);

/* @size bytes of zero that live as long as the world. */
void *sim_new(struct sim_world *w, size_t size);

void sim_actor_init(struct sim_world *w, struct sim_actor *actor,
                    void (*run)(struct sim_actor *actor));

/* Wakes @actor at @at, or earlier when it is to wake earlier anyway. */
void sim_wake(struct sim_actor *actor, uint64_t at);

/* Lets the actors act until nothing is left to do before @until; the clock then stands there. */
void sim_run(struct sim_world *w, uint64_t until);

uint64_t sim_below(struct sim_world *w, uint64_t bound);                /* uniform in [0, bound) */
uint64_t sim_between(struct sim_world *w, uint64_t low, uint64_t high); /* both included */
bool sim_chance(struct sim_world *w, uint32_t percent);

void sim_count(struct sim_world *w, enum sim_count what, uint64_t by);

/* One line of the replay. */
void sim_trace(struct sim_world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An invariant does not hold: says which, with the seed, and ends the program with 1. */
_Noreturn void sim_fail(struct sim_world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
