#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"
#include "door/http_body.h"

/* What came of reading a body whole or in pieces. */
struct outcome {
    int error;
    size_t used; /* bytes that belong to it */
    bool done;
    char payload[512];
    size_t payload_len;
};

static void feed(struct cv_http_body *body, struct outcome *out, const char *buf, size_t len)
{
    while (len && !body->done && !out->error) {
        struct cv_slice payload;
        int n = cv_http_body_read(body, buf, len, &payload);

        if (n < 0) {
            out->error = n;
            cr_assert_not_null(body->error);
            return;
        }
        cr_assert(n > 0 && (size_t)n <= len);
        cr_assert(out->payload_len + payload.len <= sizeof(out->payload));
        memcpy(out->payload + out->payload_len, payload.at, payload.len);
        out->payload_len += payload.len;
        out->used += (size_t)n;
        buf += n;
        len -= (size_t)n;
    }
    out->done = body->done;
}

static struct outcome read_cut(struct cv_http_body body, const char *text, size_t cut)
{
    struct outcome out = {0};
    size_t len = strlen(text);

    feed(&body, &out, text, cut);
    feed(&body, &out, text + cut, len - cut);
    return out;
}

static struct cv_http_body chunked(void)
{
    struct cv_http_head head = {.content_length = -1, .chunked = true};
    struct cv_http_body body;

    cv_http_body_of_request(&body, &head);
    return body;
}

static void check_chunked(const char *text, const char *payload, size_t used)
{
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        struct outcome out = read_cut(chunked(), text, cut);

        cr_assert_eq(out.error, 0, "cut at %zu: %s", cut, text);
        cr_assert(out.done, "cut at %zu: %s", cut, text);
        cr_assert_eq(out.used, used, "cut at %zu: %s", cut, text);
        cr_assert_eq(out.payload_len, strlen(payload));
        cr_assert_arr_eq(out.payload, payload, strlen(payload));
    }
}

Test(http_body, reads_chunks_cut_anywhere_and_leaves_what_follows)
{
    check_chunked("0\r\n\r\n", "", 5);
    check_chunked("5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1", "hello", 15);
    check_chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", 26);
    check_chunked("A\r\n0123456789\r\na\r\n\r\n\r\n\r\n\r\n\r\n\r\n00\r\n\r\n",
                  "0123456789\r\n\r\n\r\n\r\n\r\n", 36);
    check_chunked("0005;name=value;\"q;uo\\te\"\r\nhello\r\n000;x\r\n\r\n", "hello", 43);
    check_chunked("1\r\nx\r\n0\r\nExpires: never\r\nX-Sum:\r\n\r\n", "x", 35);
}

Test(http_body, refuses_chunks_that_others_might_read_otherwise)
{
    static const char *const cases[] = {
        "\r\n",
        " 5\r\nhello\r\n",
        "5 \r\nhello\r\n",
        "5\t\r\nhello\r\n",
        "5 ;x\r\nhello\r\n",
        "5\nhello\r\n",
        "5\r\r\nhello",
        "5\rhello",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\rX",
        "+5\r\nhello\r\n",
        "-5\r\nhello\r\n",
        "0x5\r\nhello\r\n",
        "5,\r\nhello\r\n",
        "g\r\n",
        ";x\r\n",
        "5;x\ny\r\nhello\r\n",
        "5;x\x01\r\nhello\r\n",
        "5;x\x7f\r\nhello\r\n",
        "0\r\n \r\n",
        "0\r\nname\r\n\r\n",
        "0\r\nname : x\r\n\r\n",
        "0\r\n: x\r\n\r\n",
        "0\r\nname: x\n\r\n",
        "0\r\nname: x\r\n folded\r\n\r\n",
        "0\r\nname: x\x01\r\n\r\n",
        "0\r\nname: x\r\r\n\r\n",
        "0\r\n\rX",
        "0\r\n\n",
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t cut = 0; cut <= strlen(cases[i]); cut++)
            cr_assert_eq(read_cut(chunked(), cases[i], cut).error, CV_ESYNTAX, "case %zu cut %zu",
                         i, cut);
}

Test(http_body, keeps_refusing_after_an_error)
{
    struct cv_http_body body = chunked();
    struct cv_slice payload;

    cr_assert_eq(cv_http_body_read(&body, "x", 1, &payload), CV_ESYNTAX);
    cr_assert_eq(cv_http_body_read(&body, "0\r\n\r\n", 5, &payload), CV_ESYNTAX);
}

Test(http_body, refuses_a_chunk_whose_size_nobody_can_count)
{
    cr_assert_eq(read_cut(chunked(), "fffffffffffffff\r\n", 0).error, 0);
    cr_assert_eq(read_cut(chunked(), "1000000000000000\r\n", 0).error, CV_ETOOLONG);
    cr_assert_eq(read_cut(chunked(), "10000000000000005\r\nhello\r\n", 0).error, CV_ETOOLONG);
}

/* Reads @count bytes of @c behind @start, then @end. */
static int read_long(const char *start, char c, size_t count, const char *end)
{
    struct cv_http_body body = chunked();
    struct outcome out = {0};

    feed(&body, &out, start, strlen(start));
    for (size_t i = 0; i < count; i++)
        feed(&body, &out, &c, 1);
    feed(&body, &out, end, strlen(end));
    return out.error;
}

Test(http_body, bounds_a_chunks_line_and_the_trailers)
{
    cr_assert_eq(read_long("1;", 'x', CV_HTTP_CHUNK_LINE_MAX - 4, "\r\nx\r\n0\r\n\r\n"), 0);
    cr_assert_eq(read_long("1;", 'x', CV_HTTP_CHUNK_LINE_MAX - 3, "\r\n"), CV_ETOOLONG);
    cr_assert_eq(read_long("", '0', CV_HTTP_CHUNK_LINE_MAX - 2, "\r\n\r\n"), 0);
    cr_assert_eq(read_long("", '0', CV_HTTP_CHUNK_LINE_MAX - 1, "\r\n"), CV_ETOOLONG);
    cr_assert_eq(read_long("0\r\na:", 'x', CV_HTTP_TRAILERS_MAX - 6, "\r\n\r\n"), 0);
    cr_assert_eq(read_long("0\r\na:", 'x', CV_HTTP_TRAILERS_MAX - 5, "\r\n\r\n"), CV_ETOOLONG);
}

Test(http_body, counts_a_length)
{
    struct cv_http_head head = {.content_length = 5};
    struct cv_http_body body;

    cv_http_body_of_request(&body, &head);
    for (size_t cut = 0; cut <= 8; cut++) {
        struct outcome out = read_cut(body, "hellomore", cut);

        cr_assert(out.done && out.used == 5 && out.payload_len == 5 && out.error == 0);
    }
    cr_assert_not(read_cut(body, "hell", 0).done);
}

static struct cv_http_body of_response(int status, int64_t length, bool is_chunked, bool to_head)
{
    struct cv_http_head head = {.status = status, .content_length = length, .chunked = is_chunked};
    struct cv_http_body body;

    cv_http_body_of_response(&body, &head, to_head);
    return body;
}

Test(http_body, knows_which_messages_have_none)
{
    struct cv_http_head head = {.content_length = -1};
    struct cv_http_body body;

    cv_http_body_of_request(&body, &head);
    cr_assert(body.framing == CV_HTTP_NO_BODY && body.done);
    head.content_length = 0;
    cv_http_body_of_request(&body, &head);
    cr_assert(body.done);
    cr_assert(of_response(200, 7, false, true).done);
    cr_assert(of_response(200, -1, true, true).done);
    cr_assert(of_response(200, -1, false, true).done);
    cr_assert(of_response(204, -1, false, false).done);
    cr_assert(of_response(304, 1234, false, false).done);
    cr_assert(of_response(100, -1, false, false).done);
    cr_assert(of_response(200, 0, false, false).done);
}

Test(http_body, knows_which_responses_end_with_the_connection)
{
    struct cv_http_body body = of_response(200, -1, false, false);
    struct outcome out = read_cut(body, "anything", 3);

    cr_assert_eq(body.framing, CV_HTTP_CLOSE);
    cr_assert(!out.done && out.used == 8 && out.payload_len == 8);
    cr_assert_eq(of_response(500, 3, false, false).framing, CV_HTTP_LENGTH);
    cr_assert_eq(of_response(404, -1, true, false).framing, CV_HTTP_CHUNKED);
}

Test(http_body, writes_chunks_that_it_reads)
{
    static const size_t lens[] = {1, 9, 15, 16, 255, 256, 65535, 65536, (size_t)1 << 40};

    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        char head[CV_HTTP_CHUNK_HEAD_MAX];
        size_t n = cv_http_chunk_head(head, lens[i]);
        struct cv_http_body body = chunked();
        struct cv_slice payload;

        cr_assert_eq(cv_http_body_read(&body, head, n, &payload), n);
        cr_assert_eq(body.left, lens[i]);
    }
}
