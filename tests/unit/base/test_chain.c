#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/chain.h"
#include "base/error.h"
#include "base/random.h"
#include "support/test_alloc.h"

#define LIMIT ((size_t)1 << 20)

static struct test_alloc ta;
static struct cv_budget budget;
static struct cv_chain chain;

static void set_up(void)
{
    test_alloc_init(&ta);
    budget = (struct cv_budget){.limit = LIMIT};
    chain = (struct cv_chain){0};
}

/* Whatever a test did, nothing may be left and nothing charged. */
static void tear_down(void)
{
    cv_chain_clear(&chain, &ta.alloc, &budget);
    cr_assert_eq(ta.live, 0);
    cr_assert_eq(budget.used, 0);
}

TestSuite(chain, .init = set_up, .fini = tear_down);

/* What the chain says that it holds is what it took from the allocator and what the budget was
 * charged. */
static void assert_exact(void)
{
    cr_assert_eq(chain.held, ta.bytes);
    cr_assert_eq(chain.held, budget.used);
    cr_assert_geq(chain.held, chain.len);
    cr_assert_eq(chain.len == 0, chain.held == 0);
    cr_assert_eq(chain.head == NULL, chain.tail == NULL);
}

static void append(const void *data, size_t len)
{
    cr_assert_eq(cv_chain_append(&chain, &ta.alloc, &budget, data, len), 0);
    assert_exact();
}

/* Reads @len bytes in pieces of at most @piece and compares them with @expected. */
static void assert_reads(const uint8_t *expected, size_t len, size_t piece)
{
    while (len) {
        const uint8_t *data;
        size_t n = cv_chain_peek(&chain, &data);

        cr_assert_neq(n, 0);
        n = cv_min_size(cv_min_size(n, piece), len);
        cr_assert_eq(memcmp(data, expected, n), 0);
        cv_chain_consume(&chain, &ta.alloc, &budget, n);
        assert_exact();
        expected += n;
        len -= n;
    }
}

static void fill(uint8_t *buf, size_t len, uint64_t seed)
{
    struct cv_prng prng;

    cv_prng_init(&prng, seed);
    for (size_t i = 0; i < len; i++)
        buf[i] = (uint8_t)cv_prng_next(&prng);
}

Test(chain, empty_holds_nothing)
{
    const uint8_t *data;

    cr_assert_eq(cv_chain_peek(&chain, &data), 0);
    append("", 0);
    append(NULL, 0);
    cr_assert_eq(ta.calls, 0);
}

Test(chain, returns_the_bytes_in_order)
{
    append("hello", 5);
    append(", ", 2);
    append("world", 5);
    cr_assert_eq(chain.len, 12);
    assert_reads((const uint8_t *)"hello, world", 12, 5);
    cr_assert_eq(chain.len, 0);
}

Test(chain, small_pieces_share_a_block)
{
    for (int i = 0; i < 100; i++)
        append("x", 1);
    cr_assert_eq(ta.calls, 1);
}

Test(chain, a_block_goes_back_as_soon_as_it_is_read)
{
    uint8_t bytes[4000];
    const uint8_t *data;
    size_t first;

    fill(bytes, sizeof(bytes), 1);
    append(bytes, 1);
    append(bytes + 1, sizeof(bytes) - 1);
    cr_assert_eq(ta.live, 2);
    first = cv_chain_peek(&chain, &data);
    cv_chain_consume(&chain, &ta.alloc, &budget, first - 1);
    cr_assert_eq(ta.live, 2);
    cv_chain_consume(&chain, &ta.alloc, &budget, 1);
    cr_assert_eq(ta.live, 1);
    assert_exact();
}

Test(chain, one_consume_may_cross_blocks)
{
    uint8_t bytes[10000];

    fill(bytes, sizeof(bytes), 2);
    for (size_t at = 0; at < sizeof(bytes); at += 2500)
        append(bytes + at, 2500);
    cv_chain_consume(&chain, &ta.alloc, &budget, 7001);
    assert_exact();
    assert_reads(bytes + 7001, sizeof(bytes) - 7001, SIZE_MAX);
}

Test(chain, read_copies_across_blocks_and_drops_what_it_copied)
{
    uint8_t bytes[10000];
    uint8_t out[10000];

    fill(bytes, sizeof(bytes), 7);
    for (size_t at = 0; at < sizeof(bytes); at += 2500)
        append(bytes + at, 2500);
    cv_chain_read(&chain, &ta.alloc, &budget, out, 0);
    cr_assert_eq(chain.len, sizeof(bytes));
    cv_chain_read(&chain, &ta.alloc, &budget, out, 6001);
    assert_exact();
    cr_assert_eq(chain.len, sizeof(bytes) - 6001);
    cv_chain_read(&chain, &ta.alloc, &budget, out + 6001, sizeof(bytes) - 6001);
    assert_exact();
    cr_assert_eq(memcmp(bytes, out, sizeof(bytes)), 0);
    cr_assert_eq(ta.live, 0);
}

Test(chain, works_without_a_budget)
{
    const uint8_t *data;

    cr_assert_eq(cv_chain_append(&chain, &ta.alloc, NULL, "abc", 3), 0);
    cr_assert_eq(cv_chain_peek(&chain, &data), 3);
    cv_chain_consume(&chain, &ta.alloc, NULL, 1);
    cv_chain_clear(&chain, &ta.alloc, NULL);
    cr_assert_eq(ta.live, 0);
}

Test(chain, can_be_used_again_after_clear)
{
    append("abc", 3);
    cv_chain_clear(&chain, &ta.alloc, &budget);
    assert_exact();
    append("de", 2);
    assert_reads((const uint8_t *)"de", 2, 1);
}

Test(chain, over_budget_changes_nothing)
{
    uint8_t bytes[3000];

    fill(bytes, sizeof(bytes), 3);
    append(bytes, 10);
    budget.limit = budget.used + 1000;
    cr_assert_eq(cv_chain_append(&chain, &ta.alloc, &budget, bytes + 10, sizeof(bytes) - 10),
                 CV_EFULL);
    assert_exact();
    cr_assert_eq(chain.len, 10);
    cr_assert_eq(ta.live, 1);
    budget.limit = LIMIT;
    append(bytes + 10, sizeof(bytes) - 10);
    assert_reads(bytes, sizeof(bytes), SIZE_MAX);
}

Test(chain, takes_exactly_what_the_budget_leaves)
{
    uint8_t bytes[1500] = {0};
    size_t held;

    append(bytes, sizeof(bytes));
    held = chain.held;
    cv_chain_clear(&chain, &ta.alloc, &budget);
    budget.limit = held - 1;
    cr_assert_eq(cv_chain_append(&chain, &ta.alloc, &budget, bytes, sizeof(bytes)), CV_EFULL);
    cr_assert_eq(ta.live, 0);
    budget.limit = held;
    append(bytes, sizeof(bytes));
}

/* Every allocation of a long run fails once; the bytes that were taken still come out in order. */
Test(chain, a_failing_allocation_changes_nothing)
{
    static uint8_t bytes[20000];
    size_t calls = SIZE_MAX;

    fill(bytes, sizeof(bytes), 4);
    for (size_t fail_at = 1; fail_at <= calls; fail_at++) {
        size_t failed = 0;

        set_up();
        ta.fail_at = fail_at;
        for (size_t at = 0, n = 1; at < sizeof(bytes); at += n, n = n * 3 % 1777) {
            const struct cv_chain before = chain;
            size_t len = cv_min_size(n, sizeof(bytes) - at);

            if (cv_chain_append(&chain, &ta.alloc, &budget, bytes + at, len) == -ENOMEM) {
                cr_assert_eq(memcmp(&before, &chain, sizeof(chain)), 0);
                failed++;
                cr_assert_eq(cv_chain_append(&chain, &ta.alloc, &budget, bytes + at, len), 0);
            }
            assert_exact();
        }
        cr_assert_eq(failed, fail_at <= ta.calls);
        calls = ta.calls - failed;
        assert_reads(bytes, sizeof(bytes), 999);
    }
    cr_assert_gt(calls, 5);
}

Test(chain, keeps_order_under_random_use)
{
    static uint8_t bytes[1 << 18];
    struct cv_prng prng;
    struct cv_random random;
    size_t in = 0;
    size_t out = 0;

    fill(bytes, sizeof(bytes), 5);
    cv_prng_init(&prng, 6);
    random = cv_prng_random(&prng);
    while (out < sizeof(bytes)) {
        size_t n = (size_t)cv_random_below(&random, 5000);

        n = cv_min_size(n, sizeof(bytes) - in);
        append(bytes + in, n);
        in += n;
        n = (size_t)cv_random_below(&random, chain.len + 1);
        assert_reads(bytes + out, n, 1 + (size_t)cv_random_below(&random, 3000));
        out += n;
    }
    cr_assert_eq(chain.held, 0);
}
