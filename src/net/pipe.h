#ifndef CV_NET_PIPE_H
#define CV_NET_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/attr.h"

/* Pipes through which bytes go from one socket to another without being copied: splice(2) hands the
 * kernel's pages on. A loop lends them. One that holds bytes is its borrower's alone, and what was
 * in it is never seen by the next one. A loop without traffic has none. */

/* Asked for; what the kernel grants will do: a pipe holds so many pieces as it has pages, and a
 * piece is whatever a socket keeps together, from a packet to 32 KiB. */
#define CV_PIPE_SIZE (1024 * 1024)

/* At a time on a loop, lent and kept, two descriptors each. Beyond that payload is copied. */
#define CV_PIPES_MAX 8

#define CV_PIPES_KEPT    2   /* for the next borrower, at most */
#define CV_PIPES_KEPT_MS 500 /* while one comes at least that often */

struct cv_pipe {
    int in, out; /* to write to, to read from; both 0: none */
};

/* Zeros: lends none. */
struct cv_pipes {
    bool lends;
    bool asked;   /* since the timer rang */
    size_t count; /* lent and kept */
    size_t kept_count;
    struct cv_pipe kept[CV_PIPES_KEPT];
    uv_timer_t timer; /* runs while pipes are kept, and does not keep the loop going */
};

void cv_pipes_init(struct cv_pipes *pipes, uv_loop_t *loop);

/* Closes the kept ones and the timer; run the loop once more before it is closed. A second call
 * does nothing. */
void cv_pipes_close(struct cv_pipes *pipes);

/* Lends an empty pipe, non-blocking at both ends. False: there is none, so copy. */
bool cv_pipes_take(struct cv_pipes *pipes, struct cv_pipe *pipe) CV_MUST_USE;

/* Takes it back. Bytes that are still in one that is not @empty are lost. None is fine. */
void cv_pipes_give(struct cv_pipes *pipes, struct cv_pipe *pipe, bool empty);

#endif
