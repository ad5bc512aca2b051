#include "http/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "door/http.h"
#include "net/log.h"
#include "net/timer.h"

#define REQUEST_MAX 4096
#define BUF_SIZE    (CV_HTTP_HEAD_MAX + CV_FETCH_BODY_MAX)

struct cv_fetch {
    struct cv_loop *loop; /* borrowed */
    cv_connect_allow *allow;
    cv_fetch_done *done;
    void *ctx; /* borrowed */
    bool post;
    struct cv_connecting *connecting; /* while connecting by HTTP */
    struct cv_dialling *dialling;     /* while connecting by HTTPS */
    struct cv_stream *stream;
    struct cv_timer *timer; /* owned */
    char request[REQUEST_MAX];
    size_t request_len, sent;
    size_t len;
    char buf[BUF_SIZE + 1]; /* one more than is taken, to see that there is more */
};

static void release(struct cv_fetch *fetch)
{
    if (fetch->connecting)
        cv_connect_cancel(fetch->connecting);
    if (fetch->dialling)
        cv_outbound_cancel(fetch->dialling);
    cv_stream_close(fetch->stream);
    cv_timer_free(fetch->timer);
    cv_free(&fetch->loop->alloc, fetch);
}

static void succeed(struct cv_fetch *fetch, const char *body, size_t len)
{
    fetch->done(fetch->ctx, &(struct cv_fetch_end){.body = body, .len = len});
    release(fetch);
}

static void fail(struct cv_fetch *fetch, int error)
{
    fetch->done(fetch->ctx, &(struct cv_fetch_end){.error = error, .text = cv_strerror(error)});
    release(fetch);
}

/* Judges what has come; @ended: nothing more will. Returns 1 when the fetch is over. */
static int judge(struct cv_fetch *fetch, bool ended)
{
    struct cv_http_head head;
    size_t head_len, len;
    int rc = cv_http_response_parse(&head, fetch->buf, fetch->len, &head_len);

    if (rc == CV_EMORE && !ended)
        return 0;
    if (rc == 0 && fetch->post && head.status / 100 == 2) {
        succeed(fetch, "", 0);
        return 1;
    }
    if (rc < 0 || fetch->post || head.status != 200 || head.chunked) {
        fail(fetch, CV_ESYNTAX);
        return 1;
    }
    len = fetch->len - head_len;
    if (head.content_length > (int64_t)CV_FETCH_BODY_MAX || len > CV_FETCH_BODY_MAX) {
        fail(fetch, CV_ETOOLONG);
        return 1;
    }
    if (head.content_length >= 0 && len >= (uint64_t)head.content_length)
        succeed(fetch, fetch->buf + head_len, (size_t)head.content_length);
    else if (ended && head.content_length >= 0)
        fail(fetch, -ECONNRESET);
    else if (ended)
        succeed(fetch, fetch->buf + head_len, len);
    else
        return 0;
    return 1;
}

static void receive(struct cv_fetch *fetch)
{
    for (;;) {
        ssize_t n =
            cv_stream_recv(fetch->stream, fetch->buf + fetch->len, sizeof(fetch->buf) - fetch->len);

        if (n == -EAGAIN)
            return;
        if (n < 0) {
            fail(fetch, (int)n);
            return;
        }
        fetch->len += (size_t)n;
        if (judge(fetch, n == 0 || fetch->len == sizeof(fetch->buf)))
            return;
    }
}

static void on_ready(void *ctx, int events)
{
    struct cv_fetch *fetch = ctx;
    int rc;

    (void)events;
    while (fetch->sent < fetch->request_len) {
        ssize_t n = cv_stream_send(fetch->stream, fetch->request + fetch->sent,
                                   fetch->request_len - fetch->sent);

        if (n == -EAGAIN)
            return;
        if (n < 0) {
            fail(fetch, (int)n);
            return;
        }
        fetch->sent += (size_t)n;
    }
    rc = cv_stream_watch(fetch->stream, CV_READABLE);
    if (rc < 0)
        fail(fetch, rc);
    else
        receive(fetch);
}

static void begin(struct cv_fetch *fetch)
{
    int rc;

    cv_stream_owner(fetch->stream, on_ready, fetch);
    rc = cv_stream_watch(fetch->stream, CV_WRITABLE);
    if (rc < 0)
        fail(fetch, rc);
}

static void on_connected(void *ctx, int fd, int error)
{
    struct cv_fetch *fetch = ctx;

    fetch->connecting = NULL;
    if (fd >= 0) {
        error = cv_stream_new(&fetch->stream, fetch->loop, fd);
        if (error < 0)
            close(fd);
    }
    if (error < 0)
        fail(fetch, error);
    else
        begin(fetch);
}

static void on_dialled(void *ctx, struct cv_stream *stream, int error, const char *text)
{
    struct cv_fetch *fetch = ctx;

    fetch->dialling = NULL;
    fetch->stream = stream;
    if (stream) {
        begin(fetch);
        return;
    }
    fetch->done(fetch->ctx, &(struct cv_fetch_end){.error = error, .text = text});
    release(fetch);
}

static bool on_allow(void *ctx, const struct sockaddr *address)
{
    struct cv_fetch *fetch = ctx;

    return !fetch->allow || fetch->allow(fetch->ctx, address);
}

static void on_timeout(void *ctx)
{
    fail(ctx, -ETIMEDOUT);
}

static int connect_plain(struct cv_fetch *fetch, const struct cv_fetch_options *options)
{
    const struct cv_connect_options connect = {.host = options->host,
                                               .port = options->port,
                                               .timeout = CV_FETCH_WAIT,
                                               .allow = on_allow,
                                               .done = on_connected,
                                               .ctx = fetch};

    return cv_connect_start(&fetch->connecting, fetch->loop, &connect);
}

int cv_fetch_start(struct cv_fetch **out, struct cv_loop *loop, struct cv_outbound *outbound,
                   const struct cv_fetch_options *options, cv_fetch_done *done, void *ctx)
{
    struct cv_fetch *fetch = cv_alloc_zero(&loop->alloc, sizeof(*fetch));
    int rc, n;

    if (!fetch)
        return -ENOMEM;
    fetch->loop = loop;
    fetch->allow = options->allow;
    fetch->done = done;
    fetch->ctx = ctx;
    fetch->post = options->post;
    n = snprintf(fetch->request, sizeof(fetch->request), "%s %s HTTP/1.0\r\nHost: %s\r\n%s\r\n\r\n",
                 options->post ? "POST" : "GET", options->target, options->host_header,
                 options->post ? "Content-Length: 0" : "Accept: text/xml");
    fetch->request_len = (size_t)n;
    rc = (size_t)n >= sizeof(fetch->request) ? CV_ETOOLONG
                                             : cv_timer_new(&fetch->timer, loop, on_timeout, fetch);
    if (rc == 0)
        rc = options->tls
                 ? cv_outbound_dial(&fetch->dialling, outbound, options->tls, on_dialled, fetch)
                 : connect_plain(fetch, options);
    if (rc < 0) {
        release(fetch);
        return rc;
    }
    cv_timer_set(fetch->timer, CV_FETCH_WAIT);
    *out = fetch;
    return 0;
}

void cv_fetch_cancel(struct cv_fetch *fetch)
{
    release(fetch);
}
