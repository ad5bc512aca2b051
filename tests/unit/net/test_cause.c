#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "net/cause.h"
#include "net/loop.h"

struct kept {
    int lines;
    enum cv_log_level level;
    char last[CV_LOG_MAX + 1];
};

static void keep(void *ctx, enum cv_log_level level, const char *line)
{
    struct kept *kept = ctx;

    kept->lines++;
    kept->level = level;
    snprintf(kept->last, sizeof(kept->last), "%s", line);
}

static struct kept kept;
static struct cv_loop loop;

static void open_loop(void)
{
    const struct cv_log log = {.level = CV_LOG_INFO, .write = keep, .ctx = &kept};

    cr_assert_eq(cv_loop_init(&loop, &log), 0);
}

static void close_loop(void)
{
    uv_run(loop.uv, UV_RUN_DEFAULT);
    cr_assert_eq(cv_loop_deinit(&loop), 0);
}

TestSuite(cause, .init = open_loop, .fini = close_loop);

static void flood(enum cv_cause cause, const char *client)
{
    for (int i = 0; i < 3 * CV_LOG_BURST; i++)
        cv_log_cause(&loop, cause, &(struct cv_log_about){.client = client}, "line %d", i);
}

Test(cause, each_has_a_limit_of_its_own_and_each_client_its_share)
{
    flood(CV_CAUSE_TURNED_AWAY, "foo");
    cr_assert_eq(kept.lines, CV_LOG_BURST);
    cr_assert_str_eq(kept.last, "line 19 client=foo");
    cr_assert_eq(kept.level, CV_LOG_WARN);
    cv_log_cause(&loop, CV_CAUSE_TURNED_AWAY, &(struct cv_log_about){.client = "bar"}, "hers");
    cr_assert_str_eq(kept.last, "hers client=bar");
    cv_log_cause(&loop, CV_CAUSE_FRONT_REQUEST, NULL, "no request");
    cr_assert_str_eq(kept.last, "no request");
    cr_assert_eq(kept.level, CV_LOG_INFO);
}

Test(cause, what_was_left_out_is_told_when_it_is_quiet)
{
    flood(CV_CAUSE_TURNED_AWAY, "foo");
    cv_causes_tell(&loop);
    cr_assert_eq(kept.lines, CV_LOG_BURST, "it may go on");
    cv_log_share(&loop.causes.of[CV_CAUSE_TURNED_AWAY], "foo")->full_at = cv_loop_now(&loop);
    cv_causes_tell(&loop);
    cr_assert_str_eq(kept.last, "40 more lines about visitors turned away");
    cv_causes_tell(&loop);
    cr_assert_eq(kept.lines, CV_LOG_BURST + 1, "once");
}

Test(cause, a_level_that_is_not_wanted_counts_nothing)
{
    loop.log.level = CV_LOG_WARN;
    flood(CV_CAUSE_FRONT_REQUEST, NULL);
    cr_assert_eq(cv_log_share(&loop.causes.of[CV_CAUSE_FRONT_REQUEST], NULL)->dropped, 0);
    cr_assert_eq(kept.lines, 0);
}
