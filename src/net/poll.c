#include "net/poll.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

/* Events that are dealt out in one go; what is left comes next time. */
#define BATCH 256

#define PROMPT_MAX  (2 * CV_EAGER_AFTER)
#define PROMPT_LOST 8 /* of that, by a wait that was no short one */

static void deal_out(struct cv_poll *poll, int fd)
{
    struct epoll_event batch[BATCH];

    poll->batch = batch;
    poll->batch_len = epoll_wait(fd, batch, BATCH, 0);
    for (int i = 0; i < poll->batch_len; i++) {
        struct cv_watch *watch = batch[i].data.ptr;

        if (watch)
            watch->ready(watch, batch[i].events);
    }
    poll->batch = NULL;
}

static void note_wait(struct cv_poll *poll, uint64_t waited)
{
    if (poll->batch_len != 1 || waited >= CV_EAGER_NS)
        poll->prompt = poll->prompt > PROMPT_LOST ? poll->prompt - PROMPT_LOST : 0;
    else if (poll->prompt < PROMPT_MAX)
        poll->prompt++;
}

static void on_ready(uv_poll_t *handle, int status, int events)
{
    struct cv_poll *poll = handle->data;
    uint64_t waited = uv_hrtime() - poll->waits_since;

    (void)status;
    (void)events;
    deal_out(poll, poll->fd);
    note_wait(poll, waited);
}

void cv_poll_bulk(struct cv_poll *poll)
{
    poll->prompt = 0;
}

/* The loop has done all there was to do: before it sleeps, see whether something comes. */
static void on_before_wait(uv_prepare_t *prepare)
{
    struct cv_poll *poll = prepare->data;
    struct epoll_event event;

    poll->waits_since = uv_hrtime();
    if (!poll->eager || poll->prompt < CV_EAGER_AFTER || uv_backend_timeout(prepare->loop) == 0)
        return;
    while (epoll_wait(poll->fd, &event, 1, 0) == 0 && uv_hrtime() - poll->waits_since < CV_EAGER_NS)
        sched_yield();
}

/* Each that rests is heard once: those that are dead stay ready until the turn's end, however often
 * they are looked at. The kernel gives them in turn. */
static void on_look(uv_timer_t *timer)
{
    struct cv_poll *poll = timer->data;
    size_t left = poll->resting;

    do {
        deal_out(poll, poll->rest_fd);
        left -= left < BATCH ? left : BATCH;
    } while (poll->batch_len == BATCH && left > 0);
}

int cv_poll_init(struct cv_poll *poll, uv_loop_t *loop)
{
    int rc;

    *poll = (struct cv_poll){.fd = epoll_create1(EPOLL_CLOEXEC)};
    poll->rest_fd = epoll_create1(EPOLL_CLOEXEC);
    rc = poll->fd < 0 || poll->rest_fd < 0 ? -errno : uv_poll_init(loop, &poll->handle, poll->fd);
    if (rc < 0) {
        close(poll->fd);
        close(poll->rest_fd);
        return rc;
    }
    uv_timer_init(loop, &poll->look);
    uv_prepare_init(loop, &poll->before_wait);
    poll->handle.data = poll->look.data = poll->before_wait.data = poll;
    uv_prepare_start(&poll->before_wait, on_before_wait);
    rc = uv_poll_start(&poll->handle, UV_READABLE, on_ready);
    uv_unref((uv_handle_t *)&poll->handle);
    uv_unref((uv_handle_t *)&poll->look);
    uv_unref((uv_handle_t *)&poll->before_wait);
    return rc;
}

void cv_poll_close(struct cv_poll *poll)
{
    if (uv_is_closing((uv_handle_t *)&poll->handle))
        return;
    uv_close((uv_handle_t *)&poll->handle, NULL);
    uv_close((uv_handle_t *)&poll->look, NULL);
    uv_close((uv_handle_t *)&poll->before_wait, NULL);
    close(poll->fd);
    close(poll->rest_fd);
}

static void count_watched(struct cv_poll *poll, bool before, bool after)
{
    poll->watched = poll->watched + after - before;
    if (poll->watched == 0)
        uv_unref((uv_handle_t *)&poll->handle);
    else
        uv_ref((uv_handle_t *)&poll->handle);
}

static void count_resting(struct cv_poll *poll, bool before, bool after)
{
    poll->resting = poll->resting + after - before;
    if (poll->resting == 0)
        uv_timer_stop(&poll->look);
    else if (!uv_is_active((uv_handle_t *)&poll->look))
        uv_timer_start(&poll->look, on_look, CV_REST_MS, CV_REST_MS);
}

/* Notes what the kernel was told. */
static void note(struct cv_poll *poll, struct cv_watch *watch, uint32_t events, bool rests)
{
    if ((events != 0) != (watch->events != 0))
        count_watched(poll, watch->events != 0, events != 0);
    if (rests != watch->rests)
        count_resting(poll, watch->rests, rests);
    watch->events = events;
    watch->rests = rests;
}

static int set_of(const struct cv_poll *poll, bool rests)
{
    return rests ? poll->rest_fd : poll->fd;
}

int cv_poll_set(struct cv_poll *poll, struct cv_watch *watch, uint32_t events, bool rests)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    int op = EPOLL_CTL_ADD;

    if (events == 0)
        rests = false;
    if (events == watch->events && rests == watch->rests)
        return 0;
    if (watch->events && (events == 0 || rests != watch->rests)) {
        epoll_ctl(set_of(poll, watch->rests), EPOLL_CTL_DEL, watch->fd, NULL);
        note(poll, watch, 0, false);
    }
    if (watch->events)
        op = EPOLL_CTL_MOD;
    if (events && epoll_ctl(set_of(poll, rests), op, watch->fd, &event) < 0)
        return -errno;
    note(poll, watch, events, rests);
    return 0;
}

void cv_poll_drop(struct cv_poll *poll, struct cv_watch *watch)
{
    note(poll, watch, 0, false);
    for (int i = 0; poll->batch && i < poll->batch_len; i++)
        if (poll->batch[i].data.ptr == watch)
            poll->batch[i].data.ptr = NULL;
}
