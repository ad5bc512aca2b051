#include "net/pipe.h"

#include <fcntl.h>
#include <unistd.h>

static void drop(struct cv_pipes *pipes, const struct cv_pipe *pipe)
{
    close(pipe->in);
    close(pipe->out);
    pipes->count--;
}

static void drop_kept(struct cv_pipes *pipes)
{
    while (pipes->kept_count > 0)
        drop(pipes, &pipes->kept[--pipes->kept_count]);
}

static void on_timer(uv_timer_t *timer)
{
    struct cv_pipes *pipes = cv_container_of(timer, struct cv_pipes, timer);

    if (!pipes->asked) {
        drop_kept(pipes);
        uv_timer_stop(timer);
    }
    pipes->asked = false;
}

void cv_pipes_init(struct cv_pipes *pipes, uv_loop_t *loop)
{
    *pipes = (struct cv_pipes){.lends = true};
    uv_timer_init(loop, &pipes->timer);
    uv_unref((uv_handle_t *)&pipes->timer);
}

void cv_pipes_close(struct cv_pipes *pipes)
{
    if (!pipes->lends)
        return;
    pipes->lends = false;
    drop_kept(pipes);
    uv_close((uv_handle_t *)&pipes->timer, NULL);
}

bool cv_pipes_take(struct cv_pipes *pipes, struct cv_pipe *pipe)
{
    int ends[2];

    if (!pipes->lends)
        return false;
    pipes->asked = true;
    if (pipes->kept_count > 0) {
        *pipe = pipes->kept[--pipes->kept_count];
        return true;
    }
    if (pipes->count == CV_PIPES_MAX || pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0)
        return false;
    (void)!fcntl(ends[1], F_SETPIPE_SZ, CV_PIPE_SIZE); /* refused: it has its own size */
    pipes->count++;
    *pipe = (struct cv_pipe){.in = ends[1], .out = ends[0]};
    return true;
}

void cv_pipes_give(struct cv_pipes *pipes, struct cv_pipe *pipe, bool empty)
{
    if (pipe->in == pipe->out)
        return;
    if (!empty || !pipes->lends || pipes->kept_count == CV_PIPES_KEPT) {
        drop(pipes, pipe);
    } else {
        pipes->kept[pipes->kept_count++] = *pipe;
        if (!uv_is_active((uv_handle_t *)&pipes->timer))
            uv_timer_start(&pipes->timer, on_timer, CV_PIPES_KEPT_MS, CV_PIPES_KEPT_MS);
    }
    *pipe = (struct cv_pipe){0};
}
