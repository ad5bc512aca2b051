#ifndef CV_NET_LOOP_H
#define CV_NET_LOOP_H

#include <stdbool.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/random.h"
#include "net/poll.h"
#include "net/turn.h"

/* Bytes that one read of a socket may bring: what one send of a link carries. Payload is parsed
 * where it lies here and never kept here, so one buffer serves all links of a loop. */
#define CV_READ_SIZE ((size_t)4 * 65483)

struct cv_passed;

/* What everything on one event loop shares. `main` owns it; everybody else borrows it. */
struct cv_loop {
    uv_loop_t uv;
    struct cv_alloc alloc;   /* malloc */
    struct cv_pool buffers;  /* what links send from */
    struct cv_random random; /* the kernel's, read in blocks */
    struct cv_log log;
    uint8_t *read_buf;                 /* CV_READ_SIZE bytes, free for whoever runs */
    struct cv_poll poll;               /* the sockets of streams */
    struct cv_turn turn;               /* what is done at the end of a turn */
    struct cv_list tunnels, lingering; /* all there are: see net/tunnel.h, net/linger.h */
    struct cv_passed *passed;          /* borrowed; what listeners take first; or NULL */
    bool lingers_no_more;              /* see cv_linger_end() */
    uint8_t random_pool[256];
    size_t random_left; /* unread bytes at the pool's end */
};

/* malloc and free. */
struct cv_alloc cv_heap(void);

/* Returns 0, -ENOMEM or libuv's code. */
int cv_loop_init(struct cv_loop *loop, const struct cv_log *log) CV_MUST_USE;

/* Every handle must be closed and every lookup back before (run the loop until it ends by itself):
 * returns UV_EBUSY when one is not. */
int cv_loop_deinit(struct cv_loop *loop) CV_MUST_USE;

/* Now, for the pure layers: microseconds of the monotonic clock. */
uint64_t cv_loop_now(const struct cv_loop *loop);

/* The wall clock, seconds since 1970: for dates that people wrote, never for waiting. */
int64_t cv_wall_clock(void);

/* The same in milliseconds: to say which of two machines saw something first. */
uint64_t cv_wall_clock_msec(void);

/* Milliseconds from @now until @deadline, rounded up, for uv_timer_start(); 0 when it is past. */
uint64_t cv_loop_delay(uint64_t now, uint64_t deadline);

#endif
