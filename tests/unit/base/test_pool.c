#include <criterion/criterion.h>

#include <string.h>

#include "base/pool.h"
#include "support/test_alloc.h"

#define BLOCK ((size_t)1000)

static struct test_alloc ta;
static struct cv_pool pool;

static void set_up(void)
{
    test_alloc_init(&ta);
    cv_pool_init(&pool, &ta.alloc, BLOCK);
}

static void tear_down(void)
{
    cv_pool_deinit(&pool);
    cr_assert_eq(ta.live, 0);
}

TestSuite(pool, .init = set_up, .fini = tear_down);

Test(pool, gives_out_again_what_came_back)
{
    void *first = cv_alloc(&pool.alloc, 10), *again;

    cr_assert_not_null(first);
    cv_free(&pool.alloc, first);
    again = cv_alloc(&pool.alloc, BLOCK);
    cr_assert_eq(again, first);
    cr_assert_eq(ta.calls, 1);
    cv_free(&pool.alloc, again);
    cv_free(&pool.alloc, NULL);
}

Test(pool, keeps_no_more_than_it_may)
{
    void *buffers[CV_POOL_KEPT + 3];

    for (size_t i = 0; i < CV_POOL_KEPT + 3; i++)
        buffers[i] = cv_alloc(&pool.alloc, BLOCK);
    for (size_t i = 0; i < CV_POOL_KEPT + 3; i++)
        cv_free(&pool.alloc, buffers[i]);
    cr_assert_eq(ta.live, CV_POOL_KEPT);
}

Test(pool, a_buffer_larger_than_a_block_is_made_to_measure)
{
    void *kept = cv_alloc(&pool.alloc, BLOCK), *large;

    cv_free(&pool.alloc, kept);
    large = cv_alloc(&pool.alloc, 3 * BLOCK);
    cr_assert_neq(large, kept);
    memset(large, 1, 3 * BLOCK);
    cv_free(&pool.alloc, large);
}

Test(pool, without_memory_there_is_none)
{
    ta.fail_at = 1;
    cr_assert_null(cv_alloc(&pool.alloc, BLOCK));
}
