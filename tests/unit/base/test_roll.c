#include <criterion/criterion.h>

#include "base/roll.h"

Test(roll, is_complete_when_the_last_one_has_answered)
{
    struct cv_roll roll;

    cv_roll_init(&roll, 3);
    cr_assert(cv_roll_call(&roll));
    cr_assert_not(cv_roll_answer(&roll, 1));
    cr_assert_not(cv_roll_answer(&roll, 1));
    cr_assert_not(cv_roll_answer(&roll, 0));
    cr_assert(cv_roll_answer(&roll, 2));
}

Test(roll, asks_nobody_while_one_is_missing)
{
    struct cv_roll roll;

    cv_roll_init(&roll, 2);
    cr_assert(cv_roll_call(&roll));
    cr_assert_not(cv_roll_answer(&roll, 0));
    cr_assert_not(cv_roll_call(&roll));
    cr_assert_not(cv_roll_answer(&roll, 0), "an answer counts once");
    cr_assert(cv_roll_answer(&roll, 1), "late, but all are there");
    cr_assert(cv_roll_call(&roll));
}

Test(roll, does_not_wait_for_who_is_gone)
{
    struct cv_roll roll;

    cv_roll_init(&roll, 2);
    cr_assert(cv_roll_call(&roll));
    cr_assert_not(cv_roll_answer(&roll, 0));
    cr_assert(cv_roll_leave(&roll, 1), "it was the last one that was missing");
    cr_assert(cv_roll_call(&roll));
    cr_assert(cv_roll_answer(&roll, 0));
    cr_assert_not(cv_roll_leave(&roll, 0), "nobody was asked");
}

Test(roll, holds_as_many_as_it_says)
{
    struct cv_roll roll;

    cv_roll_init(&roll, CV_ROLL_MAX);
    cr_assert(cv_roll_call(&roll));
    for (unsigned who = 0; who + 1 < CV_ROLL_MAX; who++)
        cr_assert_not(cv_roll_answer(&roll, who));
    cr_assert(cv_roll_answer(&roll, CV_ROLL_MAX - 1));
}

Test(roll, answers_that_nobody_asked_for_complete_nothing)
{
    struct cv_roll roll;

    cv_roll_init(&roll, 1);
    cr_assert_not(cv_roll_answer(&roll, 0));
}
