#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "base/seen.h"
#include "support/test_alloc.h"

static struct test_alloc memory;

static struct cv_seen *make(void)
{
    struct cv_seen *seen = NULL;

    test_alloc_init(&memory);
    cr_assert_eq(cv_seen_new(&seen, &memory.alloc, 42), 0);
    return seen;
}

static bool again(struct cv_seen *seen, unsigned number)
{
    char key[16];

    snprintf(key, sizeof(key), "k%u", number);
    return cv_seen_again(seen, key);
}

Test(seen, a_key_is_known_from_the_second_time_on)
{
    struct cv_seen *seen = make();

    cr_assert_not(cv_seen_again(seen, "foo"));
    cr_assert_not(cv_seen_again(seen, "fop"));
    cr_assert(cv_seen_again(seen, "foo"));
    cr_assert(cv_seen_again(seen, "foo"));
    cv_seen_free(seen);
    cr_assert_eq(memory.live, 0);
}

Test(seen, a_quarter_of_its_keys_are_kept_nearly_all)
{
    struct cv_seen *seen = make();
    unsigned known = 0;

    for (unsigned i = 0; i < CV_SEEN_MAX / 4; i++)
        cr_assert_not(again(seen, i));
    for (unsigned i = 0; i < CV_SEEN_MAX / 4; i++)
        known += again(seen, i);
    cr_assert_geq(known, CV_SEEN_MAX / 4 * 98 / 100, "%u", known);
    cv_seen_free(seen);
}

Test(seen, old_keys_make_room_for_new_ones)
{
    struct cv_seen *seen = make();
    unsigned known = 0;

    for (unsigned i = 0; i < 4 * CV_SEEN_MAX; i++)
        cr_assert_not(again(seen, i));
    for (unsigned i = 4 * CV_SEEN_MAX - 100; i < 4 * CV_SEEN_MAX; i++)
        known += again(seen, i);
    cr_assert_geq(known, 90, "%u", known);
    cr_assert_eq(memory.live, 1);
    cv_seen_free(seen);
}

Test(seen, no_memory_is_said)
{
    struct cv_seen *seen = NULL;

    test_alloc_init(&memory);
    memory.fail_at = 1;
    cr_assert_eq(cv_seen_new(&seen, &memory.alloc, 1), -ENOMEM);
    cr_assert_null(seen);
    cv_seen_free(seen);
}
