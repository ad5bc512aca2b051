#include "base/budget.h"

bool cv_budget_take(struct cv_budget *budget, size_t size)
{
    for (struct cv_budget *b = budget; b; b = b->parent)
        if (size > b->limit || b->used > b->limit - size)
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
