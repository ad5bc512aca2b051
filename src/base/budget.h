#ifndef CV_BASE_BUDGET_H
#define CV_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/attr.h"

/* Bytes that may be held at one time by everything that shares the budget: a session, a process.
 * A budget may have a parent, which is charged with it. A parent may be charged from several
 * threads: nobody waits for anybody, and two who ask at the same moment may both get the last
 * room. */
struct cv_budget {
    size_t limit;             /* bytes */
    _Atomic size_t used;      /* bytes */
    struct cv_budget *parent; /* borrowed, may be NULL */
};

/* Charges @size bytes to @budget and its parents, or charges nothing and returns false. A child may
 * hold no more than what its parent then has left: so however many hoard, as much as each of them
 * holds stays free for the others. (Dynamic thresholds: Choudhury and Hahne, 1998) */
bool cv_budget_take(struct cv_budget *budget, size_t size) CV_MUST_USE;

/* Bytes that could be taken now. */
size_t cv_budget_room(const struct cv_budget *budget);

/* Gives back what was taken. */
void cv_budget_give(struct cv_budget *budget, size_t size);

#endif
