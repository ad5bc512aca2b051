#ifndef TESTS_COST_PAIR_H
#define TESTS_COST_PAIR_H

#include "net/link.h"

/* A server and an agent on their links, without sockets: what one lays down the other reads, as
 * net/tunnel.c does it. A visitor at the server dials; the target at the agent answers. */

#define COST_CONNS_MAX 1024

struct cost_pair;

/* One end of one connection, with its source and its sink. */
struct cost_conn {
    struct cost_end *end;
    int64_t id;
    uint64_t give;   /* bytes that the source still has */
    uint64_t got;    /* bytes that the sink has taken */
    uint64_t answer; /* bytes that the source has once `ask` have come */
    uint64_t ask;
    bool leaves; /* the source ends when it has given everything */
    bool told;   /* the session knows that the source has bytes, or has ended */
    bool finished;
    bool closed;
};

struct cost_end {
    struct cost_pair *pair;
    struct cost_end *other;
    struct cv_link *link;
    size_t sip; /* bytes that a sink takes of one offer; the rest is stored until cost_pair_drink */
    unsigned used;
    unsigned open;
    struct cost_conn conns[COST_CONNS_MAX];
};

struct cost_pair {
    struct cost_end server, agent;
    uint64_t now;
    uint64_t ask, answer; /* of the next connections: what the target waits for, and answers */
    bool leaves;          /* of the next connections: the target ends behind its answer */
    struct cv_prng prng;
    struct cv_random random;
};

enum cost_peer {
    COST_CULVERT,   /* both ends have all extensions */
    COST_REFERENCE, /* each takes the other for a reference end */
};

/* The heap's; end it with cost_pair_free(). */
struct cost_pair *cost_pair_new(enum cost_peer peer);
void cost_pair_free(struct cost_pair *pair);

/* Lets a visitor dial; it has @give bytes to say. */
struct cost_conn *cost_pair_dial(struct cost_pair *pair, uint64_t give);

/* The source has @more bytes. */
void cost_conn_give(struct cost_conn *conn, uint64_t more);

/* The source ends, once it has given what it has. */
void cost_conn_leave(struct cost_conn *conn);

/* Sends to and fro until neither end has anything to say. */
void cost_pair_run(struct cost_pair *pair);

/* The sinks of an end take all that is stored for them; returns how many bytes. */
uint64_t cost_end_drink(struct cost_end *end);

/* Moves the clock on and lets both ends do what is due. */
void cost_pair_wait(struct cost_pair *pair, uint64_t time);

/* Forgets the connections, all of which must have closed. */
void cost_pair_reset(struct cost_pair *pair);

#endif
