#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

#include "base/date.h"

Test(date, agrees_with_the_system_on_every_tenth_day_until_2100)
{
    for (int64_t when = 0; when < INT64_C(4102444800); when += INT64_C(864000) + 12345) {
        char ours[CV_DATE_SIZE], theirs[64];
        time_t seconds = (time_t)when;
        struct tm tm;
        int64_t back;

        cr_assert_not_null(gmtime_r(&seconds, &tm));
        strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        cv_date_write(ours, when);
        cr_assert_str_eq(ours, theirs);
        cr_assert(cv_date_read(&back, ours, strlen(ours)));
        cr_assert_eq(back, when);
    }
}

Test(date, reads_utc_in_place_of_gmt)
{
    int64_t when;

    cr_assert(cv_date_read(&when, "Thu, 01 Jan 1970 00:01:00 UTC", 29));
    cr_assert_eq(when, 60);
}

Test(date, refuses_what_is_no_date)
{
    static const char *const wrong[] = {
        "",
        "Thu, 01 Jan 1970 00:00:00 CET",
        "Thu, 32 Jan 1970 00:00:00 GMT",
        "Thu, 29 Feb 1970 00:00:00 GMT",
        "Thu, 00 Jan 1970 00:00:00 GMT",
        "Thu, 01 Jax 1970 00:00:00 GMT",
        "Thu, 01 Jan 1969 00:00:00 GMT",
        "Thu, 01 Jan 1970 24:00:00 GMT",
        "Thu, 01 Jan 1970 00:60:00 GMT",
        "Thu, 01-Jan 1970 00:00:00 GMT",
        "Thu, -1 Jan 1970 00:00:00 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT ",
    };
    int64_t when;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert_not(cv_date_read(&when, wrong[i], strlen(wrong[i])), "%s", wrong[i]);
}
