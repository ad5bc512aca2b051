#ifndef TESTS_SIM_PLAN_H
#define TESTS_SIM_PLAN_H

#include "sim/agent.h"

/* The cast of one world. */

#define SIM_AGENTS_MAX 3

enum sim_topology { SIM_CULVERT, SIM_PEERS, SIM_FOREIGN_SERVER };

/* The link between two servers; the far one dials the near one, where the visitors come. */
struct sim_peering {
    struct sim_actor actor; /* dials again when the link is gone */
    struct sim_server *near, *far;
    struct sim_wire_plan wire_plan;
    struct sim_wire *wire;
    unsigned features;
    struct sim_tunnel *tunnel;
};

struct sim_cast {
    struct sim_world *w;
    enum sim_topology topology;
    struct sim_server *server; /* where the visitors come; NULL: a foreign server */
    struct sim_server *beyond; /* PEERS: where the agents are */
    struct sim_peering peering;
    struct sim_agent *agents[SIM_AGENTS_MAX];
    uint32_t agent_count;
    bool memory_fails; /* some allocations will fail */
    bool tight;        /* budgets are so small that they are met */
    bool abrupt;       /* ends in the middle of everything */
    uint64_t chaos_until;
};

/* Draws all of it, and the first transfers. False when not even a server could be made for want of
 * memory. */
bool sim_plan_cast(struct sim_cast *cast, struct sim_world *w);

/* A transfer to @agent, drawn; @orderly: nothing in it fails by itself. */
struct sim_transfer *sim_plan_transfer(struct sim_cast *cast, struct sim_agent *agent,
                                       bool orderly);

/* The visitor of @x comes when its time has come. */
void sim_plan_visit(struct sim_cast *cast, struct sim_agent *agent, struct sim_transfer *x);

#endif
