#include <criterion/criterion.h>

#include "access/pace.h"

/* How many of an endless queue are taken in @time. */
static unsigned taken(struct cv_pace *pace, uint64_t *now, uint64_t time)
{
    uint64_t end = *now + time;
    unsigned count = 0;

    while (*now < end) {
        uint64_t wait = cv_pace_take(pace, *now);

        count++;
        *now += wait;
    }
    return count;
}

Test(pace, takes_its_rate_a_second_and_a_burst_at_first)
{
    static const uint64_t rates[] = {100, 2000, 1000000};

    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct cv_pace pace = {.rate = rates[i]};
        uint64_t now = 5 * CV_SEC;
        unsigned first = taken(&pace, &now, CV_SEC), next = taken(&pace, &now, CV_SEC);

        cr_assert_leq(first, rates[i] + rates[i] / 20 + 1, "%u", first);
        cr_assert_leq(next, rates[i] + rates[i] / 20 + 1, "%u", next);
        cr_assert_geq(first + next, 2 * rates[i] - rates[i] / 20, "%u", first + next);
    }
}

Test(pace, one_at_a_time_below_the_rate_never_waits)
{
    struct cv_pace pace = {.rate = 100};

    for (uint64_t now = CV_SEC; now < 3 * CV_SEC; now += 10 * CV_MSEC)
        cr_assert_eq(cv_pace_take(&pace, now), 0);
}

Test(pace, a_slow_one_still_goes_on)
{
    struct cv_pace pace = {.rate = 1};
    uint64_t now = CV_SEC;
    unsigned count = taken(&pace, &now, 10 * CV_SEC);

    cr_assert_geq(count, 10);
    cr_assert_leq(count, 11);
}

Test(pace, without_a_rate_nobody_waits)
{
    struct cv_pace pace = {.rate = 0};

    for (int i = 0; i < 100000; i++)
        cr_assert_eq(cv_pace_take(&pace, CV_SEC), 0);
}
