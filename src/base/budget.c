#include "base/budget.h"

static size_t used(const struct cv_budget *budget)
{
    return atomic_load_explicit(&budget->used, memory_order_relaxed);
}

static size_t left(const struct cv_budget *budget)
{
    return cv_less_size(budget->limit, used(budget));
}

/* What @budget could take by its own limit and its share of its parent's. */
static size_t own_room(const struct cv_budget *budget)
{
    size_t room = left(budget);

    if (!budget->parent)
        return room;
    /* used + size may come up to what the parent has left after that: half of the difference */
    return cv_min_size(room, cv_less_size(left(budget->parent), used(budget)) / 2);
}

size_t cv_budget_room(const struct cv_budget *budget)
{
    size_t room = SIZE_MAX;

    for (const struct cv_budget *b = budget; b; b = b->parent)
        room = cv_min_size(room, own_room(b));
    return room;
}

bool cv_budget_take(struct cv_budget *budget, size_t size)
{
    if (size > cv_budget_room(budget))
        return false;
    for (struct cv_budget *b = budget; b; b = b->parent)
        atomic_fetch_add_explicit(&b->used, size, memory_order_relaxed);
    return true;
}

void cv_budget_give(struct cv_budget *budget, size_t size)
{
    for (struct cv_budget *b = budget; b; b = b->parent)
        atomic_fetch_sub_explicit(&b->used, size, memory_order_relaxed);
}
