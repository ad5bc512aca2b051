#include <stdio.h>

#include "autobahn.h"

/* Section 9: a few figures a subsection. */

#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)

/* One row is a subsection: its cases differ in one figure. */
struct subsection {
    const char *number;
    bool binary;
    const char *unit;
    size_t unit_len;
    enum { GROWS, FRAGMENTS, CHOPS, ROUND_TRIPS } figure;
    size_t len;         /* of the message, where the figure is another */
    size_t figures[10]; /* ends with SIZE_MAX */
};

#define TEXT_UNIT   .binary = false, .unit = "BAsd7&jh23", .unit_len = 10
#define BINARY_UNIT .binary = true, .unit = "\x00\xfe\x23\xfa\xf0", .unit_len = 5
#define SIZES                                                          \
    {                                                                  \
        64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB, SIZE_MAX \
    }
#define PIECES                                                                       \
    {                                                                                \
        64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB, SIZE_MAX \
    }
#define BITES                                   \
    {                                           \
        64, 128, 256, 512, 1024, 2048, SIZE_MAX \
    }
#define TRIPS                                \
    {                                        \
        0, 16, 64, 256, 1024, 4096, SIZE_MAX \
    }

static const struct subsection subsections[] = {
    {"9.1", TEXT_UNIT, .figure = GROWS, .figures = SIZES},
    {"9.2", BINARY_UNIT, .figure = GROWS, .figures = SIZES},
    {"9.3", TEXT_UNIT, .figure = FRAGMENTS, .len = 4 * MIB, .figures = PIECES},
    {"9.4", BINARY_UNIT, .figure = FRAGMENTS, .len = 4 * MIB, .figures = PIECES},
    {"9.5", TEXT_UNIT, .figure = CHOPS, .len = MIB, .figures = BITES},
    {"9.6", BINARY_UNIT, .figure = CHOPS, .len = MIB, .figures = BITES},
    {"9.7", TEXT_UNIT, .figure = ROUND_TRIPS, .figures = TRIPS},
    {"9.8", BINARY_UNIT, .figure = ROUND_TRIPS, .figures = TRIPS},
};

static void fill(struct ab_case *c, const struct subsection *s, size_t figure)
{
    struct ab_frame *frame = &c->sends[0];
    bool is_len = s->figure == GROWS || s->figure == ROUND_TRIPS;

    *frame = (struct ab_frame){.first = (uint8_t)(0x80 | (s->binary ? CV_WS_BINARY : CV_WS_TEXT)),
                               .times = s->figure == ROUND_TRIPS ? 1000 : 1,
                               .unit = s->unit,
                               .unit_len = s->unit_len,
                               .len = is_len ? figure : s->len};
    c->wants[0] = *frame;
    if (s->figure == FRAGMENTS)
        frame->fragment = figure;
    if (s->figure == CHOPS)
        c->chop = figure;
    if (s->figure == ROUND_TRIPS)
        c->chop = AB_FRAMEWISE;
}

void ab_limit_cases(ab_visit *visit, void *ctx)
{
    for (size_t i = 0; i < sizeof(subsections) / sizeof(subsections[0]); i++) {
        const struct subsection *s = &subsections[i];

        for (size_t k = 0; s->figures[k] != SIZE_MAX; k++) {
            char number[32];
            struct ab_case c = {.number = number};

            snprintf(number, sizeof(number), "%s.%zu", s->number, k + 1);
            fill(&c, s, s->figures[k]);
            visit(&c, ctx);
        }
    }
}
