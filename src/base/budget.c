#include "base/budget.h"

/* What @budget could take by its own limit and its share of its parent's. */
static size_t own_room(const struct cv_budget *budget)
{
    const struct cv_budget *parent = budget->parent;
    size_t room = budget->limit - budget->used;
    size_t left;

    if (!parent)
        return room;
    left = parent->limit - parent->used;
    /* used + size may come up to what is left after that: half of the difference */
    return left > budget->used ? cv_min_size(room, (left - budget->used) / 2) : 0;
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
        b->used += size;
    return true;
}

void cv_budget_give(struct cv_budget *budget, size_t size)
{
    for (struct cv_budget *b = budget; b; b = b->parent)
        b->used -= size;
}
