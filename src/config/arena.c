#include "config/arena.h"

#include <string.h>

struct cv_arena_block {
    struct cv_arena_block *next;
    size_t size; /* of data */
    max_align_t data[];
};

void cv_arena_init(struct cv_arena *arena, const struct cv_alloc *alloc)
{
    *arena = (struct cv_arena){.alloc = alloc};
}

void cv_arena_deinit(struct cv_arena *arena)
{
    while (arena->blocks) {
        struct cv_arena_block *block = arena->blocks;

        arena->blocks = block->next;
        explicit_bzero(block->data, block->size);
        cv_free(arena->alloc, block);
    }
}

void *cv_arena_take(struct cv_arena *arena, size_t size)
{
    struct cv_arena_block *block = cv_alloc_zero(arena->alloc, sizeof(*block) + size);

    if (!block)
        return NULL;
    block->size = size;
    block->next = arena->blocks;
    arena->blocks = block;
    return block->data;
}

char *cv_arena_copy(struct cv_arena *arena, const char *text, size_t len)
{
    char *copy = cv_arena_take(arena, len + 1);

    if (copy && len)
        memcpy(copy, text, len);
    return copy;
}

void *cv_arena_push(struct cv_arena *arena, void *array, size_t *count, size_t size)
{
    size_t n = *count;

    /* the room doubles whenever the count is a power of two */
    if ((n & (n - 1)) == 0) {
        void *grown = cv_arena_take(arena, (n ? 2 * n : 1) * size);

        if (!grown)
            return NULL;
        if (n)
            memcpy(grown, array, n * size);
        array = grown;
    }
    (*count)++;
    return array;
}
