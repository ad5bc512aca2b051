#include <stdio.h>

#include "unit/door/http_cases.h"

#define H   "Host: a.example\r\n"
#define END "\r\n\r\n"

static int parse(struct cv_http_head *head, const char *text)
{
    size_t head_len;

    return cv_http_request_parse(head, text, strlen(text), &head_len);
}

Test(http_request, accepts_what_is_plain)
{
    static const struct http_case cases[] = {
        GOOD("GET / HTTP/1.1\r\n" H "\r\n"),
        GOOD("HEAD /a/b?c=d&e=%20f HTTP/1.1\r\n" H "\r\n"),
        GOOD("GET / HTTP/1.0" END),
        GOOD("GET / HTTP/1.0\r\n" H "\r\n"),
        GOOD("POST /x HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n"),
        GOOD("PUT /x HTTP/1.1\r\n" H "Content-Length:9223372036854775807\r\n\r\n"),
        GOOD("POST /x HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"),
        GOOD("POST /x HTTP/1.1\r\n" H "transfer-ENCODING:\tChunked \r\n\r\n"),
        GOOD("OPTIONS * HTTP/1.1\r\n" H "\r\n"),
        GOOD("DELETE /x HTTP/1.1\r\nHost: a.example:8080\r\n\r\n"),
        GOOD("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"),
        GOOD("GET / HTTP/1.1\r\nHOST:127.0.0.1\r\n\r\n"),
        GOOD("GET http://a.example/x HTTP/1.1\r\n" H "\r\n"),
        GOOD("GET HTTP://A.Example HTTP/1.1\r\n" H "\r\n"),
        GOOD("GET http://a.example:80/ HTTP/1.1\r\n" H "\r\n"),
        GOOD("GET https://a.example/ HTTP/1.1\r\nHost: a.example:443\r\n\r\n"),
        GOOD("GET http://a.example?q HTTP/1.1\r\n" H "\r\n"),
        GOOD("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"),
        GOOD("CONNECT a.example:443 HTTP/1.1\r\n" H "\r\n"),
        GOOD("CONNECT [::1]:22 HTTP/1.0" END),
        GOOD("GET / HTTP/1.1\r\n" H "Empty:\r\nBlank: \t \r\nX: \xc3\xa4 \xff\r\n\r\n"),
        GOOD("PATCH / HTTP/1.1\r\n" H "!#$%&'*+-.^_`|~: all token bytes\r\n\r\n"),
        GOOD("GET /connect HTTP/1.1\r\n" H "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
    };

    check_cases(cv_http_request_parse, cases, sizeof(cases) / sizeof(cases[0]));
}

Test(http_request, refuses_lengths_that_two_readers_could_take_differently)
{
    static const struct http_case cases[] = {
        BAD("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Content-Length: 5 5\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Content-Length: 5.0\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Content-Length: abc\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Content-Length: 9223372036854775808\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551616\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Content-Length: 00000000000000000005\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;q=1\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked,\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n"),
        BAD("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n"),
        BAD("POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
            "chunked\r\n\r\n"),
    };

    check_cases(cv_http_request_parse, cases, sizeof(cases) / sizeof(cases[0]));
}

Test(http_request, refuses_odd_lines_and_bytes)
{
    static const struct http_case cases[] = {
        BAD("GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\n" H "A: b\r\n\tc\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\n " H "\r\n"),
        BAD("GET / HTTP/1.1\nHost: a.example\n\n"),
        BAD("GET / HTTP/1.1\r\n" H "A: b\nC: d\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\n" H "A: b\rC: d\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\n" H "A: b\r\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\n" H "A: b\r\n\n"),
        BAD("GET / HTTP/1.1\r\n" H "A: b\0c\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\n" H "A\0: b\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\n" H "A: b\x01\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\n" H "A: b\x7f\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\n" H "A : b\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\n" H "A\t: b\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\n" H "Content-Length : 5\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\n" H ": b\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\n" H "no colon\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\n" H "A(b): c\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\n" H "\xc3\xa4: c\r\n\r\n"),
        BAD("\r\nGET / HTTP/1.1\r\n" H "\r\n"),
        BAD("\r\n\r\n"),
        BAD("\x16\x03\x01\x02\x00\x01"),
        BAD("hello\r\n\r\n"),
    };

    check_cases(cv_http_request_parse, cases, sizeof(cases) / sizeof(cases[0]));
}

Test(http_request, refuses_odd_request_lines)
{
    static const struct http_case cases[] = {
        BAD("GET  / HTTP/1.1\r\n" H "\r\n"),         BAD("GET /  HTTP/1.1\r\n" H "\r\n"),
        BAD_AS("GET / HTTP/1.1 \r\n" H "\r\n", 505), BAD(" GET / HTTP/1.1\r\n" H "\r\n"),
        BAD("GET\t/ HTTP/1.1\r\n" H "\r\n"),         BAD("GET /a b HTTP/1.1\r\n" H "\r\n"),
        BAD_AS("GET /\r\n" H "\r\n", 505),           BAD("GET\r\n" H "\r\n"),
        BAD("get / HTTP/1.1\r\n" H "\r\n"),          BAD("FOO / HTTP/1.1\r\n" H "\r\n"),
        BAD("DESCRIBE / HTTP/1.1\r\n" H "\r\n"),     BAD("GET / http/1.1\r\n" H "\r\n"),
        BAD_AS("GET / HTTP/11\r\n" H "\r\n", 505),   BAD_AS("GET / HTTP/1.\r\n" H "\r\n", 505),
        BAD_AS("GET / HTTP/1.1x\r\n" H "\r\n", 505), BAD("GET / RTSP/1.0\r\n" H "\r\n"),
        BAD("SOURCE / ICE/1.0\r\n" H "\r\n"),        BAD_AS("GET / HTTP/2.0\r\n" H "\r\n", 505),
        BAD_AS("GET / HTTP/1.2\r\n" H "\r\n", 505),  BAD_AS("GET / HTTP/0.9\r\n" H "\r\n", 505),
        BAD_AS("GET / HTTP/3.0\r\n" H "\r\n", 505),  BAD("PRI * HTTP/2.0\r\n\r\n"),
    };

    check_cases(cv_http_request_parse, cases, sizeof(cases) / sizeof(cases[0]));
}

Test(http_request, refuses_odd_targets_and_hosts)
{
    static const struct http_case cases[] = {
        BAD("GET x HTTP/1.1\r\n" H "\r\n"),
        BAD("GET * HTTP/1.1\r\n" H "\r\n"),
        BAD("GET ?x HTTP/1.1\r\n" H "\r\n"),
        BAD("GET /a#b HTTP/1.1\r\n" H "\r\n"),
        BAD("GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n"),
        BAD("GET a.example:80 HTTP/1.1\r\n" H "\r\n"),
        BAD("GET ftp://a.example/ HTTP/1.1\r\n" H "\r\n"),
        BAD("GET http:///x HTTP/1.1\r\n" H "\r\n"),
        BAD("GET http:/a.example/x HTTP/1.1\r\n" H "\r\n"),
        BAD("GET http://b.example/ HTTP/1.1\r\n" H "\r\n"),
        BAD("GET http://a.example:81/ HTTP/1.1\r\n" H "\r\n"),
        BAD("GET https://a.example/ HTTP/1.1\r\nHost: a.example:80\r\n\r\n"),
        BAD("GET http://u@a.example/ HTTP/1.1\r\n" H "\r\n"),
        BAD("CONNECT / HTTP/1.1\r\n" H "\r\n"),
        BAD("CONNECT a.example HTTP/1.1\r\n" H "\r\n"),
        BAD("CONNECT a.example:0 HTTP/1.1\r\n" H "\r\n"),
        BAD("CONNECT a.example:65536 HTTP/1.1\r\n" H "\r\n"),
        BAD("CONNECT b.example:443 HTTP/1.1\r\n" H "\r\n"),
        BAD("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:444\r\n\r\n"),
        BAD("CONNECT a.example:443 HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\n"),
        BAD("CONNECT a.example:443 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\nX-Host: a.example\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\n" H H "\r\n"),
        BAD("GET / HTTP/1.0\r\n" H H "\r\n"),
        BAD("GET / HTTP/1.1\r\n" H "hOST: b.example\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\nHost: a.example/x\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\nHost: u@a.example\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\nHost: a.example:\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\nHost: a.example:65536\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\nHost: a.example:-1\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\nHost: a.example:000080\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\nHost: []\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\nHost: [::1%25lo]\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\nHost: ::1\r\n\r\n"),
    };

    check_cases(cv_http_request_parse, cases, sizeof(cases) / sizeof(cases[0]));
}

/* A head of exactly @total bytes, with lines that are short enough. */
static char *head_of_size(size_t total)
{
    static const char start[] = "GET / HTTP/1.1\r\n" H "X: ";
    char *head = malloc(total + 1);

    cr_assert_not_null(head);
    memset(head, 'a', total);
    memcpy(head, start, sizeof(start) - 1);
    memcpy(head + total / 2, "\r\nY: ", 5);
    memcpy(head + total - 4, END, 5);
    return head;
}

Test(http_request, takes_the_longest_head_and_not_one_byte_more)
{
    struct cv_http_head head;
    size_t head_len;
    char *text = head_of_size(CV_HTTP_HEAD_MAX);

    cr_assert_eq(cv_http_request_parse(&head, text, CV_HTTP_HEAD_MAX - 1, &head_len), CV_EMORE);
    cr_assert_eq(cv_http_request_parse(&head, text, CV_HTTP_HEAD_MAX, &head_len), 0);
    cr_assert_eq(head_len, CV_HTTP_HEAD_MAX);
    free(text);

    text = head_of_size(CV_HTTP_HEAD_MAX + 1);
    cr_assert_eq(parse(&head, text), CV_ETOOLONG);
    cr_assert_eq(head.refusal, 431);
    cr_assert_eq(cv_http_request_parse(&head, text, CV_HTTP_HEAD_MAX - 1, &head_len), CV_EMORE);
    /* Ends in a CR: a caller with a buffer of just that size could not bring the LF. */
    cr_assert_eq(cv_http_request_parse(&head, text, CV_HTTP_HEAD_MAX, &head_len), CV_ETOOLONG);
    free(text);
}

Test(http_request, takes_the_longest_line_and_not_one_byte_more)
{
    static char text[CV_HTTP_LINE_MAX + 64];
    struct cv_http_head head;
    size_t len;

    for (size_t extra = 0; extra < 2; extra++) {
        len = CV_HTTP_LINE_MAX + extra;
        memset(text, 'a', len);
        memcpy(text, "GET /", 5);
        strcpy(text + len - 9, " HTTP/1.1\r\n" H "\r\n");
        cr_assert_eq(parse(&head, text), extra ? CV_ETOOLONG : 0);
        cr_assert_eq(head.refusal, extra ? 414 : 0);

        len = (size_t)(stpcpy(text, "GET / HTTP/1.0\r\nA:") - text);
        memset(text + len, 'a', CV_HTTP_LINE_MAX + extra - 2);
        strcpy(text + len + CV_HTTP_LINE_MAX + extra - 2, END);
        cr_assert_eq(parse(&head, text), extra ? CV_ETOOLONG : 0);
        cr_assert_eq(head.refusal, extra ? 431 : 0);
    }
}

Test(http_request, takes_the_most_headers_and_not_one_more)
{
    static char text[2048];
    struct cv_http_head head;

    for (size_t count = CV_HTTP_HEADERS_MAX; count <= CV_HTTP_HEADERS_MAX + 1; count++) {
        char *at = stpcpy(text, "GET / HTTP/1.0\r\n");

        for (size_t i = 0; i < count; i++)
            at = stpcpy(at, "A: b\r\n");
        strcpy(at, "\r\n");
        cr_assert_eq(parse(&head, text), count > CV_HTTP_HEADERS_MAX ? CV_ETOOLONG : 0);
        cr_assert_eq(head.refusal, count > CV_HTTP_HEADERS_MAX ? 431 : 0);
    }
}

Test(http_request, hands_out_the_parts_and_leaves_what_follows)
{
    static const char text[] = "POST http://a.example:80/x?y HTTP/1.1\r\n" H
                               "Content-Length: 3\r\nX-One:  two words \t\r\nEmpty:\r\n\r\nabcGET";
    struct cv_http_head head;
    size_t head_len;

    cr_assert_eq(cv_http_request_parse(&head, text, sizeof(text) - 1, &head_len), 0);
    cr_assert_eq(head_len, sizeof(text) - 1 - 6);
    assert_slice(head.method, "POST");
    assert_slice(head.target, "http://a.example:80/x?y");
    assert_slice(head.host, "a.example");
    cr_assert_eq(head.minor, 1);
    cr_assert_eq(head.content_length, 3);
    cr_assert_eq(head.header_count, 4);
    assert_slice(head.headers[2].name, "X-One");
    assert_slice(head.headers[2].value, "two words");
    assert_slice(*cv_http_find(&head, "x-ONE"), "two words");
    assert_slice(*cv_http_find(&head, "empty"), "");
    cr_assert_null(cv_http_find(&head, "x-on"));
    cr_assert(head.keep_alive && !head.chunked && !head.upgrade && !head.websocket);
}

Test(http_request, reads_what_connection_says)
{
    struct cv_http_head head;

    cr_assert_eq(parse(&head, "GET / HTTP/1.1\r\n" H "Connection: x,Close\r\n\r\n"), 0);
    cr_assert(!head.keep_alive);
    cr_assert_eq(parse(&head, "GET / HTTP/1.1\r\n" H "Connection: closed\r\n\r\n"), 0);
    cr_assert(head.keep_alive);
    cr_assert_eq(parse(&head, "GET / HTTP/1.0\r\n\r\n"), 0);
    cr_assert(!head.keep_alive);
    cr_assert_eq(parse(&head, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), 0);
    cr_assert(head.keep_alive);
    cr_assert_eq(parse(&head, "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"), 0);
    cr_assert(!head.keep_alive);
}

Test(http_request, reads_an_upgrade_only_when_both_headers_say_so)
{
    struct cv_http_head head;

    cr_assert_eq(parse(&head, "GET / HTTP/1.1\r\n" H "Connection: keep-alive, Upgrade\r\n"
                              "Upgrade: h2c, WebSocket\r\n\r\n"),
                 0);
    cr_assert(head.upgrade && head.websocket);
    cr_assert_eq(parse(&head, "GET / HTTP/1.1\r\n" H "Connection: a\r\nConnection: upgrade\r\n"
                              "Upgrade: websocket2\r\n\r\n"),
                 0);
    cr_assert(head.upgrade && !head.websocket);
    cr_assert_eq(parse(&head, "GET / HTTP/1.1\r\n" H "Upgrade: websocket\r\n\r\n"), 0);
    cr_assert(!head.upgrade && !head.websocket);
    cr_assert_eq(parse(&head, "GET / HTTP/1.1\r\n" H "Connection: upgrade\r\n\r\n"), 0);
    cr_assert(!head.upgrade);
    cr_assert_eq(parse(&head, "GET / HTTP/1.0\r\n" H "Connection: upgrade\r\n"
                              "Upgrade: websocket\r\n\r\n"),
                 0);
    cr_assert(!head.upgrade);
}

static struct cv_slice slice(const char *text)
{
    return (struct cv_slice){text, strlen(text)};
}

static void assert_split(const char *target, const char *want_path, const char *want_query)
{
    struct cv_slice path, query;

    cr_assert_eq(cv_http_target_split(slice(target), &path, &query), 0, "%s", target);
    assert_slice(path, want_path);
    cr_assert_eq(query.at == NULL, want_query == NULL, "%s", target);
    if (want_query)
        assert_slice(query, want_query);
}

Test(http_target, is_split_into_path_and_query)
{
    struct cv_slice path, query;

    assert_split("/", "/", NULL);
    assert_split("/a/b", "/a/b", NULL);
    assert_split("/a?b?c", "/a", "b?c");
    assert_split("/a?", "/a", "");
    assert_split("/http://x/y", "/http://x/y", NULL);
    assert_split("http://h", "/", NULL);
    assert_split("http://h?q", "/", "q");
    assert_split("https://h:1/a//b?q/r", "/a//b", "q/r");
    cr_assert_eq(cv_http_target_split(slice("*"), &path, &query), CV_ESYNTAX);
    cr_assert_eq(cv_http_target_split(slice("h:443"), &path, &query), CV_ESYNTAX);
    cr_assert_eq(cv_http_target_split(slice("x/"), &path, &query), CV_ESYNTAX);
    cr_assert_eq(cv_http_target_split(slice(""), &path, &query), CV_ESYNTAX);
}

Test(http_target, gives_its_segments_one_by_one)
{
    struct cv_slice path = slice("/a//b%2Fc/"), segment;
    static const char *const want[] = {"a", "", "b%2Fc", ""};

    for (size_t i = 0; i < 4; i++) {
        cr_assert(cv_http_path_next(&path, &segment), "segment %zu", i);
        assert_slice(segment, want[i]);
    }
    cr_assert(!cv_http_path_next(&path, &segment));
}

Test(http_target, is_unescaped_or_refused)
{
    static const char *const bad[] = {"%", "%4", "a%4g", "%g4", "%%41", "%00", "a%0", "%-1", "% 1"};
    char out[8];

    cr_assert_eq(cv_http_unescape(out, sizeof(out), slice("a%41%7e+")), 4);
    cr_assert_str_eq(out, "aA~+");
    cr_assert_eq(cv_http_unescape(out, sizeof(out), slice("%2e%2E%2f")), 3);
    cr_assert_str_eq(out, "../");
    cr_assert_eq(cv_http_unescape(out, sizeof(out), slice("%c3%a4")), 2);
    cr_assert_str_eq(out, "\xc3\xa4");
    cr_assert_eq(cv_http_unescape(out, sizeof(out), slice("")), 0);
    cr_assert_str_eq(out, "");
    cr_assert_eq(cv_http_unescape(out, sizeof(out), slice("1234567")), 7);
    cr_assert_eq(cv_http_unescape(out, sizeof(out), slice("12345678")), CV_ETOOLONG);
    cr_assert_eq(cv_http_unescape(out, 0, slice("")), CV_ETOOLONG);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(cv_http_unescape(out, sizeof(out), slice(bad[i])), CV_ESYNTAX, "%s", bad[i]);
    cr_assert_eq(cv_http_unescape(out, sizeof(out), (struct cv_slice){"a\0", 2}), CV_ESYNTAX);
}

static bool cross_site(const char *host, const char *origin)
{
    struct cv_http_head head;
    char text[512];

    snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", host,
             origin ? "Origin: " : "", origin ? origin : "", origin ? "\r\n" : "");
    cr_assert_eq(parse(&head, text), 0, "%s", text);
    return cv_http_is_cross_site(&head);
}

Test(http_request, knows_what_another_sites_page_sent)
{
    cr_assert_not(cross_site("a.example", NULL));
    cr_assert_not(cross_site("a.example", "http://a.example"));
    cr_assert_not(cross_site("A.Example", "HTTPS://a.example"));
    cr_assert_not(cross_site("a.example:80", "http://a.example"));
    cr_assert_not(cross_site("a.example", "https://a.example:443"));
    cr_assert_not(cross_site("127.0.0.1:8123", "http://127.0.0.1:8123"));
    cr_assert_not(cross_site("[::1]:8123", "http://[::1]:8123"));
    cr_assert(cross_site("a.example", "http://b.example"));
    cr_assert(cross_site("a.example", "http://a.example.b.example"));
    cr_assert(cross_site("a.example:80", "https://a.example"));
    cr_assert(cross_site("127.0.0.1:8123", "http://127.0.0.1"));
    cr_assert(cross_site("127.0.0.1:8123", "http://localhost:8123"));
    cr_assert(cross_site("a.example", "null"));
    cr_assert(cross_site("a.example", ""));
    cr_assert(cross_site("a.example", "a.example"));
    cr_assert(cross_site("a.example", "file://a.example"));
    cr_assert(cross_site("a.example", "http://u@a.example"));
    cr_assert(cross_site("a.example", "http://a.example/x"));
    cr_assert(cross_site("a.example", "http://a.example http://b.example"));
}
