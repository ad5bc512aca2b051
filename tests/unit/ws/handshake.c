#include <criterion/criterion.h>
#include <string.h>

#include "base/error.h"
#include "ws/handshake.h"

#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static const char request_text[] = "GET /connect?a=b HTTP/1.1\r\n"
                                   "Host: [::1]:8123\r\n"
                                   "Upgrade: websocket\r\n"
                                   "Connection: Upgrade\r\n"
                                   "Sec-WebSocket-Key: " KEY "\r\n"
                                   "Sec-WebSocket-Version: 13\r\n"
                                   "X-Tunnel-ID: foo\r\n"
                                   "X-Empty: \r\n"
                                   "\r\n";

static const struct cv_ws_header two[] = {{"X-Tunnel-ID", "foo"}, {"X-Empty", ""}};

static struct cv_ws_request request(void)
{
    return (struct cv_ws_request){.host = "[::1]:8123",
                                  .target = "/connect?a=b",
                                  .key = KEY,
                                  .headers = two,
                                  .header_count = 2};
}

static int encode(struct cv_ws_request r)
{
    char out[1024];

    return cv_ws_request_encode(out, sizeof(out), &r);
}

Test(ws_handshake, writes_the_request)
{
    char out[sizeof(request_text)];
    struct cv_ws_request r = request();

    cr_assert_eq(strlen(KEY), CV_WS_KEY_LEN);
    cr_assert_eq(cv_ws_request_encode(out, sizeof(out), &r), (int)strlen(request_text));
    cr_assert_str_eq(out, request_text);
}

Test(ws_handshake, writes_the_response)
{
    static const char want[] = "HTTP/1.1 101 Switching Protocols\r\n"
                               "Upgrade: websocket\r\n"
                               "Connection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: " ACCEPT "\r\n"
                               "X-Tunnel-ID: foo\r\n"
                               "\r\n";
    char out[sizeof(want)];

    cr_assert_eq(strlen(ACCEPT), CV_WS_ACCEPT_LEN);
    cr_assert_eq(cv_ws_response_encode(out, sizeof(out), ACCEPT, two, 1), (int)strlen(want));
    cr_assert_str_eq(out, want);
    for (size_t size = 0; size < sizeof(want); size++)
        cr_assert_eq(cv_ws_response_encode(out, size, ACCEPT, two, 1), CV_ETOOLONG);
}

Test(ws_handshake, refuses_a_buffer_of_any_smaller_size)
{
    char out[sizeof(request_text)];
    struct cv_ws_request r = request();

    for (size_t size = 0; size < sizeof(request_text); size++) {
        memset(out, 'z', sizeof(out));
        cr_assert_eq(cv_ws_request_encode(out, size, &r), CV_ETOOLONG);
        cr_assert_eq(out[size], 'z');
    }
}

/* A line of its own is what an attacker would want: no part lets one in. */
Test(ws_handshake, refuses_line_ends_in_every_part)
{
    static const char *const bad[] = {"/a\r\nX: y", "/a\n", "/a\r", "/a\x01", "/a\x7f"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cv_ws_header header = {"X-A", bad[i]};
        struct cv_ws_request r = request();
        char out[1024];

        r.host = bad[i];
        cr_assert_eq(encode(r), CV_ESYNTAX);
        r = request();
        r.target = bad[i];
        cr_assert_eq(encode(r), CV_ESYNTAX);
        r = request();
        r.key = bad[i];
        cr_assert_eq(encode(r), CV_ESYNTAX);
        r = request();
        r.headers = &header;
        r.header_count = 1;
        cr_assert_eq(encode(r), CV_ESYNTAX);
        cr_assert_eq(cv_ws_response_encode(out, sizeof(out), ACCEPT, &header, 1), CV_ESYNTAX);
        cr_assert_eq(cv_ws_response_encode(out, sizeof(out), bad[i], NULL, 0), CV_ESYNTAX);
        header = (struct cv_ws_header){bad[i], "x"};
        cr_assert_eq(encode(r), CV_ESYNTAX);
    }
}

Test(ws_handshake, refuses_names_that_are_no_token)
{
    static const char *const bad[] = {"", "X A", "X:", "X\t", "X\xc3\xa9", "X(", "X\""};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cv_ws_header header = {bad[i], "x"};
        char out[1024];

        cr_assert_eq(cv_ws_response_encode(out, sizeof(out), ACCEPT, &header, 1), CV_ESYNTAX, "%s",
                     bad[i]);
    }
}

Test(ws_handshake, refuses_a_request_line_of_more_than_three_words)
{
    struct cv_ws_request r = request();

    r.target = "/a HTTP/1.0";
    cr_assert_eq(encode(r), CV_ESYNTAX);
    r.target = "";
    cr_assert_eq(encode(r), CV_ESYNTAX);
    r.target = "connect";
    cr_assert_eq(encode(r), CV_ESYNTAX);
    r = request();
    r.host = "a b";
    cr_assert_eq(encode(r), CV_ESYNTAX);
    r.host = "";
    cr_assert_eq(encode(r), CV_ESYNTAX);
}

Test(ws_handshake, lets_tabs_and_high_bytes_stand_in_a_value)
{
    struct cv_ws_header header = {"X-A", "a\tb c\xc3\xa9"};
    char out[1024];

    cr_assert_gt(cv_ws_response_encode(out, sizeof(out), ACCEPT, &header, 1), 0);
    cr_assert_not_null(strstr(out, "X-A: a\tb c\xc3\xa9\r\n"));
}
