#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autobahn.h"

struct list {
    size_t count;
    char numbers[AB_CASES][16];
};

static void note(const struct ab_case *c, void *ctx)
{
    struct list *list = ctx;

    cr_assert_lt(list->count, AB_CASES, "%s is one too many", c->number);
    for (size_t i = 0; i < list->count; i++)
        cr_assert_str_neq(list->numbers[i], c->number, "%s stands there twice", c->number);
    snprintf(list->numbers[list->count++], sizeof(list->numbers[0]), "%s", c->number);
}

static size_t in_section(const struct list *list, const char *section)
{
    size_t count = 0;

    for (size_t i = 0; i < list->count; i++)
        count += strncmp(list->numbers[i], section, strlen(section)) == 0;
    return count;
}

Test(autobahn, has_every_case_of_the_list_once)
{
    static const struct {
        char section[8];
        size_t cases;
    } sections[] = {{"1.1.", 8},   {"1.2.", 8},  {"2.", 11},  {"3.", 7},    {"4.1.", 5},
                    {"4.2.", 5},   {"5.", 20},   {"6.", 145}, {"6.6.", 11}, {"6.12.", 8},
                    {"6.22.", 34}, {"6.23.", 7}, {"7.", 37},  {"7.7.", 13}, {"7.9.", 9},
                    {"9.", 54},    {"9.3.", 9},  {"10.1.", 1}};
    struct list *list = calloc(1, sizeof(*list));

    ab_basic_cases(note, list);
    ab_utf8_cases(note, list);
    ab_limit_cases(note, list);
    cr_assert_eq(list->count, AB_CASES);
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
        cr_assert_eq(in_section(list, sections[i].section), sections[i].cases, "section %s",
                     sections[i].section);
    free(list);
}

/* Bytes that the case sends, near enough to choose how often it runs. */
static size_t weight(const struct ab_case *c)
{
    size_t sum = 0;

    for (const struct ab_frame *frame = c->sends; frame->unit; frame++)
        sum += (frame->len + CV_WS_HEAD_MAX) * (frame->times ? frame->times : 1);
    return sum;
}

/* Every case in its own way of chopping, and whole; the light ones in many more. */
static void run_chunked(const struct ab_case *c, void *ctx)
{
    static const size_t chunks[] = {1, AB_FRAMEWISE, 2, 3, 5, 7, 13, 64, 997};
    const enum cv_ws_role *role = ctx;

    ab_run(c, *role, AB_WHOLE);
    if (c->chop)
        ab_run(c, *role, c->chop);
    if (weight(c) > (size_t)300 * 1024) {
        ab_run(c, *role, 4093);
        return;
    }
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++)
        ab_run(c, *role, chunks[i]);
}

#define RUN(cases, as)                          \
    Test(autobahn, answers_##cases##_as_##as)   \
    {                                           \
        enum cv_ws_role role = AS_##as;         \
                                                \
        ab_##cases##_cases(run_chunked, &role); \
    }
#define AS_server CV_WS_SERVER
#define AS_client CV_WS_CLIENT

RUN(basic, server)
RUN(basic, client)
RUN(utf8, server)
RUN(utf8, client)
RUN(limit, server)
RUN(limit, client)
