#ifndef TESTS_SIM_MESH_H
#define TESTS_SIM_MESH_H

#include "sim/agent.h"

/* Worlds of several servers that are peers: who knows whom, agents that come, go and move, visitors
 * at every server, and links that break in every way. */

#define MESH_SERVERS_MAX 5
#define MESH_AGENTS_MAX  6
#define MESH_FLAPS       1000 /* of one link between servers, in a world where one flaps */

struct mesh;

struct mesh_server {
    struct sim_actor actor; /* starts again, or ends what it said it would */
    struct sim_server *server;
    bool draining;
};

/* The link on which one server dials another: of two peers each dials the other. */
struct mesh_link {
    struct sim_actor actor; /* dials again */
    struct mesh *mesh;
    uint32_t from, to;
    struct sim_wire_plan wire_plan;
    bool culvert;
    unsigned features;
    struct sim_wire *wire;
    struct sim_tunnel *tunnel; /* the dialler's end */
    uint64_t apart_until;      /* no dial reaches the other before */
};

struct mesh {
    struct sim_world *w;
    uint32_t server_count, link_count, agent_count;
    struct mesh_server servers[MESH_SERVERS_MAX];
    struct mesh_link links[MESH_SERVERS_MAX * (MESH_SERVERS_MAX - 1)];
    struct sim_agent *agents[MESH_AGENTS_MAX]; /* several may have the same key */
    struct sim_actor fate, flapping, watch;
    uint32_t flapper; /* a link */
    uint32_t flaps_left;
    unsigned features; /* of every link: ACK and HALFCLOSE, as far as they are used */
    bool memory_fails;
    bool calm;   /* agents come and go, and nothing breaks */
    bool abrupt; /* ends in the middle of everything */
    uint64_t chaos_until;
};

/* As sim_scenario(). */
void sim_mesh(uint64_t seed, bool verbose, struct sim_counts *counts);

/* mesh_plan.c */

/* Draws all of it. False when not even the servers could be made for want of memory. */
bool mesh_plan(struct mesh *m, struct sim_world *w);

/* Keys that visitors may ask for: one is a server's own name too, and the last one nobody's. */
#define MESH_KEYS 5
const char *mesh_key(uint32_t index);

/* The visitor of a new transfer to @key comes to @server now. */
struct sim_transfer *mesh_visit(struct mesh *m, struct sim_server *server, const char *key,
                                bool strict);

/* mesh_faults.c */
void mesh_break(struct mesh *m); /* from now until the world is healed */
void mesh_heal(struct mesh *m);

/* mesh_check.c: what must be true, by what the agents' ends and the links say, not the managers. */
void mesh_watch(struct mesh *m);      /* of sessions that a newer one has replaced, at any time */
void mesh_check_rest(struct mesh *m); /* of routes, when everything is at rest */

/* Whether a visitor of server number @at can reach @key, when everything is at rest. */
bool mesh_reaches(struct mesh *m, uint32_t at, const char *key);

#endif
