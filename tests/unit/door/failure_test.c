#include <string.h>

#include <criterion/criterion.h>

#include "door/failure.h"

static enum cv_failure read_text(const char *text)
{
    return cv_failure_read(text, strlen(text));
}

Test(failure, reads_what_agents_say_of_a_dial)
{
    static const struct {
        const char *text;
        enum cv_failure failure;
    } cases[] = {
        {"dial tcp 127.0.0.1:18300: connect: connection refused", CV_FAILURE_REFUSED},
        {"dial tcp 10.0.0.1:1: connect: no route to host", CV_FAILURE_NO_HOST},
        {"dial tcp 10.0.0.1:1: connect: host is unreachable", CV_FAILURE_NO_HOST},
        {"dial unix /x: connect: no such file or directory", CV_FAILURE_NO_HOST},
        {"dial tcp 10.0.0.1:1: connect: network is unreachable", CV_FAILURE_NO_NETWORK},
        {"dial tcp nowhere:1: connect: unknown node or service", CV_FAILURE_NO_NAME},
        {"dial tcp: lookup nowhere on 10.0.0.2:53: no such host", CV_FAILURE_NO_NAME},
        {"dial tcp 10.0.0.1:1: i/o timeout", CV_FAILURE_TIMEOUT},
        {"dial tcp 10.0.0.1:1: connect: connection timed out", CV_FAILURE_TIMEOUT},
        {"dial tcp 10.0.0.1:1: not allowed by the agent", CV_FAILURE_DENIED},
        {"connect not allowed", CV_FAILURE_DENIED},
        {"too many connections on this session", CV_FAILURE_FULL},
        {"what a day", CV_FAILURE_OTHER},
        {"", CV_FAILURE_OTHER},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_eq(read_text(cases[i].text), cases[i].failure, "%s", cases[i].text);
}

Test(failure, looks_at_no_byte_behind_the_text)
{
    static const char text[] = "connect: connection refused";

    cr_assert_eq(cv_failure_read(text, sizeof(text) - 2), CV_FAILURE_OTHER);
    cr_assert_eq(cv_failure_read(NULL, 0), CV_FAILURE_OTHER);
}

Test(failure, every_row_is_an_error_but_the_first)
{
    cr_assert_eq(cv_failure_socks(CV_FAILURE_NONE), 0);
    cr_assert_eq(cv_failure_status(CV_FAILURE_NONE), 200);
    for (int i = CV_FAILURE_NONE + 1; i < CV_FAILURE_COUNT; i++) {
        cr_assert_gt(cv_failure_socks((enum cv_failure)i), 0);
        cr_assert_lt(cv_failure_socks((enum cv_failure)i), 9);
        cr_assert_geq(cv_failure_status((enum cv_failure)i), 400);
        cr_assert_gt(strlen(cv_failure_text((enum cv_failure)i)), 0);
    }
}
