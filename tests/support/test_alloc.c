#include "support/test_alloc.h"

#include <stdlib.h>

/* Keeps the size in front of the block, at malloc's own alignment. */
union head {
    size_t size;
    max_align_t align;
};

static void *take(void *ctx, size_t size)
{
    struct test_alloc *ta = ctx;
    union head *head;

    if (++ta->calls == ta->fail_at)
        return NULL;
    head = malloc(sizeof(*head) + size);
    if (!head)
        abort();
    head->size = size;
    ta->live++;
    ta->bytes += size;
    if (ta->bytes > ta->peak)
        ta->peak = ta->bytes;
    return head + 1;
}

static void give(void *ctx, void *ptr)
{
    struct test_alloc *ta = ctx;
    union head *head = ptr;

    if (!ptr)
        return;
    head--;
    ta->live--;
    ta->bytes -= head->size;
    free(head);
}

void test_alloc_init(struct test_alloc *ta)
{
    *ta = (struct test_alloc){.alloc = {.alloc = take, .free = give, .ctx = ta}};
}
