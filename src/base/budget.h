#ifndef CV_BASE_BUDGET_H
#define CV_BASE_BUDGET_H

#include <stdbool.h>

#include "base/attr.h"

/* Bytes that may be held at one time by everything that shares the budget: a session, a process.
 * A budget may have a parent, which is charged with it. */
struct cv_budget {
    size_t limit;             /* bytes */
    size_t used;              /* bytes; used <= limit */
    struct cv_budget *parent; /* borrowed, may be NULL */
};

/* Charges @size bytes to @budget and its parents, or charges nothing and returns false. */
bool cv_budget_take(struct cv_budget *budget, size_t size) CV_MUST_USE;

/* Gives back what was taken. */
void cv_budget_give(struct cv_budget *budget, size_t size);

#endif
