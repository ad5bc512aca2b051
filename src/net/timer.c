#include "net/timer.h"

#include <errno.h>

struct cv_timer {
    uv_timer_t handle;
    struct cv_loop *loop; /* borrowed */
    void (*ring)(void *ctx);
    void *ctx; /* borrowed */
};

static void on_ring(uv_timer_t *handle)
{
    struct cv_timer *timer = cv_container_of(handle, struct cv_timer, handle);

    timer->ring(timer->ctx);
}

static void on_closed(uv_handle_t *handle)
{
    struct cv_timer *timer = handle->data;
    struct cv_loop *loop = timer->loop;

    cv_free(&loop->alloc, timer);
    cv_loop_let_go(loop);
}

int cv_timer_new(struct cv_timer **out, struct cv_loop *loop, void (*ring)(void *ctx), void *ctx)
{
    struct cv_timer *timer = cv_alloc_zero(&loop->alloc, sizeof(*timer));

    if (!timer)
        return -ENOMEM;
    timer->loop = loop;
    timer->ring = ring;
    timer->ctx = ctx;
    cv_loop_hold(loop);
    uv_timer_init(loop->uv, &timer->handle);
    timer->handle.data = timer;
    *out = timer;
    return 0;
}

void cv_timer_set(struct cv_timer *timer, uint64_t delay)
{
    uv_timer_start(&timer->handle, on_ring, cv_loop_delay(0, delay), 0);
}

void cv_timer_at(struct cv_timer *timer, uint64_t deadline)
{
    uint64_t now = cv_loop_now(timer->loop);

    if (deadline == CV_NEVER)
        cv_timer_stop(timer);
    else
        cv_timer_set(timer, deadline > now ? deadline - now : 0);
}

void cv_timer_stop(struct cv_timer *timer)
{
    uv_timer_stop(&timer->handle);
}

void cv_timer_unref(struct cv_timer *timer)
{
    uv_unref((uv_handle_t *)&timer->handle);
}

void cv_timer_free(struct cv_timer *timer)
{
    if (timer && !uv_is_closing((uv_handle_t *)&timer->handle))
        uv_close((uv_handle_t *)&timer->handle, on_closed);
}
