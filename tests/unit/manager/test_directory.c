#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "servers.h"

TestSuite(directory, .init = setup, .fini = teardown);

/* Writes a record of a server s9 that is none of ours, and lets it be read. */
static void record(const char *text)
{
    static const char *const enrol[] = {"SADD", "culvert:{servers}", "s9"};
    const char *const set[] = {"SET", "culvert:{servers}:s9", text, "PX", "100000"};

    free(redis_model_run(&lab.redis, lab.now, NULL, 5, set));
    free(redis_model_run(&lab.redis, lab.now, NULL, 3, enrol));
    pass(CV_DIRECTORY_INTERVAL);
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

Test(directory, renews_its_record_before_it_looks_up_what_waits)
{
    static struct cv_directory_waiter waiters[2 * CV_DIRECTORY_PIPELINE];
    struct cv_directory *core = lab.servers[2].core;
    struct cv_command command;
    char key[16];

    lab.now += CV_DIRECTORY_INTERVAL;
    for (int i = 0; i < 2 * CV_DIRECTORY_PIPELINE; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        cr_assert_eq(cv_directory_ask(core, key, &waiters[i], lab.now), 0);
    }
    cv_directory_tick(core, lab.now);
    for (int i = 0; i < 4; i++) {
        cr_assert(cv_directory_next(core, lab.now, &command));
        cr_assert_str_neq(command.argv[0], "HGETALL");
    }
    cr_assert_str_eq(command.argv[0], "SADD");
    cr_assert(cv_directory_next(core, lab.now, &command));
    cr_assert_str_eq(command.argv[0], "HGETALL");
    for (int i = 0; i < 2 * CV_DIRECTORY_PIPELINE; i++)
        cv_directory_unwait(core, &waiters[i]);
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

Test(directory, takes_back_what_others_ask_for_in_vain)
{
    static const char *const put[] = {"HSET", "culvert:r:{foo}", "s1/101", "7 1"};

    free(redis_model_run(&lab.redis, lab.now, NULL, 4, put));
    cv_directory_denied(lab.servers[1].core, "foo");
    pump();
    cr_assert_eq(redis_model_count(&lab.redis, lab.now, "culvert:r:{foo}"), 0);
    cr_assert_eq(stats(1)->unpublished, 0);
}

Test(directory, says_that_it_may_not_watch_until_it_may)
{
    lab.redis.refused[0] = "SUBSCRIBE";
    cr_assert_eq(ask(2, "foo"), CV_ENOSESSION);
    for (int i = 0; i < 100; i++) { /* nor do records that are written tell otherwise */
        cr_assert_eq(strncmp(cv_directory_trouble(lab.servers[2].core), "NOPERM", 6), 0);
        pass(CV_DIRECTORY_INTERVAL / 20);
    }
    lab.redis.refused[0] = NULL;
    cr_assert_eq(ask(2, "bar"), CV_ENOSESSION);
    cr_assert_str_empty(cv_directory_trouble(lab.servers[2].core));
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
    static const char *const records[] = {"",
                                          "x",
                                          "5",
                                          "5 ",
                                          "5 ws://x",
                                          "5 ws://x 1",
                                          "5 ws://x 1 ",
                                          "5 ws://x 1 y",
                                          "5  1 2",
                                          "5 ws://x  2",
                                          "5 ws://\nx 1 2",
                                          "5 ws://x\x7f 1 2",
                                          "5 ws://x 1\xe9 2"};

    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        free(redis_model_run(&lab.redis, lab.now, NULL, 4, odd[i]));
    cr_assert_eq(ask(2, "foo"), CV_ENOSESSION);
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        record(records[i]);
        cr_assert_eq(stats(2)->members, 3, "%s", records[i]);
    }
    record("5 ws://x 1 2");
    cr_assert_eq(stats(2)->members, 4);
}

Test(directory, takes_a_longer_and_a_shorter_url_of_the_same_run)
{
    static const char *const urls[] = {"w", "ws://127.0.0.1:8123/much/longer", "ws://127.0.0.1"};

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        char text[100];

        snprintf(text, sizeof(text), "5 %s 1 2", urls[i]);
        record(text);
        cr_assert_str_eq(cv_directory_url(lab.servers[2].core, "s9", 5), urls[i]);
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
        (void)!cv_directory_joined(lab.servers[1].core, "foo", (int64_t)n, n);
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
