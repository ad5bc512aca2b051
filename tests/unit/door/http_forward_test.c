#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"
#include "door/http_forward.h"

#define SLICE(text)              \
    (struct cv_slice)            \
    {                            \
        (text), sizeof(text) - 1 \
    }

static char out[CV_HTTP_FORWARD_MAX];

static const char *forward(const char *text)
{
    struct cv_http_forward how = {.path = SLICE("/a"),
                                  .query = SLICE("b=c"),
                                  .host = SLICE("target:8080"),
                                  .from = SLICE("192.0.2.1"),
                                  .asked = SLICE("front.example"),
                                  .https = true};
    struct cv_http_head head;
    size_t head_len;
    int n;

    cr_assert_eq(cv_http_request_parse(&head, text, strlen(text), &head_len), 0, "%s", head.error);
    n = cv_http_forward_request(out, sizeof(out), &head, &how);
    cr_assert(n > 0 && strlen(out) == (size_t)n);
    return out;
}

#define SAID                                                            \
    "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: front.example\r\n" \
    "X-Forwarded-Proto: https\r\n"

Test(http_forward, writes_a_request_anew_and_keeps_its_headers_in_order)
{
    cr_assert_str_eq(forward("GET /x HTTP/1.1\r\nHost: front\r\nAccept: */*\r\nCookie: a=b\r\n"
                             "Cookie: c=d\r\nEmpty:\r\n\r\n"),
                     "GET /a?b=c HTTP/1.1\r\nHost: target:8080\r\nAccept: */*\r\nCookie: a=b\r\n"
                     "Cookie: c=d\r\nEmpty: \r\n" SAID "\r\n");
}

Test(http_forward, speaks_1_1_for_a_visitor_of_1_0)
{
    cr_assert_str_eq(forward("POST /x HTTP/1.0\r\nContent-Length: 3\r\n\r\n"),
                     "POST /a?b=c HTTP/1.1\r\nHost: target:8080\r\n" SAID
                     "Content-Length: 3\r\n\r\n");
}

Test(http_forward, keeps_what_belongs_to_the_connection_on_it)
{
    cr_assert_str_eq(
        forward("POST /x HTTP/1.1\r\nHost: front\r\nConnection: close, X-Own\r\nX-Own: 1\r\n"
                "connection: x-other\r\nX-Other: 1\r\nKeep-Alive: timeout=5\r\n"
                "Proxy-Authorization: Basic eA==\r\nProxy-Connection: keep-alive\r\n"
                "TE: trailers\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n"
                "Upgrade: h2c\r\nX-Owner: stays\r\n\r\n"),
        "POST /a?b=c HTTP/1.1\r\nHost: target:8080\r\nX-Owner: stays\r\n" SAID
        "Transfer-Encoding: chunked\r\n\r\n");
}

Test(http_forward, does_not_let_connection_take_away_what_we_say)
{
    cr_assert_str_eq(forward("POST /x HTTP/1.1\r\nHost: front\r\nContent-Length: 2\r\n"
                             "Connection: host, content-length, x-forwarded-for\r\n"
                             "X-Forwarded-For: 10.0.0.1\r\n\r\n"),
                     "POST /a?b=c HTTP/1.1\r\nHost: target:8080\r\n" SAID
                     "Content-Length: 2\r\n\r\n");
}

Test(http_forward, drops_what_only_we_may_say)
{
    cr_assert_str_eq(
        forward("GET /x HTTP/1.1\r\nHost: front\r\nX-Forwarded-For: 10.0.0.1\r\n"
                "x-forwarded-proto: https\r\nX-Forwarded-Host: bank\r\nX-Forwarded-Port: 1\r\n"
                "Forwarded: for=10.0.0.1\r\nX-API-Tunnel-Token: t\r\nx-api-tunnel-: t\r\n"
                "X-Culvert-Token: secret\r\nX-API-Tunne: stays\r\n\r\n"),
        "GET /a?b=c HTTP/1.1\r\nHost: target:8080\r\nX-API-Tunne: stays\r\n" SAID "\r\n");
}

Test(http_forward, passes_a_websocket_on_and_no_other_upgrade)
{
    cr_assert_str_eq(forward("GET /x HTTP/1.1\r\nHost: front\r\nConnection: keep-alive, Upgrade\r\n"
                             "Upgrade: WebSocket\r\nSec-WebSocket-Key: k\r\n\r\n"),
                     "GET /a?b=c HTTP/1.1\r\nHost: target:8080\r\nSec-WebSocket-Key: k\r\n" SAID
                     "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    cr_assert_str_eq(forward("GET /x HTTP/1.1\r\nHost: front\r\nConnection: Upgrade\r\n"
                             "Upgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n"),
                     "GET /a?b=c HTTP/1.1\r\nHost: target:8080\r\nHTTP2-Settings: x\r\n" SAID
                     "\r\n");
}

Test(http_forward, says_nothing_about_a_visitor_without_address_and_name)
{
    struct cv_http_forward how = {.path = SLICE("/"), .host = SLICE("h")};
    static const char text[] = "GET / HTTP/1.0\r\n\r\n";
    struct cv_http_head head;
    size_t head_len;

    cr_assert_eq(cv_http_request_parse(&head, text, sizeof(text) - 1, &head_len), 0);
    cr_assert_gt(cv_http_forward_request(out, sizeof(out), &head, &how), 0);
    cr_assert_str_eq(out, "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-Proto: http\r\n\r\n");
}

Test(http_forward, refuses_what_does_not_fit)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
    static const char want[] =
        "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\nX-Forwarded-Proto: http\r\n\r\n";
    struct cv_http_forward how = {.path = SLICE("/"), .host = SLICE("h")};
    struct cv_http_head head;
    size_t head_len;

    cr_assert_eq(cv_http_request_parse(&head, text, sizeof(text) - 1, &head_len), 0);
    for (size_t size = 1; size < sizeof(want); size++)
        cr_assert_eq(cv_http_forward_request(out, size, &head, &how), CV_ETOOLONG);
    cr_assert_eq(cv_http_forward_request(out, sizeof(want), &head, &how), sizeof(want) - 1);
}

static const char *reply(const char *text, const struct cv_http_reply *how)
{
    struct cv_http_head head;
    size_t head_len;
    int n;

    cr_assert_eq(cv_http_response_parse(&head, text, strlen(text), &head_len), 0, "%s", head.error);
    n = cv_http_forward_response(out, sizeof(out), &head, how);
    cr_assert(n > 0 && strlen(out) == (size_t)n);
    return out;
}

Test(http_forward, writes_a_response_anew)
{
    cr_assert_str_eq(reply("HTTP/1.0 418 I'm a teapot\r\nServer: x\r\nContent-Length: 3\r\n"
                           "Connection: close, x-own\r\nX-Own: 1\r\nKeep-Alive: x\r\n"
                           "Set-Cookie: a\r\nSet-Cookie: b\r\n\r\n",
                           &(struct cv_http_reply){.framing = CV_HTTP_LENGTH}),
                     "HTTP/1.1 418 I'm a teapot\r\nServer: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"
                     "Content-Length: 3\r\n\r\n");
    cr_assert_str_eq(reply("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n",
                           &(struct cv_http_reply){.framing = CV_HTTP_CLOSE, .close = true}),
                     "HTTP/1.1 200 \r\nConnection: close\r\n\r\n");
    cr_assert_str_eq(
        reply("HTTP/1.1 200 OK\r\n\r\n", &(struct cv_http_reply){.framing = CV_HTTP_CHUNKED}),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    cr_assert_str_eq(reply("HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n",
                           &(struct cv_http_reply){.keep_alive_said = true}),
                     "HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n"
                     "Connection: keep-alive\r\n\r\n");
}

Test(http_forward, passes_the_answer_to_a_websocket_on)
{
    cr_assert_str_eq(reply("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                           "Upgrade: websocket\r\nSec-WebSocket-Accept: a\r\n\r\n",
                           &(struct cv_http_reply){0}),
                     "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: a\r\n"
                     "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}
