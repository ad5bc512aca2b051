#include <criterion/criterion.h>
#include <string.h>

#include "access/balance.h"
#include "base/error.h"

static struct cv_balance_rule rule(const char *client, enum cv_balance balance)
{
    struct cv_balance_rule out = {.balance = balance};

    cr_assert_eq(cv_key_pattern_parse(&out.client, client, strlen(client)), 0);
    return out;
}

Test(balance, is_the_newest_where_nothing_is_said)
{
    struct cv_balance_rule rules[] = {rule("foo", CV_BALANCE_ROUND_ROBIN)};

    cr_assert_eq(cv_balance_of(NULL, 0, "foo"), CV_BALANCE_NEWEST);
    cr_assert_eq(cv_balance_of(rules, 1, "fo"), CV_BALANCE_NEWEST);
    cr_assert_eq(cv_balance_of(rules, 1, "food"), CV_BALANCE_NEWEST);
    cr_assert_eq(cv_balance_of(rules, 1, "foo"), CV_BALANCE_ROUND_ROBIN);
}

Test(balance, the_rule_that_says_most_holds_in_whatever_order)
{
    struct cv_balance_rule rules[] = {
        rule("web-1*", CV_BALANCE_NEWEST), rule("web-10", CV_BALANCE_ROUND_ROBIN),
        rule("*", CV_BALANCE_LEAST_CONNS), rule("web-*", CV_BALANCE_ROUND_ROBIN)};

    for (int turn = 0; turn < 4; turn++) {
        struct cv_balance_rule first = rules[0];

        cr_assert_eq(cv_balance_of(rules, 4, "other"), CV_BALANCE_LEAST_CONNS);
        cr_assert_eq(cv_balance_of(rules, 4, "web-2"), CV_BALANCE_ROUND_ROBIN);
        cr_assert_eq(cv_balance_of(rules, 4, "web-1"), CV_BALANCE_NEWEST);
        cr_assert_eq(cv_balance_of(rules, 4, "web-101"), CV_BALANCE_NEWEST);
        cr_assert_eq(cv_balance_of(rules, 4, "web-10"), CV_BALANCE_ROUND_ROBIN);
        memmove(rules, rules + 1, 3 * sizeof(rules[0]));
        rules[3] = first;
    }
}

Test(balance, each_policy_is_read_by_its_name)
{
    enum cv_balance read;

    for (unsigned i = 0; i < CV_BALANCE_COUNT; i++) {
        cr_assert_eq(cv_balance_read(&read, cv_balance_name((enum cv_balance)i)), 0);
        cr_assert_eq(read, i);
    }
    cr_assert_eq(cv_balance_read(&read, ""), CV_ESYNTAX);
    cr_assert_eq(cv_balance_read(&read, "Newest"), CV_ESYNTAX);
}
