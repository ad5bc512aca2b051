#include "http/upgrade.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "http/accept_key.h"
#include "http/features.h"
#include "net/digest.h"
#include "net/log.h"
#include "net/timer.h"

struct cv_upgrade {
    struct cv_loop *loop; /* borrowed */
    cv_upgrade_done *done;
    void *ctx;                    /* borrowed */
    struct cv_dialling *dialling; /* NULL once the connection stands */
    struct cv_stream *stream;
    struct cv_timer *timer; /* owned */
    char ws_key[CV_WS_KEY_LEN + 1];
    char *request; /* owned; holds secrets */
    size_t request_len, sent;
    size_t len;
    char buf[CV_HTTP_HEAD_MAX + 1024]; /* the answer, and what came behind it */
};

static void upgrade_free(struct cv_upgrade *up)
{
    cv_stream_close(up->stream);
    if (up->request)
        cv_secret_clear(up->request, up->request_len);
    cv_free(&up->loop->alloc, up->request);
    cv_timer_free(up->timer);
    cv_free(&up->loop->alloc, up);
}

static void finish(struct cv_upgrade *up, const struct cv_upgrade_end *end)
{
    if (up->stream)
        cv_stream_owner(up->stream, NULL, NULL);
    if (end->stream)
        up->stream = NULL;
    up->done(up->ctx, end);
    upgrade_free(up);
}

static void fail(struct cv_upgrade *up, int error, const char *text)
{
    finish(up, &(struct cv_upgrade_end){.error = error, .text = text});
}

static void fail_code(struct cv_upgrade *up, const char *what, int error)
{
    char line[200];

    snprintf(line, sizeof(line), "%s: %s", what, cv_strerror(error));
    fail(up, error, line);
}

/* The status that the server gave in place of 101, and the first line of what it said. */
static void fail_status(struct cv_upgrade *up, const struct cv_http_head *head, size_t head_len)
{
    const char *body = up->buf + head_len;
    size_t len = strcspn(body, "\r\n");
    char line[240];

    snprintf(line, sizeof(line), "the server answered %d%s%.*s", head->status, len ? ": " : "",
             (int)cv_min_size(len, 160), body);
    finish(up, &(struct cv_upgrade_end){
                   .error = head->status == 401 || head->status == 403 ? CV_EDENIED : CV_EREMOTE,
                   .status = head->status,
                   .text = line});
}

/* RFC 6455, 4.1: what must hold of the answer. NULL when all does. */
static const char *answer_problem(const struct cv_upgrade *up, const struct cv_http_head *head)
{
    const struct cv_slice *accept = cv_http_find(head, "Sec-WebSocket-Accept");
    char expected[CV_WS_ACCEPT_LEN + 1];

    if (!head->websocket)
        return "its 101 does not upgrade to WebSocket";
    if (cv_accept_key(expected, up->ws_key, CV_WS_KEY_LEN) < 0)
        return "out of memory";
    if (!accept || accept->len != CV_WS_ACCEPT_LEN ||
        memcmp(accept->at, expected, CV_WS_ACCEPT_LEN) != 0)
        return "its Sec-WebSocket-Accept does not match";
    if (cv_http_find(head, "Sec-WebSocket-Extensions") ||
        cv_http_find(head, "Sec-WebSocket-Protocol"))
        return "it chose an extension or subprotocol that was not offered";
    return NULL;
}

static void on_answer(struct cv_upgrade *up, const struct cv_http_head *head, size_t head_len)
{
    struct cv_upgrade_end end = {
        .stream = up->stream, .early = up->buf + head_len, .early_len = up->len - head_len};
    const char *problem;

    if (head->status != 101) {
        fail_status(up, head, head_len);
        return;
    }
    problem = answer_problem(up, head);
    if (problem) {
        fail(up, CV_EPROTO, problem);
        return;
    }
    end.features = cv_features_read(head, &end.culvert);
    finish(up, &end);
}

static void read_answer(struct cv_upgrade *up)
{
    for (;;) {
        struct cv_http_head head;
        size_t head_len;
        ssize_t n = cv_stream_recv(up->stream, up->buf + up->len, sizeof(up->buf) - 1 - up->len);
        int rc;

        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            fail_code(up, "no answer to the handshake", n ? (int)n : -ECONNRESET);
            return;
        }
        up->len += (size_t)n;
        up->buf[up->len] = '\0';
        rc = cv_http_response_parse(&head, up->buf, up->len, &head_len);
        if (rc == CV_EMORE)
            continue;
        if (rc < 0)
            fail(up, CV_EPROTO, head.error ? head.error : "its answer is no HTTP");
        else
            on_answer(up, &head, head_len);
        return;
    }
}

static void on_ready(void *ctx, int events)
{
    struct cv_upgrade *up = ctx;

    (void)events;
    while (up->sent < up->request_len) {
        ssize_t n = cv_stream_send(up->stream, up->request + up->sent, up->request_len - up->sent);

        if (n == -EAGAIN)
            return;
        if (n < 0) {
            fail_code(up, "sending the handshake", (int)n);
            return;
        }
        up->sent += (size_t)n;
        if (up->sent == up->request_len && cv_stream_watch(up->stream, CV_READABLE) < 0) {
            fail(up, -ENOMEM, "cannot watch the connection");
            return;
        }
    }
    read_answer(up);
}

static void on_timeout(void *ctx)
{
    fail(ctx, -ETIMEDOUT, "the server does not answer the handshake");
}

static void on_connected(void *ctx, struct cv_stream *stream, int error, const char *text)
{
    struct cv_upgrade *up = ctx;

    up->dialling = NULL;
    if (!stream) {
        fail(up, error, text);
        return;
    }
    up->stream = stream;
    cv_stream_owner(stream, on_ready, up);
    if (cv_stream_watch(stream, CV_READABLE | CV_WRITABLE) < 0) {
        fail(up, -ENOMEM, "cannot watch the connection");
        return;
    }
    cv_timer_set(up->timer, CV_UPGRADE_WAIT);
}

/* The Host header: the port is left out when it is the scheme's own (RFC 9110, 7.2). */
static void host_header(char *out, size_t size, const struct cv_outbound_options *o)
{
    struct cv_text text;
    bool v6 = strchr(o->host, ':') != NULL;

    cv_text_init(&text, out, size);
    cv_text_str(&text, v6 ? "[" : "");
    cv_text_bytes(&text, o->host, strcspn(o->host, "%")); /* a zone means nothing over there */
    cv_text_str(&text, v6 ? "]" : "");
    if (o->port != (o->tls ? 443 : 80)) {
        cv_text_str(&text, ":");
        cv_text_u64(&text, o->port);
    }
}

static int make_request(struct cv_upgrade *up, const struct cv_upgrade_options *options)
{
    char host[300];
    uint8_t nonce[16];
    struct cv_ws_request request = {.host = host,
                                    .target = options->target,
                                    .key = up->ws_key,
                                    .headers = options->headers,
                                    .header_count = options->header_count};
    int n;

    host_header(host, sizeof(host), options->outbound);
    up->loop->random.fill(up->loop->random.ctx, nonce, sizeof(nonce));
    cv_base64(up->ws_key, nonce, sizeof(nonce));
    up->request = cv_alloc(&up->loop->alloc, CV_HTTP_HEAD_MAX);
    if (!up->request)
        return -ENOMEM;
    n = cv_ws_request_encode(up->request, CV_HTTP_HEAD_MAX, &request);
    if (n < 0)
        return n;
    up->request_len = (size_t)n;
    return 0;
}

int cv_upgrade_start(struct cv_upgrade **out, struct cv_loop *loop, struct cv_outbound *outbound,
                     const struct cv_upgrade_options *options, cv_upgrade_done *done, void *ctx)
{
    struct cv_upgrade *up = cv_alloc_zero(&loop->alloc, sizeof(*up));
    int rc;

    if (!up)
        return -ENOMEM;
    up->loop = loop;
    up->done = done;
    up->ctx = ctx;
    rc = make_request(up, options);
    if (rc == 0)
        rc = cv_timer_new(&up->timer, loop, on_timeout, up);
    if (rc == 0)
        rc = cv_outbound_dial(&up->dialling, outbound, options->outbound, on_connected, up);
    if (rc < 0) {
        upgrade_free(up);
        return rc;
    }
    *out = up;
    return 0;
}

void cv_upgrade_cancel(struct cv_upgrade *up)
{
    if (up->dialling)
        cv_outbound_cancel(up->dialling);
    upgrade_free(up);
}
