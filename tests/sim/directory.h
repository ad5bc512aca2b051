#ifndef TESTS_SIM_DIRECTORY_H
#define TESTS_SIM_DIRECTORY_H

#include "sim/world.h"
#include "support/redis_model.h"
#include "support/test_alloc.h"

/* Worlds of servers that share a directory: a Redis that is slow, freezes, forgets, refuses and
 * goes away, servers that are killed and cut off, agents that come, go and move, and dials at every
 * server. */
void sim_directory(uint64_t seed, bool verbose, struct sim_counts *counts);

#define DIR_SERVERS_MAX 6
#define DIR_KEYS        6
#define DIR_AGENTS      8
#define DIR_SESSIONS    4096 /* in one world */

struct dir;

/* What is on its way between a server and Redis. */
struct dir_parcel {
    struct cv_list link;
    uint64_t at;
    struct model_answer *answer; /* to the server; else a command: */
    size_t argc;
    char *argv[CV_COMMAND_ARGS];
};

/* One of a server's two connections. */
struct dir_pipe {
    struct dir_server *server;
    bool watch, up;
    struct cv_list out, in; /* to Redis, to the server */
    uint64_t last_out, last_in;
    uint64_t awaited, heard_at; /* answers that are missing; the last that came */
    uint64_t again_at;          /* the next try, when it is not up */
};

struct dir_server {
    struct sim_actor actor;
    struct dir *dir;
    uint32_t index;
    uint64_t run;
    struct cv_directory *core; /* NULL: it does not run */
    uint64_t starts_at, cut_until;
    struct dir_pipe pipes[2]; /* for commands, and to watch */
    struct cv_list dials;
};

/* An agent's session, for ever. */
struct dir_session {
    uint32_t key, server;
    uint64_t run, ended_at; /* CV_NEVER: it lives */
};

struct dir_dial {
    struct cv_list link;
    struct dir_server *server;
    uint32_t key;
    struct cv_directory_waiter waiter;
    uint64_t began, arrives_at; /* where the claim leads; CV_NEVER: it waits for an answer */
    bool again, strict;         /* strict: it has to find what there is */
};

struct dir {
    struct sim_world w;
    struct redis_model redis;
    struct test_alloc memory;
    struct cv_random random;
    bool memory_fails;
    struct sim_actor redis_actor, fate;
    uint64_t redis_frozen_until, redis_down_until, redis_full_until;
    uint64_t runs, chaos_until, slowest; /* the longest delay of a parcel */
    uint32_t server_count, agent_count;
    struct dir_server servers[DIR_SERVERS_MAX];
    uint32_t agents[DIR_AGENTS]; /* their session, from 1; 0: none */
    struct dir_session sessions[DIR_SESSIONS];
    uint32_t session_count;
};

/* directory_wire.c: connections to Redis, and Redis. */
void dir_wire_init(struct dir *d);
void dir_server_start(struct dir_server *s);

/* Without a word; @goodbye: with one, which may still arrive. */
void dir_server_stop(struct dir_server *s, bool goodbye);
void dir_server_cut(struct dir_server *s);

/* Redis goes away and comes back later; @forgets: with nothing. */
void dir_redis_restart(struct dir *d, uint64_t back_at, bool forgets);

/* Does what is due; the dials are directory.c's. */
void dir_server_run(struct dir_server *s);
void dir_dials_run(struct dir_server *s);
uint64_t dir_dials_deadline(const struct dir_server *s);

#endif
