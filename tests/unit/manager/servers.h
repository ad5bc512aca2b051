#ifndef TESTS_UNIT_MANAGER_SERVERS_H
#define TESTS_UNIT_MANAGER_SERVERS_H

#include "manager/directory.h"
#include "support/redis_model.h"
#include "support/test_alloc.h"

/* Servers s0 to s2 that talk to a Redis without delay, unless it is cut off. Their runs are 100 to
 * 102. */

#define SERVERS 3
#define URL     "ws://127.0.0.1:8123/connect"

struct server {
    struct lab *lab;
    struct cv_directory *core;
    bool cut;
    int watch; /* its address is who is subscribed */
};

struct lab {
    struct redis_model redis;
    struct test_alloc memory;
    struct cv_prng prng;
    struct cv_random random;
    struct server servers[SERVERS];
    uint64_t now;
};

extern struct lab lab;

/* Of the suite: all servers are up; none is left, nor any memory. */
void setup(void);
void teardown(void);

void start(int i, uint64_t run);
void stop(int i);

/* Does all that is due now. */
void pump(void);

/* Time goes by in steps in which everybody does what is due. */
void pass(uint64_t time);

void join(int i, const char *key, int64_t session, uint64_t since);

/* Redis is away for it; and is back. */
void cut(int i);
void mend(int i);

/* Asks, and pumps until there is an answer: the server's number, or an error; 0 when it waits, and
 * with ask() gives up. */
int ask_by(int i, const char *key, struct cv_directory_waiter *waiter);
int ask(int i, const char *key);

const struct cv_directory_stats *stats(int i);

#endif
