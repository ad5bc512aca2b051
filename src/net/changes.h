#ifndef CV_NET_CHANGES_H
#define CV_NET_CHANGES_H

#include "net/loop.h"

/* Word of files that became others: written anew, or replaced by a rename, or the target of a link
 * that now points elsewhere in the same folder. Watches their folders (inotify); does not keep the
 * loop running. */
struct cv_changes;

#define CV_CHANGES_MAX 8 /* files */
#define CV_CHANGES_QUIET                                                     \
    250 /* ms without a further event, so that several files change together \
         */

/* On the loop's thread. What is there may still be half of what is coming: a further call follows.
 */
typedef void cv_changed(void *ctx);

/* @files are copied; NULL among them is passed over. @ctx is borrowed. Returns 0, -ENOMEM, CV_EFULL
 * for too many, or libuv's code for a folder that cannot be watched. */
int cv_changes_new(struct cv_changes **out, struct cv_loop *loop, const char *const *files,
                   size_t count, cv_changed *changed, void *ctx) CV_MUST_USE;

/* NULL is fine. Run the loop once more after it. */
void cv_changes_free(struct cv_changes *changes);

#endif
