#ifndef TESTS_SIM_AGENT_H
#define TESTS_SIM_AGENT_H

#include "sim/foreign.h"
#include "sim/server.h"

/* One agent and its link, whichever of the two ends are Culvert's. When the link goes it dials
 * again. */
struct sim_agent {
    struct sim_actor actor; /* dials */
    struct sim_world *w;
    struct sim_node *node;     /* NULL: a foreign agent */
    struct sim_server *server; /* NULL: at a foreign server */
    char key[CV_KEY_MAX + 1];
    struct sim_foreign_plan foreign_plan;
    bool culvert;      /* the handshake shows features */
    unsigned features; /* CV_FEATURE_* */
    size_t rx_cap;     /* of the agent's sessions, 0: the default */
    struct sim_wire_plan wire_plan;
    uint64_t apart_until; /* no dial of it reaches the server before */
    int faults;           /* 0 none, 1 its link stalls, 2 anything */
    bool down;

    struct sim_wire *wire;       /* of the newest link */
    struct sim_tunnel *tunnel;   /* the agent's end of it, when that is Culvert's */
    struct sim_foreign *foreign; /* the foreign end of it */
};

struct sim_agent *sim_agent_new(struct sim_world *w, const char *key);

/* Whether an end of its link is hostile. */
bool sim_agent_hostile(const struct sim_agent *a);

/* Its links that are up: more than one after it froze and woke again. */
uint32_t sim_agent_links(const struct sim_agent *a);

/* Dials now, whether there is a link or not. */
void sim_agent_connect(struct sim_agent *a);

/* A visitor for it comes to its server. */
void sim_agent_visit(struct sim_agent *a, struct sim_server *server, struct sim_transfer *x);

/* The agent hangs, and another process takes its key. */
void sim_agent_freeze(struct sim_agent *a, uint64_t until);

/* Dials @server from now on. */
void sim_agent_start(struct sim_agent *a, struct sim_server *server);

/* Ends; sim_agent_start() has it back. */
void sim_agent_stop(struct sim_agent *a);

#endif
