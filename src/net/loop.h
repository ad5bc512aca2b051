#ifndef CV_NET_LOOP_H
#define CV_NET_LOOP_H

#include <stdbool.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/random.h"
#include "net/cause.h"
#include "net/pipe.h"
#include "net/poll.h"
#include "net/shed.h"
#include "net/turn.h"

/* Bytes that one read of a socket may bring: what one send of a link carries. Payload is parsed
 * where it lies here and never kept here, so one buffer serves all links of a loop. */
#define CV_READ_SIZE ((size_t)4 * 65483)

struct cv_passed;

/* How a loop of somebody else's is left; all are called from it. */
struct cv_loop_leaving {
    void (*begin)(void *ctx); /* soon: what is held is to be let go */
    void (*cut)(void *ctx);   /* CV_LEAVE_WAIT later: what is still held, at once */
    void (*left)(void *ctx);  /* all is gone: the last call, which may free the struct cv_loop */
    void *ctx;                /* borrowed */
};

#define CV_LEAVE_WAIT (1 * CV_SEC) /* for close frames, and for what sinks take at once */

/* What everything on one event loop shares. `main` owns it; everybody else borrows it. */
struct cv_loop {
    uv_loop_t *uv; /* `own`, or the embedding program's */
    uv_loop_t own;
    struct cv_alloc alloc;   /* malloc */
    struct cv_pool buffers;  /* what links send from */
    struct cv_pipes pipes;   /* what payload goes by; none on a loop of somebody else's */
    struct cv_random random; /* the kernel's, read in blocks */
    struct cv_log log;
    struct cv_causes causes;
    uint64_t sessions;                 /* numbers of those that are dialled: see http/uplink.h */
    uint8_t *read_buf;                 /* CV_READ_SIZE bytes, free for whoever runs */
    struct cv_poll poll;               /* the sockets of streams */
    struct cv_turn turn;               /* what is done at the end of a turn */
    struct cv_list tunnels, lingering; /* all there are: see net/tunnel.h, net/linger.h */
    struct cv_passed *passed;          /* borrowed; what listeners take first; or NULL */
    bool lingers_no_more;              /* see cv_linger_end() */
    uint64_t shed[CV_SHED_COUNT];      /* see cv_shed() */
    uint8_t random_pool[256];
    size_t random_left; /* unread bytes at the pool's end */
    size_t held;        /* see cv_loop_hold() */
    struct cv_loop_leaving leaving;
    uv_timer_t leave; /* to `begin`, and then to `cut` */
    bool begun;
};

/* malloc and free. */
struct cv_alloc cv_heap(void);

/* Returns 0, -ENOMEM or libuv's code. */
int cv_loop_init(struct cv_loop *loop, const struct cv_log *log) CV_MUST_USE;

/* The same on a loop of somebody else's (borrowed), who runs it. It is shared: several may be on
 * one, nothing stays awake on it (CV_EAGER_NS), and SIGPIPE is left as it is, so that nothing goes
 * by a pipe, since splice() would raise it. */
int cv_loop_init_on(struct cv_loop *loop, uv_loop_t *uv, const struct cv_log *log) CV_MUST_USE;

/* Every handle must be closed and every lookup back before (run the loop until it ends by itself):
 * returns UV_EBUSY when one is not. */
int cv_loop_deinit(struct cv_loop *loop) CV_MUST_USE;

/* Leaves a loop of somebody else's. Nothing on that loop points to @loop any more when it has left;
 * @leaving is copied. */
void cv_loop_leave(struct cv_loop *loop, const struct cv_loop_leaving *leaving);

/* Something that has handles or lookups on the loop began, or its memory goes with them. */
void cv_loop_hold(struct cv_loop *loop);
void cv_loop_let_go(struct cv_loop *loop);

/* Now, for the pure layers: microseconds of the monotonic clock. */
uint64_t cv_loop_now(const struct cv_loop *loop);

/* The wall clock, seconds since 1970: for dates that people wrote, never for waiting. */
int64_t cv_wall_clock(void);

/* The same in milliseconds: to say which of two machines saw something first. */
uint64_t cv_wall_clock_msec(void);

/* Milliseconds from @now until @deadline, rounded up, for uv_timer_start(); 0 when it is past. */
uint64_t cv_loop_delay(uint64_t now, uint64_t deadline);

#endif
