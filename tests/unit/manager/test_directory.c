#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "manager/directory.h"
#include "support/redis_model.h"
#include "support/test_alloc.h"

#define SERVERS 3
#define URL     "ws://127.0.0.1:8123/connect"

/* Servers that talk to a Redis without delay, unless it is cut off. */
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

static struct lab lab;

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

static void start(int i, uint64_t run)
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

static void pump(void)
{
    bool any = true;

    while (any) {
        any = false;
        for (int i = 0; i < SERVERS; i++)
            any = pump_one(&lab.servers[i]) || any;
    }
}

/* Time goes by in steps in which everybody does what is due. */
static void pass(uint64_t time)
{
    uint64_t end = lab.now + time;

    for (pump(); lab.now < end; pump())
        lab.now += cv_min_time(end - lab.now, 20 * CV_MSEC);
}

static void setup(void)
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

static void stop(int i)
{
    cv_directory_free(lab.servers[i].core);
    lab.servers[i].core = NULL;
}

static void teardown(void)
{
    for (int i = 0; i < SERVERS; i++)
        stop(i);
    cr_assert_eq(lab.memory.live, 0);
}

TestSuite(directory, .init = setup, .fini = teardown);

static void join(int i, const char *key, int64_t session, uint64_t since)
{
    cr_assert_eq(cv_directory_joined(lab.servers[i].core, key, session, since, lab.now), 0);
    pump();
}

static void cut(int i)
{
    lab.servers[i].cut = true;
    redis_model_leave(&lab.redis, &lab.servers[i].watch);
    cv_directory_down(lab.servers[i].core, lab.now);
    cv_directory_watch_down(lab.servers[i].core);
}

static void mend(int i)
{
    lab.servers[i].cut = false;
    cv_directory_up(lab.servers[i].core, lab.now);
    cv_directory_watch_up(lab.servers[i].core);
    pump();
}

/* Asks, and pumps until there is an answer: the server's number, or an error; 0 when it waits. */
static int ask_by(int i, const char *key, struct cv_directory_waiter *waiter)
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

static int ask(int i, const char *key)
{
    struct cv_directory_waiter waiter = {.deadline = 0};
    int rc = ask_by(i, key, &waiter);

    if (rc == 0)
        cv_directory_unwait(lab.servers[i].core, &waiter);
    return rc;
}

static const struct cv_directory_stats *stats(int i)
{
    return cv_directory_stats(lab.servers[i].core);
}

Test(directory, finds_the_server_that_has_a_key)
{
    join(1, "foo", 7, 1);
    cr_assert_eq(ask(2, "foo"), 1);
    cr_assert_str_eq(cv_directory_url(lab.servers[2].core, "s1", 101), URL);
    cr_assert_eq(ask(2, "bar"), CV_ENOSESSION);
}

Test(directory, does_not_find_itself)
{
    join(1, "foo", 7, 1);
    cr_assert_eq(ask(1, "foo"), CV_ENOSESSION);
}

Test(directory, answers_from_the_cache_until_a_change_is_heard)
{
    join(1, "foo", 7, 1);
    cr_assert_eq(ask(2, "foo"), 1);
    pass(CV_DIRECTORY_UNWATCHED); /* the first answer was asked for before it was watched */
    cr_assert_eq(ask(2, "foo"), 1);
    cr_assert_eq(stats(2)->lookups, 2);
    pass(CV_DIRECTORY_FRESH - CV_SEC);
    cr_assert_eq(ask(2, "foo"), 1);
    cr_assert_eq(stats(2)->lookups, 2);
    cv_directory_left(lab.servers[1].core, "foo", 7);
    pump();
    cr_assert_eq(ask(2, "foo"), CV_ENOSESSION);
    cr_assert_eq(stats(2)->lookups, 3);
}

Test(directory, asks_anew_when_an_answer_is_old)
{
    join(1, "foo", 7, 1);
    cr_assert_eq(ask(2, "foo"), 1);
    pass(CV_DIRECTORY_UNWATCHED);
    cr_assert_eq(ask(2, "foo"), 1);
    pass(CV_DIRECTORY_FRESH);
    cr_assert_eq(ask(2, "foo"), 1);
    cr_assert_eq(stats(2)->lookups, 3);
}

Test(directory, asks_once_for_all_who_wait)
{
    struct cv_directory_waiter waiters[5] = {{.deadline = 0}};

    join(1, "foo", 7, 1);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(cv_directory_ask(lab.servers[2].core, "foo", &waiters[i], lab.now), 0);
    pump();
    for (int i = 0; i < 5; i++) {
        struct cv_directory_waiter *woken = cv_directory_woken(lab.servers[2].core);

        cr_assert_eq(woken, &waiters[i]);
        cr_assert_eq(woken->result, 0);
    }
    cr_assert_eq(stats(2)->lookups, 1);
    cr_assert_eq(stats(2)->coalesced, 4);
    cr_assert_eq(stats(2)->waiting, 0);
}

Test(directory, remembers_that_nobody_has_a_key_for_a_moment)
{
    cr_assert_eq(ask(2, "foo"), CV_ENOSESSION);
    cr_assert_eq(ask(2, "foo"), CV_ENOSESSION);
    cr_assert_eq(stats(2)->lookups, 1);
    pass(CV_DIRECTORY_ABSENT);
    cr_assert_eq(ask(2, "foo"), CV_ENOSESSION);
    cr_assert_eq(stats(2)->lookups, 2);
}

Test(directory, prefers_the_newest_and_then_the_other_one)
{
    struct cv_directory_waiter waiter = {.deadline = 0};

    join(0, "foo", 7, 1);
    join(1, "foo", 8, 2);
    cr_assert_eq(ask_by(2, "foo", &waiter), 1);
    cv_directory_failed(lab.servers[2].core, "foo", &waiter.claim);
    waiter.but_incarnation = waiter.claim.incarnation;
    waiter.but_session = waiter.claim.session;
    cr_assert_eq(ask_by(2, "foo", &waiter), 0); /* s0 */
    cr_assert_eq(waiter.claim.session, 7);
}

Test(directory, gives_each_its_turn_where_that_is_wanted)
{
    struct cv_directory_waiter waiter = {.turns = true};
    int seen[SERVERS] = {0};

    join(0, "foo", 7, 1);
    join(1, "foo", 8, 2);
    for (int i = 0; i < 6; i++)
        seen[ask_by(2, "foo", &waiter)]++;
    cr_assert_eq(seen[0], 3);
    cr_assert_eq(seen[1], 3);
}

Test(directory, keeps_the_claim_while_one_session_of_several_is_left)
{
    join(1, "foo", 7, 1);
    join(1, "foo", 8, 2);
    cv_directory_left(lab.servers[1].core, "foo", 8);
    pump();
    cr_assert_eq(ask(2, "foo"), 1);
    cr_assert_str_eq(redis_model_get(&lab.redis, lab.now, "culvert:r:{foo}", "s1/101"), "7 1");
    cv_directory_left(lab.servers[1].core, "foo", 7);
    pump();
    cr_assert_eq(redis_model_count(&lab.redis, lab.now, "culvert:r:{foo}"), 0);
    cr_assert_eq(stats(1)->claims, 0);
}

Test(directory, trusts_nothing_of_a_server_whose_record_is_gone)
{
    join(1, "foo", 7, 1);
    cr_assert_eq(ask(2, "foo"), 1);
    stop(1); /* without a word */
    pass(CV_DIRECTORY_MEMBER_LEASE + CV_DIRECTORY_INTERVAL + CV_SEC);
    cr_assert_eq(ask(2, "foo"), CV_ENOSESSION);
    cr_assert_eq(stats(2)->members, 2);
    cr_assert_null(cv_directory_url(lab.servers[2].core, "s1", 101));
}

Test(directory, sweeps_out_what_the_dead_claimed)
{
    join(1, "foo", 7, 1);
    join(0, "foo", 8, 0);
    stop(1);
    pass(120 * CV_SEC);
    cr_assert_eq(ask(2, "foo"), 0);
    pass(3 * CV_SEC);
    cr_assert_eq(redis_model_count(&lab.redis, lab.now, "culvert:r:{foo}"), 1);
    cr_assert_eq(redis_model_count(&lab.redis, lab.now, "culvert:{servers}"), 2);
}

Test(directory, trusts_nothing_of_the_last_run_of_a_server)
{
    join(1, "foo", 7, 1);
    cr_assert_eq(ask(2, "foo"), 1);
    stop(1);
    start(1, 555);
    pass(CV_DIRECTORY_INTERVAL);
    pass(CV_DIRECTORY_FRESH);
    cr_assert_eq(ask(2, "foo"), CV_ENOSESSION);
    join(1, "foo", 9, 3);
    cr_assert_eq(ask(2, "foo"), 1);
    cr_assert_eq(redis_model_count(&lab.redis, lab.now, "culvert:r:{foo}"), 1);
}

Test(directory, a_goodbye_takes_the_record_of_this_run_alone)
{
    struct cv_directory *old = lab.servers[1].core;

    cv_directory_leave(lab.servers[0].core);
    start(1, 555);
    pump();
    cr_assert_null(redis_model_get(&lab.redis, lab.now, "culvert:{servers}:s0", ""));
    stop(0);
    lab.servers[0].core = old;
    cv_directory_leave(old);
    pump();
    cr_assert_not_null(redis_model_get(&lab.redis, lab.now, "culvert:{servers}:s1", ""));
    cr_assert_eq(redis_model_count(&lab.redis, lab.now, "culvert:{servers}"), 2);
}

Test(directory, renews_records_and_claims)
{
    join(1, "foo", 7, 1);
    pass(2 * CV_DIRECTORY_CLAIM_LEASE);
    cr_assert_eq(ask(2, "foo"), 1);
    cr_assert_geq(stats(1)->renewed, 3);
    cr_assert_leq(stats(1)->renewed, 9);
    cr_assert_eq(stats(1)->lost, 0);
    cr_assert_eq(stats(1)->unpublished, 0);
}

Test(directory, publishes_all_anew_when_the_data_is_gone)
{
    char key[16];

    for (int i = 0; i < 60; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        join(1, key, i, 1);
    }
    redis_model_flush(&lab.redis);
    pass(CV_DIRECTORY_INTERVAL + CV_DIRECTORY_SPREAD + CV_SEC);
    for (int i = 0; i < 60; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        cr_assert_eq(ask(2, key), 1, "%s", key);
    }
    cr_assert_eq(stats(1)->lost, 1);
    cr_assert_eq(stats(1)->unpublished, 0);
}

Test(directory, spreads_what_it_publishes_anew)
{
    char key[16];
    uint64_t before;

    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        join(1, key, i, 1);
    }
    cut(1);
    mend(1);
    before = stats(1)->published;
    pass(CV_DIRECTORY_SPREAD / 2);
    cr_assert_gt(stats(1)->published - before, 30);
    cr_assert_lt(stats(1)->published - before, 70);
    pass(CV_DIRECTORY_SPREAD / 2 + CV_SEC);
    cr_assert_eq(stats(1)->unpublished, 0);
}

Test(directory, serves_from_the_cache_while_redis_is_away_but_not_for_ever)
{
    struct cv_directory_waiter waiter = {.deadline = 0};

    join(1, "foo", 7, 1);
    cr_assert_eq(ask(2, "foo"), 1);
    cut(2);
    pass(CV_DIRECTORY_LEASE - CV_SEC);
    cr_assert_eq(ask(2, "foo"), 1);
    pass(CV_SEC);
    cr_assert_eq(cv_directory_ask(lab.servers[2].core, "foo", &waiter, lab.now), 0);
    lab.now += CV_DIRECTORY_WAIT;
    cr_assert_leq(cv_directory_deadline(lab.servers[2].core, lab.now), lab.now);
    cv_directory_tick(lab.servers[2].core, lab.now);
    cr_assert_eq(cv_directory_woken(lab.servers[2].core), &waiter);
    cr_assert_eq(waiter.result, CV_EAWAY);
}

Test(directory, those_who_wait_are_answered_when_redis_is_back)
{
    struct cv_directory_waiter waiter = {.deadline = 0};

    join(1, "foo", 7, 1);
    cut(2);
    cr_assert_eq(cv_directory_ask(lab.servers[2].core, "foo", &waiter, lab.now), 0);
    mend(2);
    cr_assert_eq(cv_directory_woken(lab.servers[2].core), &waiter);
    cr_assert_eq(waiter.result, 0);
}

Test(directory, a_lookup_that_redis_did_not_answer_is_answered_by_the_cache)
{
    struct cv_directory_waiter waiter = {.deadline = 0};
    struct cv_command command;

    join(1, "foo", 7, 1);
    cr_assert_eq(ask(2, "foo"), 1);
    pass(CV_DIRECTORY_FRESH);
    cr_assert_eq(cv_directory_ask(lab.servers[2].core, "foo", &waiter, lab.now), 0);
    cr_assert(cv_directory_next(lab.servers[2].core, lab.now, &command));
    cut(2);
    cr_assert_eq(cv_directory_woken(lab.servers[2].core), &waiter);
    cr_assert_eq(waiter.result, 0);
}

Test(directory, does_not_believe_that_nobody_has_a_key_soon_after_an_outage)
{
    struct cv_directory_waiter waiter = {.deadline = 0};

    join(1, "foo", 7, 1);
    cut(1);
    cut(2);
    redis_model_flush(&lab.redis);
    mend(2);
    cr_assert_eq(ask_by(2, "foo", &waiter), 0);
    mend(1);
    pass(CV_DIRECTORY_SPREAD + CV_DIRECTORY_POLL);
    cr_assert_eq(cv_directory_woken(lab.servers[2].core), &waiter);
    cr_assert_eq(waiter.result, 0);
    cr_assert_eq(ask_by(2, "bar", &waiter), 0);
    pass(CV_DIRECTORY_HEAL);
    cr_assert_eq(cv_directory_woken(lab.servers[2].core), &waiter);
    cr_assert_eq(waiter.result, CV_ENOSESSION);
}

Test(directory, takes_back_what_left_while_redis_was_away)
{
    join(1, "foo", 7, 1);
    cut(1);
    cv_directory_left(lab.servers[1].core, "foo", 7);
    cr_assert_eq(redis_model_count(&lab.redis, lab.now, "culvert:r:{foo}"), 1);
    mend(1);
    pass(CV_DIRECTORY_SPREAD + CV_SEC);
    cr_assert_eq(redis_model_count(&lab.redis, lab.now, "culvert:r:{foo}"), 0);
}

Test(directory, takes_back_what_others_ask_for_in_vain)
{
    static const char *const put[] = {"HSET", "culvert:r:{foo}", "s1/101", "7 1"};

    free(redis_model_run(&lab.redis, lab.now, NULL, 4, put));
    cv_directory_denied(lab.servers[1].core, "foo");
    pump();
    cr_assert_eq(redis_model_count(&lab.redis, lab.now, "culvert:r:{foo}"), 0);
    cr_assert_eq(stats(1)->unpublished, 0);
}

Test(directory, tries_again_what_redis_refuses)
{
    lab.redis.full = true;
    join(1, "foo", 7, 1);
    pass(5 * CV_SEC);
    cr_assert_eq(ask(2, "foo"), CV_ENOSESSION);
    cr_assert_eq(strncmp(cv_directory_trouble(lab.servers[1].core), "OOM", 3), 0);
    cr_assert_lt(stats(1)->refused, 20);
    lab.redis.full = false;
    pass(5 * CV_SEC);
    cr_assert_eq(ask(2, "foo"), 1);
    cr_assert_str_empty(cv_directory_trouble(lab.servers[1].core));
}

Test(directory, says_that_another_server_has_its_id)
{
    stop(1);
    lab.servers[1].core = lab.servers[2].core;
    lab.servers[2].core = NULL;
    start(2, 777); /* a second s2 */
    pass(2 * CV_DIRECTORY_INTERVAL);
    cr_assert_neq(strstr(cv_directory_trouble(lab.servers[1].core), "--peer-id"), NULL);
}

Test(directory, bounds_the_cache_and_lets_the_least_used_go)
{
    char key[16];

    for (int i = 0; i < CV_DIRECTORY_CACHE + 10; i++) {
        struct cv_directory_waiter waiter = {.deadline = 0};

        snprintf(key, sizeof(key), "k%d", i);
        lab.servers[2].cut = i % 1000 != 0; /* not that many subscriptions in the model */
        cr_assert_eq(cv_directory_ask(lab.servers[2].core, key, &waiter, lab.now),
                     i < CV_DIRECTORY_WAITERS ? 0 : CV_EFULL);
        if (i < CV_DIRECTORY_WAITERS)
            cv_directory_unwait(lab.servers[2].core, &waiter);
        if (i == CV_DIRECTORY_CACHE)
            break;
    }
    cr_assert_eq(stats(2)->cached, CV_DIRECTORY_CACHE);
}

Test(directory, reads_only_what_can_be_claims_and_records)
{
    static const char *const odd[][4] = {
        {"HSET", "culvert:r:{foo}", "s1/101", "7"},
        {"HSET", "culvert:r:{foo}", "s1/x", "7 1"},
        {"HSET", "culvert:r:{foo}", "s1", "7 1"},
        {"HSET", "culvert:r:{foo}", "/101", "7 1"},
        {"HSET", "culvert:r:{foo}", "s 1/101", "7 1"},
        {"HSET", "culvert:r:{foo}", "s0/100", "-1 1"},
        {"HSET", "culvert:r:{foo}", "s0/1000000000000000000000", "7 1"},
    };
    static const char *const records[] = {
        "", "x", "5", "5 ", "5 ws://x", "5 ws://x 1", "5 ws://x 1 ", "5 ws://x 1 y", "5  1 2"};

    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        free(redis_model_run(&lab.redis, lab.now, NULL, 4, odd[i]));
    cr_assert_eq(ask(2, "foo"), CV_ENOSESSION);
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        const char *const set[] = {"SET", "culvert:{servers}:s9", records[i], "PX", "100000"};
        static const char *const enrol[] = {"SADD", "culvert:{servers}", "s9"};

        free(redis_model_run(&lab.redis, lab.now, NULL, 5, set));
        free(redis_model_run(&lab.redis, lab.now, NULL, 3, enrol));
        pass(CV_DIRECTORY_INTERVAL);
        cr_assert_eq(stats(2)->members, i == 8 ? 4 : 3, "%s", records[i]);
    }
}

Test(directory, an_answer_that_nobody_asked_for_is_an_error)
{
    struct cv_reply reply = {.type = CV_REPLY_NIL, .text = ""};

    cr_assert_eq(cv_directory_reply(lab.servers[0].core, &reply, lab.now), CV_EPROTO);
    cr_assert_eq(cv_directory_heard(lab.servers[0].core, &reply), CV_EPROTO);
}

Test(directory, survives_every_allocation_that_fails)
{
    for (size_t n = 1; n < 60; n++) {
        lab.memory.fail_at = lab.memory.calls + n;
        (void)!cv_directory_joined(lab.servers[1].core, "foo", (int64_t)n, n, lab.now);
        pump();
        (void)ask(2, "foo");
        (void)ask(0, "bar");
        lab.memory.fail_at = 0;
        cv_directory_left(lab.servers[1].core, "foo", (int64_t)n);
        pass(CV_DIRECTORY_UNWATCHED);
    }
    join(1, "foo", 7, 1);
    pass(CV_DIRECTORY_INTERVAL + CV_DIRECTORY_FRESH);
    cr_assert_eq(ask(2, "foo"), 1);
}
