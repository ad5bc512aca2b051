#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "manager/homes.h"
#include "support/test_alloc.h"

static struct test_alloc memory;
static struct cv_homes *homes;

static void set_up(void)
{
    test_alloc_init(&memory);
    cr_assert_eq(cv_homes_new(&homes, &memory.alloc), 0);
}

static void tear_down(void)
{
    cv_homes_free(homes);
    cr_assert_eq(memory.live, 0);
}

TestSuite(homes, .init = set_up, .fini = tear_down);

static uint64_t put_home(const char *key, unsigned worker, const struct cv_home *home)
{
    uint64_t others;

    cr_assert_eq(cv_homes_put(homes, key, worker, home, &others), 0);
    return others;
}

/* Bits of the other workers that have the key. */
static uint64_t put(const char *key, unsigned worker, uint64_t newest)
{
    return put_home(key, worker, &(struct cv_home){.own = {newest, newest != 0, 0, newest != 0}});
}

static uint64_t put_peers(const char *key, unsigned worker, uint64_t newest)
{
    return put_home(key, worker, &(struct cv_home){.peers = {newest, newest != 0, 0, newest != 0}});
}

static int newest(const char *key, uint64_t but)
{
    return cv_homes_find(homes, key, CV_BALANCE_NEWEST, but);
}

Test(homes, nobody_has_an_unknown_key)
{
    put("a", 0, 1);
    cr_assert_eq(newest("b", 0), CV_ENOSESSION);
    cr_assert_eq(newest("", 0), CV_ENOSESSION);
}

Test(homes, the_worker_of_the_newest_session_is_asked_first_and_then_the_next_newest)
{
    cr_assert_eq(put("a", 0, 20), 0);
    cr_assert_eq(put("a", 2, 30), 1);
    cr_assert_eq(put("a", 1, 10), 5);
    cr_assert_eq(newest("a", 0), 2);
    cr_assert_eq(newest("a", 4), 0);
    cr_assert_eq(newest("a", 5), 1);
    cr_assert_eq(newest("a", 7), CV_ENOSESSION);
    put("a", 1, 40);
    cr_assert_eq(newest("a", 0), 1);
}

Test(homes, a_key_is_forgotten_with_its_last_session)
{
    put("a", 0, 1);
    put("a", 1, 2);
    cr_assert_eq(put("a", 1, 0), 1);
    cr_assert_eq(newest("a", 0), 0);
    cr_assert_eq(put("a", 0, 0), 0);
    cr_assert_eq(newest("a", 0), CV_ENOSESSION);
    cr_assert_eq(put("a", 0, 0), 0, "one that is not there leaves");
}

Test(homes, those_whose_peers_announced_it_are_asked_when_nobody_has_a_session)
{
    put_peers("a", 1, 10);
    put_peers("a", 2, 20);
    cr_assert_eq(newest("b", 0), CV_ENOSESSION);
    cr_assert_eq(newest("a", 0), 2);
    cr_assert_eq(newest("a", 4), 1);
    cr_assert_eq(put("a", 0, 1), 0, "a peer's session is no home");
    cr_assert_eq(newest("a", 0), 0);
    cr_assert_eq(newest("a", 1), 2);
    put_peers("a", 2, 0);
    cr_assert_eq(newest("a", 1), 1);
    put_peers("a", 1, 0);
    cr_assert_eq(newest("a", 1), CV_ENOSESSION);
}

/* Asks @count times, as if each came to its worker and nothing came of it. */
static void ask(const char *key, enum cv_balance balance, int count, int taken[3])
{
    while (count--) {
        int worker = cv_homes_find(homes, key, balance, 0);

        cr_assert_geq(worker, 0);
        taken[worker]++;
        cv_homes_arrived(homes, key, (unsigned)worker);
    }
}

Test(homes, in_turn_each_worker_is_asked_as_often_as_it_has_healthy_sessions)
{
    int taken[3] = {0};

    put_home("a", 0, &(struct cv_home){.own = {10, 2, 0}});
    put_home("a", 1, &(struct cv_home){.own = {20, 1, 0}});
    ask("a", CV_BALANCE_ROUND_ROBIN, 30, taken);
    cr_assert_eq(taken[0], 20);
    cr_assert_eq(taken[1], 10);
    put_home("a", 0, &(struct cv_home){.own = {10, 1, 0}});
    put_home("a", 2, &(struct cv_home){.own = {30, 1, 0}});
    ask("a", CV_BALANCE_ROUND_ROBIN, 31, taken);
    cr_assert_lt(taken[2], 12, "who is new makes nothing good");
    cr_assert_lt(taken[0], 32);
    cr_assert_lt(taken[1], 22);
}

Test(homes, who_was_passed_over_is_not_behind_for_it)
{
    int taken[3] = {0};

    put("a", 0, 10);
    put("a", 1, 20);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(cv_homes_find(homes, "a", CV_BALANCE_ROUND_ROBIN, 1), 1);
    ask("a", CV_BALANCE_ROUND_ROBIN, 20, taken);
    cr_assert_leq(taken[0], 11);
}

Test(homes, who_has_no_healthy_session_is_asked_as_if_it_had_one)
{
    int taken[3] = {0};

    put_home("a", 0, &(struct cv_home){.own = {10, 0, 0}});
    put_home("a", 1, &(struct cv_home){.own = {20, 1, 0}});
    ask("a", CV_BALANCE_ROUND_ROBIN, 10, taken);
    cr_assert_eq(taken[0], 5);
}

Test(homes, the_worker_with_the_least_busy_session_then_the_newest)
{
    static const int order[] = {1, 2, 1, 0, 0, 2}; /* what comes to 0 is spread over two */

    put_home("a", 0, &(struct cv_home){.own = {10, 3, 3, 2}});
    put_home("a", 1, &(struct cv_home){.own = {20, 1, 2, 1}});
    put_home("a", 2, &(struct cv_home){.own = {30, 1, 3, 1}});
    for (int i = 0; i < 6; i++)
        cr_assert_eq(cv_homes_find(homes, "a", CV_BALANCE_LEAST_CONNS, 0), order[i], "%d", i);
}

Test(homes, what_is_on_its_way_counts_until_it_has_come)
{
    int taken[3] = {0};

    for (unsigned worker = 0; worker < 3; worker++)
        put("a", worker, worker + 1);
    for (int i = 0; i < 30; i++)
        taken[cv_homes_find(homes, "a", CV_BALANCE_LEAST_CONNS, 0)]++;
    for (unsigned worker = 0; worker < 3; worker++)
        cr_assert_eq(taken[worker], 10);
    for (int i = 0; i < 11; i++)
        cv_homes_arrived(homes, "a", 0);
    cv_homes_arrived(homes, "a", 7);
    cv_homes_arrived(homes, "b", 0);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(cv_homes_find(homes, "a", CV_BALANCE_LEAST_CONNS, 0), 0);
}

Test(homes, of_peers_the_policy_decides_as_well)
{
    int taken[3] = {0};

    put_home("a", 0, &(struct cv_home){.peers = {10, 2, 4}});
    put_home("a", 2, &(struct cv_home){.peers = {20, 1, 5}});
    ask("a", CV_BALANCE_ROUND_ROBIN, 12, taken);
    cr_assert_eq(taken[0], 8);
    cr_assert_eq(taken[2], 4);
    cr_assert_eq(cv_homes_find(homes, "a", CV_BALANCE_LEAST_CONNS, 0), 0);
}

Test(homes, memory_that_runs_out_leaves_the_table_as_it_was)
{
    const struct cv_home home = {.own = {5, 1, 0}};
    uint64_t others;

    put("a", 0, 1);
    for (size_t n = 1;; n++) {
        int rc;

        memory.fail_at = memory.calls + n;
        rc = cv_homes_put(homes, "b", 1, &home, &others);
        if (rc == 0)
            break;
        cr_assert_eq(rc, -ENOMEM);
        cr_assert_eq(newest("b", 0), CV_ENOSESSION);
        cr_assert_eq(newest("a", 0), 0);
    }
    memory.fail_at = 0;
    cr_assert_eq(newest("b", 0), 1);
}

Test(homes, many_keys)
{
    char key[16];

    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        put(key, (unsigned)i % 3, (uint64_t)i + 1);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        cr_assert_eq(newest(key, 0), i % 3);
        put(key, (unsigned)i % 3, 0);
        cr_assert_eq(newest(key, 0), CV_ENOSESSION);
    }
}
