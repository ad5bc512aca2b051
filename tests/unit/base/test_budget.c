#include <criterion/criterion.h>

#include "base/budget.h"

Test(budget, takes_up_to_its_limit_and_no_more)
{
    struct cv_budget budget = {.limit = 10};

    cr_assert(cv_budget_take(&budget, 4));
    cr_assert(cv_budget_take(&budget, 6));
    cr_assert_not(cv_budget_take(&budget, 1));
    cr_assert(cv_budget_take(&budget, 0));
    cr_assert_eq(budget.used, 10);
    cv_budget_give(&budget, 1);
    cr_assert_not(cv_budget_take(&budget, 2));
    cr_assert(cv_budget_take(&budget, 1));
}

Test(budget, charges_every_parent)
{
    struct cv_budget process = {.limit = 100};
    struct cv_budget session = {.limit = 50, .parent = &process};
    struct cv_budget conn = {.limit = 20, .parent = &session};

    cr_assert(cv_budget_take(&conn, 15));
    cr_assert(cv_budget_take(&session, 5));
    cr_assert_eq(conn.used, 15);
    cr_assert_eq(session.used, 20);
    cr_assert_eq(process.used, 20);
    cv_budget_give(&conn, 15);
    cr_assert_eq(conn.used, 0);
    cr_assert_eq(session.used, 5);
    cr_assert_eq(process.used, 5);
}

Test(budget, refused_by_a_parent_charges_nobody)
{
    struct cv_budget process = {.limit = 10};
    struct cv_budget session = {.limit = 100, .parent = &process};
    struct cv_budget other = {.limit = 100, .parent = &process};

    cr_assert(cv_budget_take(&other, 5));
    cr_assert_not(cv_budget_take(&session, 3));
    cr_assert_eq(session.used, 0);
    cr_assert_eq(process.used, 5);
    cr_assert(cv_budget_take(&session, 2));
}

Test(budget, leaves_to_others_as_much_as_one_holds)
{
    struct cv_budget process = {.limit = 100};
    struct cv_budget hoarder = {.limit = 1000, .parent = &process};
    struct cv_budget other = {.limit = 1000, .parent = &process};

    cr_assert_not(cv_budget_take(&hoarder, 51));
    cr_assert(cv_budget_take(&hoarder, 50));
    cr_assert_eq(cv_budget_room(&hoarder), 0);
    cr_assert_eq(cv_budget_room(&other), 25);
    cr_assert(cv_budget_take(&other, 25));
    cr_assert_not(cv_budget_take(&other, 1));
    cv_budget_give(&hoarder, 50);
    cr_assert_eq(cv_budget_room(&other), 25);
}

Test(budget, survives_sizes_that_would_overflow)
{
    struct cv_budget budget = {.limit = SIZE_MAX - 1};

    cr_assert_not(cv_budget_take(&budget, SIZE_MAX));
    cr_assert(cv_budget_take(&budget, SIZE_MAX - 2));
    cr_assert_not(cv_budget_take(&budget, SIZE_MAX - 2));
    cr_assert(cv_budget_take(&budget, 1));
    cr_assert_not(cv_budget_take(&budget, 1));
}
