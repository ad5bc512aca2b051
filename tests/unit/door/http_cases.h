#ifndef TESTS_UNIT_DOOR_HTTP_CASES_H
#define TESTS_UNIT_DOOR_HTTP_CASES_H

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"
#include "door/http.h"

/* One head and what becomes of it. The text may hold NUL. */
struct http_case {
    const char *text;
    size_t len;
    int want;    /* 0 or an error code */
    int refusal; /* of a refused request */
};

#define GOOD(text)                     \
    {                                  \
        (text), sizeof(text) - 1, 0, 0 \
    }
#define BAD(text)                                 \
    {                                             \
        (text), sizeof(text) - 1, CV_ESYNTAX, 400 \
    }
#define BAD_AS(text, code)                           \
    {                                                \
        (text), sizeof(text) - 1, CV_ESYNTAX, (code) \
    }

typedef int http_parse(struct cv_http_head *, const char *, size_t, size_t *);

/* Parses @len bytes of @text from a block of just that size, so that a sanitizer sees any read
 * behind them. */
static inline int parse_tight(http_parse *parse, struct cv_http_head *head, const char *text,
                              size_t len, size_t *head_len)
{
    char *copy = malloc(len ? len : 1);
    int rc;

    cr_assert_not_null(copy);
    memcpy(copy, text, len);
    rc = parse(head, copy, len, head_len);
    free(copy);
    return rc;
}

/* Every cut of an acceptable head asks for more; every cut of another asks for more or is refused,
 * never accepted. */
static inline void check_cuts(http_parse *parse, const struct http_case *c)
{
    for (size_t cut = 0; cut < c->len; cut++) {
        struct cv_http_head head;
        size_t head_len = 0;
        int rc = parse_tight(parse, &head, c->text, cut, &head_len);

        if (c->want == 0)
            cr_assert_eq(rc, CV_EMORE, "cut at %zu gave %d (%s): %s", cut, rc, head.error, c->text);
        else
            cr_assert_lt(rc, 0, "cut at %zu was accepted: %s", cut, c->text);
    }
}

static inline void check_cases(http_parse *parse, const struct http_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct http_case *c = &cases[i];
        struct cv_http_head head;
        size_t head_len = 0;
        int rc = parse_tight(parse, &head, c->text, c->len, &head_len);

        cr_assert_eq(rc, c->want, "case %zu gave %d (%s): %s", i, rc, head.error, c->text);
        if (rc == 0)
            cr_assert_eq(head_len, c->len, "case %zu: head of %zu bytes", i, head_len);
        else
            cr_assert_not_null(head.error, "case %zu: no text", i);
        if (rc < 0 && parse == cv_http_request_parse)
            cr_assert_eq(head.refusal, c->refusal, "case %zu: %d: %s", i, head.refusal, c->text);
        check_cuts(parse, c);
    }
}

static inline void assert_slice(struct cv_slice slice, const char *want)
{
    cr_assert(slice.len == strlen(want) && memcmp(slice.at, want, slice.len) == 0,
              "got '%.*s', want '%s'", (int)slice.len, slice.at, want);
}

#endif
