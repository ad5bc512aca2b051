#include "net/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "net/link.h"

_Static_assert(CV_READ_SIZE == 4 * CV_LINK_SEGMENT, "one read takes what one send carries");

static void *heap_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return malloc(size);
}

static void heap_free(void *ctx, void *ptr)
{
    (void)ctx;
    free(ptr);
}

/* The kernel never refuses once it has booted; without randomness no mask key and no token may be
 * made, so there is nothing better to do than to stop. */
static void from_kernel(uint8_t *buf, size_t len)
{
    while (len) {
        ssize_t n = getrandom(buf, len, 0);

        if (n < 0 && errno != EINTR)
            abort();
        if (n > 0) {
            buf += n;
            len -= (size_t)n;
        }
    }
}

static void random_fill(void *ctx, void *buf, size_t len)
{
    struct cv_loop *loop = ctx;
    uint8_t *fresh;

    if (len > sizeof(loop->random_pool)) {
        from_kernel(buf, len);
        return;
    }
    if (len > loop->random_left) {
        from_kernel(loop->random_pool, sizeof(loop->random_pool));
        loop->random_left = sizeof(loop->random_pool);
    }
    fresh = loop->random_pool + sizeof(loop->random_pool) - loop->random_left;
    memcpy(buf, fresh, len);
    explicit_bzero(fresh, len); /* what was handed out may have become a secret */
    loop->random_left -= len;
}

struct cv_alloc cv_heap(void)
{
    return (struct cv_alloc){.alloc = heap_alloc, .free = heap_free};
}

/* All but libuv's own part. */
static int init(struct cv_loop *loop, uv_loop_t *uv, const struct cv_log *log)
{
    int rc;

    loop->uv = uv;
    loop->alloc = cv_heap();
    cv_pool_init(&loop->buffers, &loop->alloc, CV_LINK_BUFFER);
    loop->random = (struct cv_random){.fill = random_fill, .ctx = loop};
    loop->log = *log;
    loop->read_buf = malloc(CV_READ_SIZE);
    if (!loop->read_buf)
        return -ENOMEM;
    rc = cv_poll_init(&loop->poll, uv);
    if (rc < 0) {
        free(loop->read_buf);
        return rc;
    }
    cv_list_init(&loop->tunnels);
    cv_list_init(&loop->lingering);
    cv_turn_init(&loop->turn, uv);
    return 0;
}

int cv_loop_init(struct cv_loop *loop, const struct cv_log *log)
{
    int rc;

    memset(loop, 0, sizeof(*loop));
    rc = uv_loop_init(&loop->own);
    if (rc < 0)
        return rc;
    rc = init(loop, &loop->own, log);
    if (rc < 0) {
        uv_loop_close(&loop->own);
        return rc;
    }
    loop->poll.eager = true;
    cv_pipes_init(&loop->pipes, &loop->own);
    /* libcurl's TLS writes to sockets by write(), and pipes are emptied into them by splice(),
     * which cannot be told to leave the signal out. */
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

int cv_loop_init_on(struct cv_loop *loop, uv_loop_t *uv, const struct cv_log *log)
{
    memset(loop, 0, sizeof(*loop));
    return init(loop, uv, log);
}

static void free_buffers(struct cv_loop *loop)
{
    free(loop->read_buf);
    loop->read_buf = NULL;
    cv_pool_deinit(&loop->buffers);
    explicit_bzero(loop->random_pool, sizeof(loop->random_pool));
}

int cv_loop_deinit(struct cv_loop *loop)
{
    int rc;

    cv_turn_run(&loop->turn); /* streams that were closed last */
    cv_turn_close(&loop->turn, NULL);
    cv_poll_close(&loop->poll);
    cv_pipes_close(&loop->pipes);
    /* What was closed last still has its close callback to come. */
    uv_run(loop->uv, UV_RUN_NOWAIT);
    rc = uv_loop_close(loop->uv);
    if (rc < 0)
        return rc;
    free_buffers(loop);
    return 0;
}

/* The last handle of all that were closed. */
static void on_last_closed(struct cv_turn *turn)
{
    struct cv_loop *loop = cv_container_of(turn, struct cv_loop, turn);

    free_buffers(loop);
    loop->leaving.left(loop->leaving.ctx);
}

static void close_rest(struct cv_loop *loop)
{
    cv_turn_run(&loop->turn);
    if (loop->held > 0 || uv_is_closing((uv_handle_t *)&loop->leave))
        return;
    uv_close((uv_handle_t *)&loop->leave, NULL);
    cv_poll_close(&loop->poll);
    cv_turn_close(&loop->turn, on_last_closed);
}

static void on_cut(uv_timer_t *timer)
{
    struct cv_loop *loop = cv_container_of(timer, struct cv_loop, leave);

    loop->leaving.cut(loop->leaving.ctx);
}

static void on_begin(uv_timer_t *timer)
{
    struct cv_loop *loop = cv_container_of(timer, struct cv_loop, leave);

    loop->leaving.begin(loop->leaving.ctx);
    loop->begun = true;
    uv_timer_start(timer, on_cut, cv_loop_delay(0, CV_LEAVE_WAIT), 0);
    if (loop->held == 0)
        close_rest(loop);
}

void cv_loop_leave(struct cv_loop *loop, const struct cv_loop_leaving *leaving)
{
    loop->leaving = *leaving;
    uv_timer_init(loop->uv, &loop->leave);
    uv_timer_start(&loop->leave, on_begin, 0, 0);
}

void cv_loop_hold(struct cv_loop *loop)
{
    loop->held++;
}

void cv_loop_let_go(struct cv_loop *loop)
{
    loop->held--;
    if (loop->held == 0 && loop->begun)
        close_rest(loop);
}

uint64_t cv_loop_now(const struct cv_loop *loop)
{
    (void)loop;
    return uv_hrtime() / 1000;
}

int64_t cv_wall_clock(void)
{
    return (int64_t)time(NULL);
}

uint64_t cv_wall_clock_msec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t cv_loop_delay(uint64_t now, uint64_t deadline)
{
    uint64_t left = deadline > now ? deadline - now : 0;

    return left / CV_MSEC + (left % CV_MSEC != 0);
}
