#include "net/linger.h"

#include <errno.h>

#include "net/timer.h"

#define LOOK_EVERY (200 * CV_MSEC)

struct lingering {
    struct cv_list link;
    struct cv_loop *loop; /* borrowed */
    struct cv_stream *stream;
    struct cv_timer *timer; /* owned */
    size_t unsent;          /* when last looked at */
    uint64_t since;         /* when that last changed */
};

static void finish(struct lingering *lingering)
{
    cv_list_remove(&lingering->link);
    cv_stream_close(lingering->stream);
    cv_timer_free(lingering->timer);
    cv_free(&lingering->loop->alloc, lingering);
}

static void on_ready(void *ctx, int events)
{
    struct lingering *lingering = ctx;
    ssize_t n = cv_stream_recv(lingering->stream, lingering->loop->read_buf, CV_READ_SIZE);

    (void)events;
    if (n != -EAGAIN && n <= 0)
        finish(lingering);
}

static void look(void *ctx)
{
    struct lingering *lingering = ctx;
    uint64_t now = cv_loop_now(lingering->loop);
    size_t unsent = cv_stream_unsent(lingering->stream);

    if (unsent != lingering->unsent)
        lingering->since = now;
    lingering->unsent = unsent;
    if (now - lingering->since >= (unsent ? CV_LINGER_STALL : CV_LINGER_TIME))
        finish(lingering);
    else
        cv_timer_set(lingering->timer, LOOK_EVERY);
}

void cv_linger(struct cv_loop *loop, struct cv_stream *stream)
{
    struct lingering *lingering = NULL;

    cv_stream_shutdown(stream);
    if (!loop->lingers_no_more)
        lingering = cv_alloc_zero(&loop->alloc, sizeof(*lingering));
    if (!lingering || cv_timer_new(&lingering->timer, loop, look, lingering) < 0) {
        cv_free(&loop->alloc, lingering);
        cv_stream_close(stream);
        return;
    }
    lingering->loop = loop;
    lingering->stream = stream;
    lingering->since = cv_loop_now(loop);
    cv_list_init(&lingering->link);
    cv_list_push_back(&loop->lingering, &lingering->link);
    cv_stream_owner(stream, on_ready, lingering);
    if (cv_stream_watch(stream, CV_READABLE) < 0)
        finish(lingering);
    else
        cv_timer_set(lingering->timer, LOOK_EVERY);
}

void cv_linger_end(struct cv_loop *loop)
{
    loop->lingers_no_more = true;
    cv_list_each_safe (link, &loop->lingering)
        finish(cv_container_of(link, struct lingering, link));
}
