#ifndef CV_BASE_SEEN_H
#define CV_BASE_SEEN_H

#include <stdbool.h>

#include "base/alloc.h"

/* Client keys that were here before: who comes again is a reconnect. A set of fixed size that
 * forgets: what is pushed out of it counts as new. */
struct cv_seen;

#define CV_SEEN_MAX 32768 /* keys, 8 bytes each */

/* @seed: so that nobody can choose keys that push out others. Returns 0 or -ENOMEM. */
int cv_seen_new(struct cv_seen **out, const struct cv_alloc *alloc, uint64_t seed) CV_MUST_USE;
void cv_seen_free(struct cv_seen *seen); /* NULL is fine */

/* Whether @key was put in before; it is in now. */
bool cv_seen_again(struct cv_seen *seen, const char *key);

#endif
