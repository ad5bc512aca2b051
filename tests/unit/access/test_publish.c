#include <criterion/criterion.h>
#include <string.h>

#include "access/publish.h"
#include "base/error.h"

static struct cv_span span(const char *text)
{
    return (struct cv_span){text, strlen(text)};
}

static bool span_is(struct cv_span got, const char *text)
{
    return got.len == strlen(text) && memcmp(got.at, text, got.len) == 0;
}

Test(publish, a_publication_says_what_is_exposed_and_where_it_leads)
{
    struct cv_publication asked;
    const char *problem;

    cr_assert_eq(cv_publication_parse(&asked, span("tcp:8022=127.0.0.1:22"), &problem), 0);
    cr_assert(!asked.http && asked.port == 8022 && asked.target.port == 22);
    cr_assert(span_is(asked.what, "tcp:8022") && span_is(asked.address, "127.0.0.1:22"));
    cr_assert_eq(cv_publication_parse(&asked, span("http:App.example.=[::1]:80"), &problem), 0);
    cr_assert(asked.http && span_is(asked.name, "App.example"));
    cr_assert(span_is(asked.what, "http:App.example.") && span_is(asked.address, "[::1]:80"));
    cr_assert_eq(asked.target.host_len, 3);
}

Test(publish, refuses_publications_that_are_none_and_says_why)
{
    static const char *const bad[][2] = {
        {"", "form"},
        {"tcp:8022", "form"},
        {"=127.0.0.1:22", "form"},
        {"udp:53=127.0.0.1:53", "form"},
        {"TCP:80=127.0.0.1:80", "form"},
        {"tcp:=127.0.0.1:22", "no port"},
        {"tcp:0=127.0.0.1:22", "no port"},
        {"tcp:65536=127.0.0.1:22", "no port"},
        {"tcp:8000-8010=127.0.0.1:22", "no port"},
        {"tcp: 80=127.0.0.1:22", "no port"},
        {"tcp:*=127.0.0.1:22", "no port"},
        {"http:=127.0.0.1:80", "no name"},
        {"http:.=127.0.0.1:80", "no name"},
        {"http:a..=127.0.0.1:80", "no name"},
        {"http:*.a=127.0.0.1:80", "no name"},
        {"http:a/b=127.0.0.1:80", "no name"},
        {"http:a:80=127.0.0.1:80", "no name"},
        {"http:[::1]=127.0.0.1:80", "no name"},
        {"tcp:80=", "HOST:PORT"},
        {"tcp:80=127.0.0.1", "HOST:PORT"},
        {"tcp:80=127.0.0.1:0", "port"},
        {"tcp:80=a b:80", "name"},
        {"tcp:80=tcp/127.0.0.1:80", "alone"},
        {"tcp:80=udp/127.0.0.1:80", "alone"},
        {"tcp:80=unix//run/x", "alone"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cv_publication asked;
        const char *problem = NULL;

        cr_assert_eq(cv_publication_parse(&asked, span(bad[i][0]), &problem), CV_ESYNTAX, "%s",
                     bad[i][0]);
        cr_assert(problem && strstr(problem, bad[i][1]), "%s: %s", bad[i][0], problem);
    }
}

Test(publish, the_longest_publication_is_read_and_one_byte_more_is_not)
{
    char text[CV_PUBLISH_TEXT_MAX + 2];
    struct cv_publication asked;
    const char *problem;

    memset(text, '0', sizeof(text));
    memcpy(text, "tcp:80=", 7);
    cr_assert_eq(
        cv_publication_parse(&asked, (struct cv_span){text, CV_PUBLISH_TEXT_MAX}, &problem),
        CV_ESYNTAX);
    cr_assert_null(strstr(problem, "540"));
    cr_assert_eq(
        cv_publication_parse(&asked, (struct cv_span){text, CV_PUBLISH_TEXT_MAX + 1}, &problem),
        CV_ESYNTAX);
    cr_assert(strstr(problem, "540"));
}

Test(publish, two_that_ask_for_the_same_are_known_as_such)
{
    static const struct {
        char a[40], b[40];
        bool same;
    } rows[] = {
        {"tcp:80=h:1", "tcp:80=h:2", true},   {"tcp:80=h:1", "tcp:81=h:1", false},
        {"http:a=h:1", "http:A.=h:2", true},  {"http:a=h:1", "http:b=h:1", false},
        {"http:80=h:1", "tcp:80=h:1", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cv_publication a, b;
        const char *problem;

        cr_assert_eq(cv_publication_parse(&a, span(rows[i].a), &problem), 0);
        cr_assert_eq(cv_publication_parse(&b, span(rows[i].b), &problem), 0);
        cr_assert_eq(cv_publication_same(&a, &b), rows[i].same, "%s %s", rows[i].a, rows[i].b);
    }
}

Test(publish, a_pattern_permits_what_it_names)
{
    static const struct {
        char pattern[40], asked[40];
        bool permits;
    } rows[] = {
        {"tcp:8022", "tcp:8022=h:1", true},
        {"tcp:8022", "tcp:8023=h:1", false},
        {"tcp:8022", "http:8022=h:1", false},
        {"tcp:8000-8100", "tcp:8000=h:1", true},
        {"tcp:8000-8100", "tcp:8100=h:1", true},
        {"tcp:8000-8100", "tcp:7999=h:1", false},
        {"tcp:8000-8100", "tcp:8101=h:1", false},
        {"tcp:*", "tcp:1024=h:1", true},
        {"tcp:*", "tcp:65535=h:1", true},
        {"tcp:*", "tcp:1023=h:1", false},
        {"tcp:1-65535", "tcp:443=h:1", false},
        {"tcp:443", "tcp:443=h:1", true},
        {"tcp:80-443", "tcp:443=h:1", true},
        {"http:app.example", "http:app.example=h:1", true},
        {"http:app.example", "http:APP.example.=h:1", true},
        {"http:app.example", "http:xapp.example=h:1", false},
        {"http:app.example", "http:x.app.example=h:1", false},
        {"http:*.example", "http:app.example=h:1", true},
        {"http:*.example", "http:a.b.EXAMPLE=h:1", true},
        {"http:*.example", "http:example=h:1", false},
        {"http:*.example", "http:xexample=h:1", false},
        {"http:*", "http:any=h:1", true},
        {"http:*", "tcp:8022=h:1", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cv_publish pattern;
        struct cv_publication asked;
        const char *problem;

        cr_assert_eq(cv_publish_parse(&pattern, span(rows[i].pattern), &problem), 0, "%s",
                     rows[i].pattern);
        cr_assert_eq(cv_publication_parse(&asked, span(rows[i].asked), &problem), 0, "%s",
                     rows[i].asked);
        cr_assert_eq(cv_publish_permits(&pattern, &asked), rows[i].permits, "%s %s",
                     rows[i].pattern, rows[i].asked);
    }
}

Test(publish, refuses_patterns_that_are_none)
{
    static const char *const bad[] = {
        "",        "tcp",     "tcp:",       "tcp:0",     "tcp:2-1",  "udp:53", "http:",
        "http:*a", "http:*.", "http:a.*.b", "http:a..b", "http:*..", "*",      "8022",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cv_publish pattern;
        const char *problem = NULL;

        cr_assert_eq(cv_publish_parse(&pattern, span(bad[i]), &problem), CV_ESYNTAX, "%s", bad[i]);
        cr_assert_not_null(problem);
    }
}
