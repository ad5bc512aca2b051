#ifndef CV_CONFIG_ARENA_H
#define CV_CONFIG_ARENA_H

#include "base/alloc.h"

/* Memory that is freed all at once, so that a configuration owns what its fields point to without a
 * field by field deinit. Cleared before it goes back: a token may stand in it. */
struct cv_arena {
    const struct cv_alloc *alloc; /* borrowed */
    struct cv_arena_block *blocks;
};

void cv_arena_init(struct cv_arena *arena, const struct cv_alloc *alloc);
void cv_arena_deinit(struct cv_arena *arena);

/* @size bytes of zero, or NULL. */
void *cv_arena_take(struct cv_arena *arena, size_t size) CV_MUST_USE;

/* A copy of @len bytes, ended by NUL, or NULL. */
char *cv_arena_copy(struct cv_arena *arena, const char *text, size_t len) CV_MUST_USE;

/* Makes room for one more element of @size bytes behind the @*count of @array (NULL when empty),
 * which came from here. Returns where the array is from now on, with its new element cleared and
 * counted, or NULL and nothing changed. */
void *cv_arena_push(struct cv_arena *arena, void *array, size_t *count, size_t size) CV_MUST_USE;

#endif
