#include "base/alloc.h"

#include <string.h>

void *cv_alloc(const struct cv_alloc *alloc, size_t size)
{
    return alloc->alloc(alloc->ctx, size);
}

void *cv_alloc_zero(const struct cv_alloc *alloc, size_t size)
{
    void *ptr = cv_alloc(alloc, size);

    if (ptr)
        memset(ptr, 0, size);
    return ptr;
}

void cv_free(const struct cv_alloc *alloc, void *ptr)
{
    alloc->free(alloc->ctx, ptr);
}
