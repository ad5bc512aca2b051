#ifndef CV_BASE_ALLOC_H
#define CV_BASE_ALLOC_H

#include "base/attr.h"

/* Where the pure layers get memory from. The shell hands in malloc; tests hand in one that fails
 * its n-th call. */
struct cv_alloc {
    void *(*alloc)(void *ctx, size_t size); /* NULL when there is none */
    void (*free)(void *ctx, void *ptr);     /* free(NULL) is fine */
    void *ctx;                              /* borrowed */
};

/* @size bytes, not cleared, or NULL. */
void *cv_alloc(const struct cv_alloc *alloc, size_t size) CV_MUST_USE;

/* @size bytes of zero, or NULL. */
void *cv_alloc_zero(const struct cv_alloc *alloc, size_t size) CV_MUST_USE;

void cv_free(const struct cv_alloc *alloc, void *ptr);

#endif
