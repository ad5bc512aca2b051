#include "base/pool.h"

static void *pool_alloc(void *ctx, size_t size)
{
    struct cv_pool *pool = ctx;

    if (size > pool->block)
        return cv_alloc(pool->heap, size);
    if (pool->count > 0)
        return pool->kept[--pool->count];
    return cv_alloc(pool->heap, pool->block);
}

/* Every buffer is at least a block: it was asked for here. */
static void pool_free(void *ctx, void *ptr)
{
    struct cv_pool *pool = ctx;

    if (ptr && pool->count < CV_POOL_KEPT)
        pool->kept[pool->count++] = ptr;
    else
        cv_free(pool->heap, ptr);
}

void cv_pool_init(struct cv_pool *pool, const struct cv_alloc *heap, size_t block)
{
    *pool = (struct cv_pool){.heap = heap, .block = block};
    pool->alloc = (struct cv_alloc){.alloc = pool_alloc, .free = pool_free, .ctx = pool};
}

void cv_pool_deinit(struct cv_pool *pool)
{
    while (pool->count > 0)
        cv_free(pool->heap, pool->kept[--pool->count]);
}
