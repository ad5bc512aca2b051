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

Test(outage, bounds_the_cache_and_lets_the_least_used_go)
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
