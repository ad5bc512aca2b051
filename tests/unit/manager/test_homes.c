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
    cr_assert_eq(cv_homes_new(&homes, &memory.alloc, 3), 0);
}

static void tear_down(void)
{
    cv_homes_free(homes);
    cr_assert_eq(memory.live, 0);
}

TestSuite(homes, .init = set_up, .fini = tear_down);

/* Bits of the other workers that have the key. */
static uint64_t put(const char *key, unsigned worker, uint64_t newest)
{
    uint64_t others;

    cr_assert_eq(cv_homes_put(homes, key, worker, newest, &others), 0);
    return others;
}

Test(homes, nobody_has_an_unknown_key)
{
    put("a", 0, 1);
    cr_assert_eq(cv_homes_find(homes, "b", 0), CV_ENOSESSION);
    cr_assert_eq(cv_homes_find(homes, "", 0), CV_ENOSESSION);
}

Test(homes, the_worker_of_the_newest_session_is_asked_first_and_then_the_next_newest)
{
    cr_assert_eq(put("a", 0, 20), 0);
    cr_assert_eq(put("a", 2, 30), 1);
    cr_assert_eq(put("a", 1, 10), 5);
    cr_assert_eq(cv_homes_find(homes, "a", 0), 2);
    cr_assert_eq(cv_homes_find(homes, "a", 4), 0);
    cr_assert_eq(cv_homes_find(homes, "a", 5), 1);
    cr_assert_eq(cv_homes_find(homes, "a", 7), CV_ENOSESSION);
    put("a", 1, 40);
    cr_assert_eq(cv_homes_find(homes, "a", 0), 1);
}

Test(homes, a_key_is_forgotten_with_its_last_session)
{
    put("a", 0, 1);
    put("a", 1, 2);
    cr_assert_eq(put("a", 1, 0), 1);
    cr_assert_eq(cv_homes_find(homes, "a", 0), 0);
    cr_assert_eq(put("a", 0, 0), 0);
    cr_assert_eq(cv_homes_find(homes, "a", 0), CV_ENOSESSION);
    cr_assert_eq(put("a", 0, 0), 0, "one that is not there leaves");
}

Test(homes, those_with_peers_are_asked_when_nobody_has_a_session)
{
    cv_homes_put_peers(homes, 1, true);
    cv_homes_put_peers(homes, 2, true);
    cr_assert_eq(cv_homes_find(homes, "a", 0), 1);
    cr_assert_eq(cv_homes_find(homes, "a", 2), 2);
    put("a", 0, 1);
    cr_assert_eq(cv_homes_find(homes, "a", 0), 0);
    cr_assert_eq(cv_homes_find(homes, "a", 1), 1);
    cv_homes_put_peers(homes, 1, false);
    cr_assert_eq(cv_homes_find(homes, "a", 1), 2);
}

Test(homes, memory_that_runs_out_leaves_the_table_as_it_was)
{
    uint64_t others;

    put("a", 0, 1);
    for (size_t n = 1;; n++) {
        int rc;

        memory.fail_at = memory.calls + n;
        rc = cv_homes_put(homes, "b", 1, 5, &others);
        if (rc == 0)
            break;
        cr_assert_eq(rc, -ENOMEM);
        cr_assert_eq(cv_homes_find(homes, "b", 0), CV_ENOSESSION);
        cr_assert_eq(cv_homes_find(homes, "a", 0), 0);
    }
    memory.fail_at = 0;
    cr_assert_eq(cv_homes_find(homes, "b", 0), 1);
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
        cr_assert_eq(cv_homes_find(homes, key, 0), i % 3);
        put(key, (unsigned)i % 3, 0);
        cr_assert_eq(cv_homes_find(homes, key, 0), CV_ENOSESSION);
    }
}
