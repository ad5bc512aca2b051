#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "servers.h"

TestSuite(outage, .init = setup, .fini = teardown);

Test(outage, serves_from_the_cache_while_redis_is_away_but_not_for_ever)
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

Test(outage, those_who_wait_are_answered_when_redis_is_back)
{
    struct cv_directory_waiter waiter = {.deadline = 0};

    join(1, "foo", 7, 1);
    cut(2);
    cr_assert_eq(cv_directory_ask(lab.servers[2].core, "foo", &waiter, lab.now), 0);
    mend(2);
    cr_assert_eq(cv_directory_woken(lab.servers[2].core), &waiter);
    cr_assert_eq(waiter.result, 0);
}

Test(outage, a_lookup_that_redis_did_not_answer_is_answered_by_the_cache)
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

Test(outage, does_not_believe_that_nobody_has_a_key_soon_after_an_outage)
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

Test(outage, takes_back_what_left_while_redis_was_away)
{
    join(1, "foo", 7, 1);
    cut(1);
    cv_directory_left(lab.servers[1].core, "foo", 7);
    cr_assert_eq(redis_model_count(&lab.redis, lab.now, "culvert:r:{foo}"), 1);
    mend(1);
    pass(CV_DIRECTORY_SPREAD + CV_SEC);
    cr_assert_eq(redis_model_count(&lab.redis, lab.now, "culvert:r:{foo}"), 0);
}

Test(outage, tries_again_what_redis_refuses)
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

Test(outage, says_without_a_break_what_redis_refuses)
{
    static const char *const refused[][2] = {
        {"SMEMBERS"}, {"MGET"},         {"SADD"},        {"GET"},
        {"HSET"},     {"MGET", "SADD"}, {"SET", "HSET"}, {"SMEMBERS", "PEXPIRE"}};

    join(1, "foo", 7, 1);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        char said[200];

        memcpy(lab.redis.refused, refused[i], sizeof(lab.redis.refused));
        join(1, "bar", (int64_t)i, 1);
        pass(2 * CV_DIRECTORY_INTERVAL);
        snprintf(said, sizeof(said), "%s", cv_directory_trouble(lab.servers[1].core));
        cr_assert_str_not_empty(said, "%s", refused[i][0]);
        for (int step = 0; step < 500; step++) {
            pass(20 * CV_MSEC);
            cr_assert_str_eq(cv_directory_trouble(lab.servers[1].core), said);
        }
        memset(lab.redis.refused, 0, sizeof(lab.redis.refused));
        pass(CV_DIRECTORY_INTERVAL + CV_DIRECTORY_RETRY + CV_DIRECTORY_SPREAD);
        cr_assert_str_empty(cv_directory_trouble(lab.servers[1].core), "%s", refused[i][0]);
    }
}

Test(outage, says_once_that_it_may_not_look_up_however_many_dials_come)
{
    join(1, "foo", 7, 1);
    lab.redis.refused[0] = "HGETALL";
    for (int dial = 0; dial < 10; dial++) {
        cr_assert_eq(ask(2, "foo"), 0);
        for (int step = 0; step < 100; step++) { /* nor does all else that goes through hide it */
            pass(200 * CV_MSEC);
            cr_assert_str_not_empty(cv_directory_trouble(lab.servers[2].core));
        }
    }
    lab.redis.refused[0] = NULL;
    cr_assert_eq(ask(2, "foo"), 1);
    cr_assert_str_empty(cv_directory_trouble(lab.servers[2].core));
}

/* More keys come and go than are to be taken back. */
static void come_and_go(void)
{
    char key[16];

    for (int i = 0; i < CV_DIRECTORY_GONE + 100; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        cr_assert_eq(cv_directory_joined(lab.servers[1].core, key, i, 1), 0);
        cv_directory_left(lab.servers[1].core, key, i);
    }
}

Test(outage, bounds_what_it_takes_back_while_redis_does_not_answer)
{
    struct cv_command command;

    while (cv_directory_next(lab.servers[1].core, lab.now, &command))
        ;
    come_and_go();
    while (cv_directory_next(lab.servers[1].core, lab.now, &command))
        ;
    cr_assert_eq(stats(1)->unpublished, CV_DIRECTORY_GONE);
    come_and_go();
    cr_assert_eq(stats(1)->unpublished, CV_DIRECTORY_GONE);
    cut(1); /* given up */
    mend(1);
    pass(CV_DIRECTORY_RETRY + CV_DIRECTORY_SPREAD);
    cr_assert_eq(stats(1)->unpublished, 0);
}

Test(outage, bounds_what_it_takes_back_while_redis_refuses_that)
{
    lab.redis.refused[0] = "HDEL";
    come_and_go();
    pump();
    cr_assert_eq(stats(1)->unpublished, CV_DIRECTORY_GONE);
    lab.redis.refused[0] = NULL;
    pass(2 * (CV_DIRECTORY_RETRY + CV_DIRECTORY_SPREAD));
    cr_assert_eq(stats(1)->unpublished, 0);
    cr_assert_eq(stats(1)->withdrawn, CV_DIRECTORY_GONE);
}

Test(outage, bounds_the_cache_and_lets_the_least_used_go)
{
    char key[16];

    cv_directory_watch_down(lab.servers[2].core); /* so many subscriptions the model has not */
    for (int i = 0; i < CV_DIRECTORY_CACHE; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        cr_assert_eq(ask(2, key), CV_ENOSESSION);
    }
    cr_assert_eq(ask(2, "k0"), CV_ENOSESSION);
    cr_assert_eq(stats(2)->lookups, CV_DIRECTORY_CACHE);
    cr_assert_eq(ask(2, "foo"), CV_ENOSESSION); /* in the place of k1 */
    cr_assert_eq(stats(2)->cached, CV_DIRECTORY_CACHE);
    cr_assert_eq(ask(2, "k0"), CV_ENOSESSION);
    cr_assert_eq(stats(2)->lookups, CV_DIRECTORY_CACHE + 1);
    cr_assert_eq(ask(2, "k1"), CV_ENOSESSION);
    cr_assert_eq(stats(2)->lookups, CV_DIRECTORY_CACHE + 2);
}

Test(outage, bounds_those_who_wait_and_keeps_what_it_knows)
{
    static struct cv_directory_waiter waiters[CV_DIRECTORY_WAITERS], late;
    struct cv_directory *core = lab.servers[2].core;
    char key[16];

    join(1, "foo", 7, 1);
    cr_assert_eq(ask(2, "foo"), 1);
    cut(2);
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < CV_DIRECTORY_WAITERS; i++) {
            snprintf(key, sizeof(key), "k%d", turn * CV_DIRECTORY_WAITERS + i);
            cr_assert_eq(cv_directory_ask(core, key, &waiters[i], lab.now), 0);
        }
        cr_assert_eq(cv_directory_ask(core, "bar", &late, lab.now), CV_EFULL);
        cr_assert_eq(ask(2, "foo"), 1);
        lab.now += CV_DIRECTORY_WAIT;
        cv_directory_tick(core, lab.now);
        for (int i = 0; i < CV_DIRECTORY_WAITERS; i++)
            cr_assert_eq(cv_directory_woken(core), &waiters[i]);
        cr_assert_eq(stats(2)->waiting, 0);
    }
    cr_assert_eq(cv_directory_ask(core, "bar", &late, lab.now), 0);
    cv_directory_unwait(core, &late);
    mend(2);
    cr_assert_eq(stats(2)->lookups, 1, "nobody waits for the others");
    cr_assert_eq(stats(2)->cached, 1);
}
