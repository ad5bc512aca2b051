#include <criterion/criterion.h>
#include <errno.h>

#include "access/quota.h"
#include "base/error.h"
#include "support/test_alloc.h"

static struct test_alloc memory;
static struct cv_quota *quota;
static const uint8_t ann[CV_TOKEN_DIGEST] = {1}, bob[CV_TOKEN_DIGEST] = {2};

static void set_up(void)
{
    test_alloc_init(&memory);
    cr_assert_eq(cv_quota_new(&quota, &memory.alloc), 0);
}

static void tear_down(void)
{
    cv_quota_free(quota);
    cr_expect_eq(memory.live, 0, "everything is freed");
}

TestSuite(quota, .init = set_up, .fini = tear_down);

Test(quota, one_token_has_so_many_at_once_and_another_its_own)
{
    cr_assert_eq(cv_quota_enter(quota, ann, 2), 0);
    cr_assert_eq(cv_quota_enter(quota, ann, 2), 0);
    cr_assert_eq(cv_quota_enter(quota, ann, 2), CV_EQUOTA);
    cr_assert_eq(cv_quota_enter(quota, bob, 2), 0);
    cv_quota_leave(quota, ann);
    cr_assert_eq(cv_quota_enter(quota, ann, 2), 0);
    cr_assert_eq(cv_quota_enter(quota, ann, 2), CV_EQUOTA);
}

Test(quota, a_limit_that_changes_is_about_those_that_stand)
{
    for (int i = 0; i < 3; i++)
        cr_assert_eq(cv_quota_enter(quota, ann, 0), 0);
    cr_assert_eq(cv_quota_enter(quota, ann, 2), CV_EQUOTA);
    cr_assert_eq(cv_quota_enter(quota, ann, 4), 0);
    for (int i = 0; i < 3; i++)
        cv_quota_leave(quota, ann);
    cr_assert_eq(cv_quota_enter(quota, ann, 2), 0);
    cr_assert_eq(cv_quota_enter(quota, ann, 2), CV_EQUOTA);
}

Test(quota, holds_no_token_without_connections)
{
    cr_assert_eq(cv_quota_enter(quota, ann, 2), 0);
    cr_assert_eq(cv_quota_enter(quota, bob, 0), 0);
    cr_assert_eq(cv_quota_count(quota), 2);
    cv_quota_leave(quota, ann);
    cv_quota_leave(quota, bob);
    cv_quota_leave(quota, bob);
    cr_assert_eq(cv_quota_count(quota), 0);
}

Test(quota, without_memory_nobody_comes_in_uncounted)
{
    for (size_t i = 1; i <= 2; i++) {
        memory.fail_at = memory.calls + i;
        cr_assert_eq(cv_quota_enter(quota, ann, 2), -ENOMEM);
        cr_assert_eq(cv_quota_count(quota), 0);
    }
}
