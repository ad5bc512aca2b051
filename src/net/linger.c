#include "net/linger.h"

#include <errno.h>

struct lingering {
    struct cv_loop *loop; /* borrowed */
    struct cv_stream *stream;
    uv_timer_t timer;
};

static void on_closed(uv_handle_t *handle)
{
    struct lingering *lingering = handle->data;

    cv_free(&lingering->loop->alloc, lingering);
}

static void finish(struct lingering *lingering)
{
    cv_stream_close(lingering->stream);
    uv_close((uv_handle_t *)&lingering->timer, on_closed);
}

static void on_timeout(uv_timer_t *timer)
{
    finish(timer->data);
}

static void on_ready(void *ctx, int events)
{
    struct lingering *lingering = ctx;
    ssize_t n;

    (void)events;
    n = cv_stream_recv(lingering->stream, lingering->loop->read_buf, CV_READ_SIZE);
    if (n == -EAGAIN || n > 0)
        return;
    finish(lingering);
}

void cv_linger(struct cv_loop *loop, struct cv_stream *stream)
{
    struct lingering *lingering = cv_alloc(&loop->alloc, sizeof(*lingering));

    cv_stream_shutdown(stream);
    if (!lingering) {
        cv_stream_close(stream);
        return;
    }
    lingering->loop = loop;
    lingering->stream = stream;
    uv_timer_init(&loop->uv, &lingering->timer);
    lingering->timer.data = lingering;
    uv_unref((uv_handle_t *)&lingering->timer);
    cv_stream_owner(stream, on_ready, lingering);
    if (cv_stream_watch(stream, CV_READABLE) < 0) {
        finish(lingering);
        return;
    }
    uv_timer_start(&lingering->timer, on_timeout, CV_LINGER_TIME / CV_MSEC, 0);
}
