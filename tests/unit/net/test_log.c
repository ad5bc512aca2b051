#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/error.h"
#include "net/log.h"

struct kept {
    int lines;
    enum cv_log_level level;
    char last[2048];
};

static void keep(void *ctx, enum cv_log_level level, const char *line)
{
    struct kept *kept = ctx;

    kept->lines++;
    kept->level = level;
    snprintf(kept->last, sizeof(kept->last), "%s", line);
}

static struct kept kept;
static const struct cv_log all = {.level = CV_LOG_DEBUG, .write = keep, .ctx = &kept};

Test(log, leaves_out_what_is_not_wanted)
{
    struct cv_log log = all;

    log.level = CV_LOG_WARN;
    cv_log(&log, CV_LOG_INFO, "no");
    cr_assert_eq(kept.lines, 0);
    cv_log(&log, CV_LOG_WARN, "yes %d", 1);
    cv_log(&log, CV_LOG_ERROR, "yes %d", 2);
    cr_assert_eq(kept.lines, 2);
    cr_assert_str_eq(kept.last, "yes 2");
}

Test(log, escapes_controls_and_bytes_that_are_no_text)
{
    static const char *const pairs[][2] = {
        {"a\nb\r\t", "a\\x0ab\\x0d\\x09"},
        {"\033[2J\177", "\\x1b[2J\\x7f"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"}, /* two bytes */
        {"\xe2\x82\xac\xf0\x9f\x9a\x87", "\xe2\x82\xac\xf0\x9f\x9a\x87"},
        {"\x9b"
         "31m",
         "\\x9b31m"}, /* C1 as one byte */
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"},          /* C1 as UTF-8 */
        {"\xc0\x8a", "\\xc0\\x8a"}, /* an overlong line feed */
        {"\xe0\x80\x8a", "\\xe0\\x80\\x8a"},
        {"\xf0\x80\x80\x8a", "\\xf0\\x80\\x80\\x8a"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},          /* a surrogate */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* past the end */
        {"\xff", "\\xff"},
        {"\xe2\x82", "\\xe2\\x82"}, /* cut */
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        cv_log(&all, CV_LOG_INFO, "%s", pairs[i][0]);
        cr_assert_str_eq(kept.last, pairs[i][1]);
    }
}

Test(log, cuts_a_line_at_its_limit_and_never_inside_a_piece)
{
    char text[3000];

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    cv_log(&all, CV_LOG_INFO, "%s", text);
    cr_assert_eq(strlen(kept.last), CV_LOG_MAX);
    text[CV_LOG_MAX - 3] = '\n'; /* its escape needs four bytes and has three */
    cv_log(&all, CV_LOG_INFO, "%s", text);
    cr_assert_eq(strlen(kept.last), CV_LOG_MAX - 3);
    memset(text, '\n', sizeof(text) - 1);
    cv_log(&all, CV_LOG_INFO, "%s", text);
    cr_assert_eq(strlen(kept.last), CV_LOG_MAX);
}

/* What cv_log_stderr() writes for one line. */
static void capture(char *out, size_t size, bool json, const char *message)
{
    int pipe_fds[2], saved = dup(STDERR_FILENO);
    struct cv_log log;
    ssize_t n;

    cr_assert_eq(pipe(pipe_fds), 0);
    dup2(pipe_fds[1], STDERR_FILENO);
    cv_log_stderr(&log, CV_LOG_INFO, json);
    cv_log(&log, CV_LOG_DEBUG, "not wanted");
    cv_log(&log, CV_LOG_WARN, "%s", message);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(pipe_fds[1]);
    n = read(pipe_fds[0], out, size - 1);
    cr_assert_gt(n, 0);
    out[n] = '\0';
    close(pipe_fds[0]);
}

Test(log, writes_text_lines_with_a_time)
{
    char line[4096];
    int year, month, day, hour, minute, second, milli, used = 0;

    capture(line, sizeof(line), false, "hello \"you\"");
    cr_assert_eq(sscanf(line, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %n", &year, &month, &day, &hour,
                        &minute, &second, &milli, &used),
                 7);
    cr_assert_eq(used, 25);
    cr_assert_str_eq(line + used, "warn hello \"you\"\n");
}

Test(log, writes_json_that_a_parser_reads_back)
{
    char line[4096];
    json_t *object;
    json_error_t error;

    capture(line, sizeof(line), true, "a \"b\" \\ \n \xc3\xbc");
    object = json_loads(line, 0, &error);
    cr_assert_not_null(object, "%s: %s", error.text, line);
    cr_assert_str_eq(json_string_value(json_object_get(object, "level")), "warn");
    cr_assert_str_eq(json_string_value(json_object_get(object, "msg")),
                     "a \"b\" \\ \\x0a \xc3\xbc");
    cr_assert_eq(strlen(json_string_value(json_object_get(object, "ts"))), 24);
    cr_assert_eq(line[strlen(line) - 1], '\n');
    json_decref(object);
}

Test(log, writes_the_longest_json_line_whole)
{
    char text[2000], line[4096];
    json_t *object;

    memset(text, '"', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    capture(line, sizeof(line), true, text);
    object = json_loads(line, 0, NULL);
    cr_assert_not_null(object);
    cr_assert_eq(json_string_length(json_object_get(object, "msg")), CV_LOG_MAX);
    json_decref(object);
}

Test(log, names_every_kind_of_error)
{
    cr_assert_str_eq(cv_strerror(CV_EDENIED), "not allowed");
    cr_assert_str_eq(cv_strerror(-ECONNREFUSED), "connection refused");
    cr_assert_str_eq(cv_strerror(UV_EAI_NONAME), "unknown node or service");
    cr_assert_str_eq(cv_strerror(-EKEYREVOKED), "Key has been revoked"); /* unknown to libuv */
    cr_assert_str_eq(cv_strerror(-123456), "unknown error");
    cr_assert_str_eq(cv_strerror(7), "unknown error");
}

Test(log, fields_stand_behind_the_message_and_are_not_cut)
{
    char text[2000];

    cv_log_about(&all, CV_LOG_INFO, &(struct cv_log_about){"foo", 3, 17, "eof"}, "hello");
    cr_assert_str_eq(kept.last, "hello client=foo session=3 conn=17 reason=eof");
    cv_log_about(&all, CV_LOG_INFO, &(struct cv_log_about){.conn = 17}, "hello");
    cr_assert_str_eq(kept.last, "hello conn=17");
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    cv_log_about(&all, CV_LOG_INFO, &(struct cv_log_about){.client = "foo"}, "%s", text);
    cr_assert_eq(strlen(kept.last), CV_LOG_MAX);
    cr_assert_str_eq(kept.last + CV_LOG_MAX - 12, "x client=foo");
}

Test(log, a_client_cannot_pass_for_a_further_field)
{
    cv_log_about(&all, CV_LOG_INFO, &(struct cv_log_about){.client = "a conn=1\n\"b\""}, "hello");
    cr_assert_str_eq(kept.last, "hello client=a\\x20conn=1\\x0a\\x22b\\x22");
}

static bool refuse(void *ctx, enum cv_log_level level, const char *line,
                   const struct cv_log_about *about)
{
    (void)ctx, (void)level, (void)line, (void)about;
    return false;
}

Test(log, a_line_that_cannot_go_out_with_fields_goes_out_as_text)
{
    struct cv_log log = all;

    log.write_about = refuse;
    cv_log_about(&log, CV_LOG_INFO, &(struct cv_log_about){.client = "foo"}, "hello");
    cr_assert_str_eq(kept.last, "hello client=foo");
}

Test(log, a_line_about_nobody_is_about_whose_log_it_is)
{
    struct cv_log log = all;

    log.client = "foo";
    cv_log(&log, CV_LOG_INFO, "hello");
    cr_assert_str_eq(kept.last, "hello client=foo");
    cv_log_about(&log, CV_LOG_INFO, &(struct cv_log_about){.client = "bar", .session = 2}, "hello");
    cr_assert_str_eq(kept.last, "hello client=bar session=2");
}

static bool admit(struct cv_log_limit *limit, uint64_t now, const struct cv_log_about *whose)
{
    return cv_log_admit(&all, CV_LOG_INFO, limit, now, whose);
}

static void use_up(struct cv_log_limit *limit, uint64_t now)
{
    for (int i = 0; i < CV_LOG_BURST; i++)
        cr_assert(admit(limit, now, NULL));
}

#define NOW (100 * CV_SEC)

Test(log, counts_what_a_cause_says_too_often)
{
    struct cv_log_limit limit = {0};

    use_up(&limit, NOW);
    for (int i = 0; i < 7; i++)
        cr_assert_not(admit(&limit, NOW, NULL));
    cr_assert_eq(kept.lines, 0);
    cr_assert(admit(&limit, NOW + 4 * CV_SEC, NULL));
    cr_assert_str_eq(kept.last, "7 more like the next line in the last 5 s");
    cr_assert_eq(kept.level, CV_LOG_INFO, "as those that it counts");
    cr_assert(admit(&limit, NOW + 5 * CV_SEC, NULL));
    cr_assert_eq(kept.lines, 1, "they are told once");
}

Test(log, the_number_is_about_the_session_and_not_about_one_connection_of_it)
{
    struct cv_log_limit limit = {0};

    use_up(&limit, NOW);
    cr_assert_not(admit(&limit, NOW, NULL));
    cr_assert(admit(&limit, NOW + CV_SEC, &(struct cv_log_about){"foo", 3, 17, "eof"}));
    cr_assert_str_eq(kept.last, "1 more like the next line in the last 2 s client=foo session=3");
}

Test(log, a_level_that_is_not_wanted_uses_nothing_up_and_counts_nothing)
{
    struct cv_log_limit limit = {0};
    struct cv_log log = all;

    log.level = CV_LOG_WARN;
    for (int i = 0; i < 2 * CV_LOG_BURST; i++)
        cr_assert_not(cv_log_admit(&log, CV_LOG_INFO, &limit, NOW, NULL));
    cr_assert(cv_log_admit(&log, CV_LOG_WARN, &limit, NOW, NULL));
    cr_assert_eq(kept.lines, 0);
}

Test(log, a_flood_about_one_client_leaves_another_its_lines)
{
    struct cv_log_limits limits = {0};

    use_up(cv_log_share(&limits, "foo"), NOW);
    cr_assert_not(admit(cv_log_share(&limits, "foo"), NOW, NULL));
    cr_assert(admit(cv_log_share(&limits, "bar"), NOW, NULL));
    cr_assert(admit(cv_log_share(&limits, NULL), NOW, NULL));
    cr_assert_eq(cv_log_share(&limits, NULL), cv_log_share(&limits, ""));
    cr_assert_eq(kept.lines, 0, "nor does it count as foo's");
}

Test(log, what_was_left_out_is_told_once_when_it_is_quiet)
{
    struct cv_log_limits limits = {0};

    use_up(cv_log_share(&limits, "foo"), NOW);
    for (int i = 0; i < 7; i++)
        cr_assert_not(admit(cv_log_share(&limits, "foo"), NOW, NULL));
    cr_assert_eq(cv_log_left_out(&limits, NOW + CV_SEC), 0, "it may go on");
    cr_assert_eq(cv_log_left_out(&limits, NOW + CV_LOG_BURST * CV_SEC), 7);
    cr_assert_eq(cv_log_left_out(&limits, NOW + CV_LOG_BURST * CV_SEC), 0);
    cr_assert(admit(cv_log_share(&limits, "foo"), NOW + CV_LOG_BURST * CV_SEC, NULL));
    cr_assert_eq(kept.lines, 0);
}
