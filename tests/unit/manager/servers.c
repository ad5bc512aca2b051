#include "servers.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lab lab;

static void tell(void *ctx, void *who, const char *channel)
{
    (void)ctx;
    for (int i = 0; i < SERVERS; i++)
        if (who == &lab.servers[i].watch) {
            struct model_answer *message = redis_model_message(channel);

            cr_assert_eq(cv_directory_heard(lab.servers[i].core, &message->reply), 0);
            free(message);
        }
}

void start(int i, uint64_t run)
{
    char id[8];
    struct cv_directory_config config = {
        .id = id, .url = URL, .version = "1.0", .incarnation = run};

    snprintf(id, sizeof(id), "s%d", i);
    cr_assert_eq(cv_directory_new(&lab.servers[i].core, &lab.memory.alloc, &lab.random, &config),
                 0);
    lab.servers[i].lab = &lab;
    cv_directory_up(lab.servers[i].core, lab.now);
    cv_directory_watch_up(lab.servers[i].core);
}

static bool pump_one(struct server *server)
{
    struct cv_command command;
    bool any = false;

    if (!server->core || server->cut)
        return false;
    cv_directory_tick(server->core, lab.now);
    while (cv_directory_next(server->core, lab.now, &command)) {
        struct model_answer *answer =
            redis_model_run(&lab.redis, lab.now, server, command.argc, command.argv);

        cr_assert_eq(cv_directory_reply(server->core, &answer->reply, lab.now), 0);
        free(answer);
        any = true;
    }
    while (cv_directory_watch_next(server->core, &command)) {
        struct model_answer *answer =
            redis_model_run(&lab.redis, lab.now, &server->watch, command.argc, command.argv);

        cr_assert_eq(cv_directory_heard(server->core, &answer->reply), 0);
        free(answer);
        any = true;
    }
    return any;
}

void pump(void)
{
    bool any = true;

    while (any) {
        any = false;
        for (int i = 0; i < SERVERS; i++)
            any = pump_one(&lab.servers[i]) || any;
    }
}

void pass(uint64_t time)
{
    uint64_t end = lab.now + time;

    for (pump(); lab.now < end; pump())
        lab.now += cv_min_time(end - lab.now, 20 * CV_MSEC);
}

void setup(void)
{
    memset(&lab, 0, sizeof(lab));
    redis_model_init(&lab.redis);
    lab.redis.tell = tell;
    test_alloc_init(&lab.memory);
    cv_prng_init(&lab.prng, 1);
    lab.random = cv_prng_random(&lab.prng);
    lab.now = 1000 * CV_SEC;
    for (int i = 0; i < SERVERS; i++)
        start(i, 100 + (uint64_t)i);
    pump();
}

void stop(int i)
{
    cv_directory_free(lab.servers[i].core);
    lab.servers[i].core = NULL;
}

void teardown(void)
{
    for (int i = 0; i < SERVERS; i++)
        stop(i);
    cr_assert_eq(lab.memory.live, 0);
}

void join(int i, const char *key, int64_t session, uint64_t since)
{
    cr_assert_eq(cv_directory_joined(lab.servers[i].core, key, session, since), 0);
    pump();
}

void cut(int i)
{
    lab.servers[i].cut = true;
    redis_model_leave(&lab.redis, &lab.servers[i].watch);
    cv_directory_down(lab.servers[i].core, lab.now);
    cv_directory_watch_down(lab.servers[i].core);
}

void mend(int i)
{
    lab.servers[i].cut = false;
    cv_directory_up(lab.servers[i].core, lab.now);
    cv_directory_watch_up(lab.servers[i].core);
    pump();
}

int ask_by(int i, const char *key, struct cv_directory_waiter *waiter)
{
    int rc = cv_directory_ask(lab.servers[i].core, key, waiter, lab.now);

    if (rc == 0) {
        pump();
        if (cv_directory_woken(lab.servers[i].core) != waiter)
            return 0;
        rc = waiter->result;
    }
    return rc < 0 ? rc : waiter->claim.server[1] - '0';
}

int ask(int i, const char *key)
{
    struct cv_directory_waiter waiter = {.deadline = 0};
    int rc = ask_by(i, key, &waiter);

    if (rc == 0)
        cv_directory_unwait(lab.servers[i].core, &waiter);
    return rc;
}

const struct cv_directory_stats *stats(int i)
{
    return cv_directory_stats(lab.servers[i].core);
}
