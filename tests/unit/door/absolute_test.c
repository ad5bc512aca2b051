#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"
#include "door/absolute.h"

static void parse(struct cv_http_head *head, const char *text)
{
    size_t len;

    cr_assert_eq(cv_http_request_parse(head, text, strlen(text), &len), 0, "%s", text);
}

Test(absolute, finds_whom_to_dial)
{
    static const char *const cases[][2] = {
        {"http://a.b", "a.b:80"},         {"http://a.b/x", "a.b:80"},
        {"http://a.b:8080", "a.b:8080"},  {"http://a.b:8080/x:1", "a.b:8080"},
        {"HTTP://a.b?x", "a.b:80"},       {"http://[::1]/", "[::1]:80"},
        {"http://[::1]:81/", "[::1]:81"},
    };
    char text[200], out[CV_ABSOLUTE_ADDRESS_MAX];
    struct cv_http_head head;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(text, sizeof(text), "GET %s HTTP/1.0\r\n\r\n", cases[i][0]);
        parse(&head, text);
        cr_assert(cv_absolute_is(&head));
        cr_assert_eq(cv_absolute_address(&head, out), 0, "%s", text);
        cr_assert_str_eq(out, cases[i][1]);
    }
}

Test(absolute, is_neither_a_path_nor_connect_nor_https)
{
    char out[CV_ABSOLUTE_ADDRESS_MAX];
    struct cv_http_head head;

    parse(&head, "GET /http://a HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_assert(!cv_absolute_is(&head));
    parse(&head, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");
    cr_assert(!cv_absolute_is(&head));
    parse(&head, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_assert(!cv_absolute_is(&head));
    parse(&head, "GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_assert(cv_absolute_is(&head));
    cr_assert_eq(cv_absolute_address(&head, out), CV_ESYNTAX);
}

Test(absolute, says_to_the_origin_what_is_for_the_origin)
{
    static const char in[] = "POST http://a.b:81/x/y?q=http://c HTTP/1.1\r\nHost: a.b:81\r\n"
                             "Proxy-Authorization: Basic eDp5\r\nProxy-Connection: keep-alive\r\n"
                             "Connection: keep-alive, X-Mine\r\nX-Mine: 1\r\nX-Other: 2\r\n"
                             "Keep-Alive: 3\r\nTE: trailers\r\nContent-Length: 5\r\n\r\n";
    static const char want[] = "POST /x/y?q=http://c HTTP/1.1\r\nHost: a.b:81\r\nX-Other: 2\r\n"
                               "Content-Length: 5\r\nConnection: close\r\n\r\n";
    struct cv_http_head head;
    char out[1024];

    parse(&head, in);
    cr_assert_eq(cv_absolute_rewrite(&head, out, sizeof(out)), (int)strlen(want));
    cr_assert_str_eq(out, want);
    cr_assert_eq(cv_absolute_rewrite(&head, out, strlen(want)), CV_ETOOLONG);
}

Test(absolute, a_connection_header_cannot_take_the_framing_away)
{
    struct cv_http_head head;
    char out[1024];

    parse(&head, "POST http://a/ HTTP/1.1\r\nHost: a\r\nConnection: content-length, host\r\n"
                 "Content-Length: 5\r\n\r\n");
    cr_assert_gt(cv_absolute_rewrite(&head, out, sizeof(out)), 0);
    cr_assert(strstr(out, "Content-Length: 5\r\n"));
    cr_assert(strstr(out, "Host: a\r\n"));
}

Test(absolute, a_url_without_a_path_asks_for_the_root)
{
    struct cv_http_head head;
    char out[1024];

    parse(&head, "GET http://a?x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_assert_gt(cv_absolute_rewrite(&head, out, sizeof(out)), 0);
    cr_assert_eq(strncmp(out, "GET /?x=1 HTTP/1.1\r\n", 20), 0, "%s", out);
}
