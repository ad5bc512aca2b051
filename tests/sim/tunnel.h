#ifndef TESTS_SIM_TUNNEL_H
#define TESTS_SIM_TUNNEL_H

#include "manager/manager.h"
#include "net/link.h"
#include "sim/pipe.h"
#include "support/test_alloc.h"

/* A Culvert end of a link: what net/tunnel.c does on the loop, done on the virtual clock. The link
 * and all beneath it are the programs' own. */

/* One process: its memory, its budget, its random source. */
struct sim_node {
    struct cv_list link; /* in world.nodes */
    struct sim_world *w;
    char name[CV_KEY_MAX + 1];
    struct test_alloc memory;
    struct cv_budget budget;
    struct cv_prng prng;
    struct cv_random random;
};

struct sim_node *sim_node_new(struct sim_world *w, const char *name, size_t budget);

struct sim_tunnel;

struct sim_tunnel_owner {
    /* CONNECT, ADD_CLIENT, REMOVE_CLIENT, PUBLISHED and NOTICE. */
    void (*event)(void *ctx, struct sim_tunnel *t, const struct cv_session_event *event);
    /* The link is gone; comes once. */
    void (*closed)(void *ctx, struct sim_tunnel *t);
    void *ctx;
};

struct sim_tunnel {
    struct cv_list link_in_world; /* while it has a link */
    struct sim_actor actor;
    struct sim_world *w;
    struct sim_node *node;
    struct sim_wire *wire;
    struct sim_pipe *in, *out;
    struct cv_link *link; /* owned; NULL when the last connection is over too */
    uint8_t *aside;       /* owned: what the link has aside, as a pipe would hold it; or NULL */
    size_t aside_sent;
    struct sim_tunnel_owner owner;
    char key[CV_KEY_MAX + 1]; /* whom it reaches, as the manager knows it */
    uint64_t member;          /* the manager's id, or 0 */
    enum cv_member_kind kind; /* of a member */
    uint64_t opened_at;
    int error; /* first one */
    uint64_t error_at, give_up, retry_at, frozen_until;
    bool shut, gone;
};

struct sim_tunnel_plan {
    struct cv_session_config config; /* parent is set to the node's budget */
    const char *key;
};

/* NULL when there was no memory. @wire's side is that of the role. */
struct sim_tunnel *sim_tunnel_new(struct sim_node *node, struct sim_wire *wire,
                                  const struct sim_tunnel_plan *plan,
                                  const struct sim_tunnel_owner *owner);

struct cv_session *sim_tunnel_session(struct sim_tunnel *t);

/* @len bytes of a turn, at its place, go out from aside. */
void sim_tunnel_aside(struct sim_tunnel *t, const struct cv_link_turn *turn, size_t len);

/* The session was used: its events and its output are seen to. */
void sim_tunnel_touch(struct sim_tunnel *t);

/* The process hangs: it neither reads nor writes, nor looks at its clock. */
void sim_tunnel_freeze(struct sim_tunnel *t, uint64_t until);

/* Closes in order, as at SIGTERM. */
void sim_tunnel_close(struct sim_tunnel *t);

/* What must hold at any time. */
void sim_tunnel_check(struct sim_tunnel *t);

#endif
