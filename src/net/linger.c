#include "net/linger.h"

#include <errno.h>

#include "net/timer.h"

struct lingering {
    struct cv_loop *loop; /* borrowed */
    struct cv_stream *stream;
    struct cv_timer *timer; /* owned */
};

static void finish(void *ctx)
{
    struct lingering *lingering = ctx;

    cv_stream_close(lingering->stream);
    cv_timer_free(lingering->timer);
    cv_free(&lingering->loop->alloc, lingering);
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
    if (!lingering || cv_timer_new(&lingering->timer, loop, finish, lingering) < 0) {
        cv_free(&loop->alloc, lingering);
        cv_stream_close(stream);
        return;
    }
    lingering->loop = loop;
    lingering->stream = stream;
    cv_stream_owner(stream, on_ready, lingering);
    if (cv_stream_watch(stream, CV_READABLE) < 0) {
        finish(lingering);
        return;
    }
    cv_timer_set(lingering->timer, CV_LINGER_TIME);
}
