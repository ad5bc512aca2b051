#ifndef CV_NET_MAILBOX_H
#define CV_NET_MAILBOX_H

#include "net/loop.h"

/* What other threads hand to a loop: the only door between loops. Mail is delivered on the loop's
 * own thread, in the order in which it was posted. */

/* Its poster embeds this. It is the box's from cv_mailbox_post() until it is delivered. */
struct cv_mail {
    struct cv_mail *next;

    /* Called once, with the box's ctx; @lost: the box was closed before, and nothing may be
     * started any more. The callee owns the mail. */
    void (*deliver)(struct cv_mail *mail, void *ctx, bool lost);
};

struct cv_mailbox {
    uv_mutex_t lock;
    uv_async_t bell;
    struct cv_mail *first, **last; /* under the lock */
    void *ctx;                     /* borrowed */
};

/* On the loop's thread, or before it runs. An open box keeps its loop running. Returns 0 or libuv's
 * code. */
int cv_mailbox_open(struct cv_mailbox *box, struct cv_loop *loop, void *ctx) CV_MUST_USE;

/* From any thread; never blocks for longer than the list takes. */
void cv_mailbox_post(struct cv_mailbox *box, struct cv_mail *mail);

/* The loop may end with the box open; what comes later waits for cv_mailbox_close(). */
void cv_mailbox_unref(struct cv_mailbox *box);

/* When nobody posts any more: what is left is delivered as lost. Run the loop once more after it.
 */
void cv_mailbox_close(struct cv_mailbox *box);

#endif
