#include <criterion/criterion.h>
#include <string.h>

#include "base/random.h"

/* The first outputs of xoshiro256** seeded by splitmix64(0), from a model of the published C code.
 */
Test(random, follows_the_published_generator)
{
    const uint64_t expected[] = {UINT64_C(0x99ec5f36cb75f2b4), UINT64_C(0xbf6e1f784956452a),
                                 UINT64_C(0x1a5f849d4933e6e0), UINT64_C(0x6aa594f1262d2d2c)};
    struct cv_prng prng;

    cv_prng_init(&prng, 0);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        cr_assert_eq(cv_prng_next(&prng), expected[i]);
}

Test(random, one_seed_gives_one_sequence)
{
    struct cv_prng a, b, c;

    cv_prng_init(&a, 7);
    cv_prng_init(&b, 7);
    cv_prng_init(&c, 8);
    for (int i = 0; i < 100; i++) {
        uint64_t value = cv_prng_next(&a);

        cr_assert_eq(value, cv_prng_next(&b));
        cr_assert_neq(value, cv_prng_next(&c));
    }
}

Test(random, fills_any_length_and_not_a_byte_more)
{
    struct cv_prng prng;
    struct cv_random random = cv_prng_random(&prng);

    for (size_t len = 0; len <= 20; len++) {
        uint8_t buf[32], again[32];

        memset(buf, 0xaa, sizeof(buf));
        memset(again, 0x55, sizeof(again));
        cv_prng_init(&prng, 9);
        random.fill(random.ctx, buf, len);
        cv_prng_init(&prng, 9);
        random.fill(random.ctx, again, len);
        cr_assert_eq(memcmp(buf, again, len), 0);
        for (size_t i = len; i < sizeof(buf); i++)
            cr_assert_eq(buf[i], 0xaa);
    }
}

/* Hands out the numbers that it was given, in turn. */
struct script {
    const uint64_t *values;
    size_t at;
};

static void script_fill(void *ctx, void *buf, size_t len)
{
    struct script *script = ctx;

    cr_assert_eq(len, sizeof(uint64_t));
    memcpy(buf, &script->values[script->at++], len);
}

Test(random, below_drops_the_values_that_would_be_likelier)
{
    /* 2^64 mod 3 is 1: the one value under it is thrown away. */
    const uint64_t values[] = {0, 1};
    struct script script = {.values = values};
    const struct cv_random random = {.fill = script_fill, .ctx = &script};

    cr_assert_eq(cv_random_below(&random, 3), 1);
    cr_assert_eq(script.at, 2);
}

Test(random, below_a_power_of_two_drops_nothing)
{
    const uint64_t values[] = {0, UINT64_MAX};
    struct script script = {.values = values};
    const struct cv_random random = {.fill = script_fill, .ctx = &script};

    cr_assert_eq(cv_random_below(&random, 16), 0);
    cr_assert_eq(cv_random_below(&random, 16), 15);
}

Test(random, below_zero_or_one_is_zero)
{
    struct cv_prng prng;
    struct cv_random random = cv_prng_random(&prng);

    cv_prng_init(&prng, 10);
    cr_assert_eq(cv_random_below(&random, 0), 0);
    cr_assert_eq(cv_random_below(&random, 1), 0);
}

Test(random, below_reaches_every_value_about_as_often)
{
    struct cv_prng prng;
    struct cv_random random = cv_prng_random(&prng);
    int seen[7] = {0};

    cv_prng_init(&prng, 11);
    for (int i = 0; i < 70000; i++)
        seen[cv_random_below(&random, 7)]++;
    for (int i = 0; i < 7; i++)
        cr_assert(seen[i] > 9500 && seen[i] < 10500, "%d: %d", i, seen[i]);
}
