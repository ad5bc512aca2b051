#include "unit/door/http_cases.h"

static int parse(struct cv_http_head *head, const char *text)
{
    size_t head_len;

    return cv_http_response_parse(head, text, strlen(text), &head_len);
}

Test(http_response, accepts_what_is_plain)
{
    static const struct http_case cases[] = {
        GOOD("HTTP/1.1 200 OK\r\n\r\n"),
        GOOD("HTTP/1.1 200 \r\n\r\n"),
        GOOD("HTTP/1.1 200\r\n\r\n"),
        GOOD("HTTP/1.0 404 Not here, sorry\r\nContent-Length: 12\r\n\r\n"),
        GOOD("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
        GOOD("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"),
        GOOD("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
        GOOD("HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\n\r\n"),
        GOOD("HTTP/1.1 599 Odd\r\nTransfer-Encoding: chunked\r\n\r\n"),
        GOOD("HTTP/1.1 200 \xc3\xa4\r\n\r\n"),
    };

    check_cases(cv_http_response_parse, cases, sizeof(cases) / sizeof(cases[0]));
}

Test(http_response, refuses_what_is_odd)
{
    static const struct http_case cases[] = {
        BAD("HTTP/1.1  200 OK\r\n\r\n"),
        BAD("HTTP/1.1\t200 OK\r\n\r\n"),
        BAD("HTTP/1.1 20 OK\r\n\r\n"),
        BAD("HTTP/1.1 2000 OK\r\n\r\n"),
        BAD("HTTP/1.1 099 OK\r\n\r\n"),
        BAD("HTTP/1.1 600 OK\r\n\r\n"),
        BAD("HTTP/1.1 2x0 OK\r\n\r\n"),
        BAD("HTTP/1.1 -20 OK\r\n\r\n"),
        BAD("HTTP/1.1 200OK\r\n\r\n"),
        BAD("HTTP/1.1\r\n\r\n"),
        BAD("HTTP/2.0 200 OK\r\n\r\n"),
        BAD("HTTP/1.2 200 OK\r\n\r\n"),
        BAD("HTTP/0.9 200 OK\r\n\r\n"),
        BAD("http/1.1 200 OK\r\n\r\n"),
        BAD("ICY 200 OK\r\n\r\n"),
        BAD("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        BAD("\r\nHTTP/1.1 200 OK\r\n\r\n"),
        BAD("SSH-2.0-OpenSSH_9.2p1\r\n\r\n"),
        BAD("220 mail ESMTP\r\n\r\n"),
        BAD("HTTP/1.1 200 OK\n\n"),
        BAD("HTTP/1.1 200 O\rK\r\n\r\n"),
        BAD("HTTP/1.1 200 O\0K\r\n\r\n"),
        BAD("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"),
        BAD("HTTP/1.1 200 OK\r\nA : b\r\n\r\n"),
        BAD("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"),
        BAD("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        BAD("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
        BAD("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
        BAD("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        BAD("HTTP/1.1 101 Switching Protocols\r\nTransfer-Encoding: chunked\r\n\r\n"),
        BAD("HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n"),
        BAD("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
    };

    check_cases(cv_http_response_parse, cases, sizeof(cases) / sizeof(cases[0]));
}

Test(http_response, hands_out_a_websocket_handshake_and_leaves_the_frames)
{
    static const char text[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                               "Upgrade: WebSocket\r\nSec-WebSocket-Accept: x=\r\n\r\n\x82\0\x01";
    struct cv_http_head head;
    size_t head_len;

    cr_assert_eq(cv_http_response_parse(&head, text, sizeof(text) - 1, &head_len), 0);
    cr_assert_eq(head_len, sizeof(text) - 1 - 3);
    cr_assert_eq(head.status, 101);
    cr_assert(head.upgrade && head.websocket);
    cr_assert_eq(head.content_length, -1);
    assert_slice(*cv_http_find(&head, "sec-websocket-accept"), "x=");
}

Test(http_response, tells_how_long_the_body_is)
{
    struct cv_http_head head;

    cr_assert_eq(parse(&head, "HTTP/1.0 401 No\r\nContent-Length: 7\r\n\r\n"), 0);
    cr_assert_eq(head.status, 401);
    cr_assert_eq(head.minor, 0);
    cr_assert_eq(head.content_length, 7);
    cr_assert(!head.keep_alive && !head.chunked);
    cr_assert_eq(parse(&head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n"), 0);
    cr_assert(head.chunked && head.keep_alive);
    cr_assert_eq(head.content_length, -1);
}
