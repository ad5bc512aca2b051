#ifndef CV_BASE_POOL_H
#define CV_BASE_POOL_H

#include "base/alloc.h"

/* An allocator of large buffers that come and go: keeps a few that were given back, since the heap
 * would hand their pages back to the kernel and fault them in again each time. */

#define CV_POOL_KEPT 2

struct cv_pool {
    struct cv_alloc alloc; /* what to allocate by; any size, but no more than @block is kept */
    const struct cv_alloc *heap; /* borrowed */
    size_t block;                /* bytes of a buffer, at least */
    size_t count;                /* kept[0..count) */
    void *kept[CV_POOL_KEPT];
};

/* @heap is borrowed for the pool's life. The pool must stay where it is. */
void cv_pool_init(struct cv_pool *pool, const struct cv_alloc *heap, size_t block);

/* Frees what is kept; buffers that are still out may be given back to the heap only. */
void cv_pool_deinit(struct cv_pool *pool);

#endif
