#ifndef TESTS_SIM_SERVER_H
#define TESTS_SIM_SERVER_H

#include "sim/relay.h"

/* A Culvert server: a manager, the acceptor's ends of its links, and the visitors' dials. */
struct sim_server {
    struct sim_node *node;
    struct cv_manager *manager;      /* owned; NULL: it is down, and there was no memory */
    struct cv_session_config config; /* of its sessions: limits */
    enum cv_balance balance;         /* of every key */
    int64_t next_key;
    bool down; /* joins nobody any more */
};

/* NULL without memory. */
struct sim_server *sim_server_new(struct sim_world *w, const char *name, size_t budget);

struct sim_join {
    enum cv_member_kind kind;
    const char *key;
    bool culvert;
    unsigned features;
};

/* A link has come in (or, CV_MEMBER_OUTGOING, has been made) and its handshake said @join. NULL
 * when it was refused: the wire is cut then. */
struct sim_tunnel *sim_server_join(struct sim_server *server, struct sim_wire *wire,
                                   const struct sim_join *join);

/* The visitor of @x comes. */
void sim_server_visit(struct sim_server *server, struct sim_transfer *x);

/* The sessions of a key's agents that are up. */
uint32_t sim_server_sessions(struct sim_server *server, const char *key);

/* Routes are what the live links say. */
void sim_server_check(struct sim_server *server);

/* Closes every link in order. */
void sim_server_shutdown(struct sim_server *server);

/* Its process ends at once: @silently, with its machine, or its links' other ends hear of it. */
void sim_server_kill(struct sim_server *server, bool silently);

/* Takes back what it has announced, as before a shutdown. */
void sim_server_withdraw(struct sim_server *server);

/* After sim_server_kill() or sim_server_shutdown(): starts again with nothing. False while links
 * are left, and without memory. */
bool sim_server_reopen(struct sim_server *server);

/* When no link is left: frees what is. */
void sim_server_free(struct sim_server *server);

#endif
