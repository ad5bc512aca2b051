#ifndef CV_NET_TIMER_H
#define CV_NET_TIMER_H

#include "net/loop.h"

/* One alarm on the loop. It owns its own memory, so that its owner can go at any time, in its
 * callback too. */
struct cv_timer;

/* @ring is called with @ctx (borrowed) when the timer rings. Returns 0 or -ENOMEM. */
int cv_timer_new(struct cv_timer **out, struct cv_loop *loop, void (*ring)(void *ctx),
                 void *ctx) CV_MUST_USE;

/* Rings once, in @delay microseconds (rounded up to milliseconds); a timer that was set is set
 * anew. */
void cv_timer_set(struct cv_timer *timer, uint64_t delay);

/* Rings once at @deadline of cv_loop_now(), at once when that has passed; CV_NEVER stops it. */
void cv_timer_at(struct cv_timer *timer, uint64_t deadline);
void cv_timer_stop(struct cv_timer *timer);

/* Does not keep the loop running while it is set. */
void cv_timer_unref(struct cv_timer *timer);

/* NULL is fine. */
void cv_timer_free(struct cv_timer *timer);

#endif
