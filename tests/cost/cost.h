#ifndef TESTS_COST_COST_H
#define TESTS_COST_COST_H

#include "base/alloc.h"
#include "base/attr.h"

/* Scenarios over the pure layers, as real traffic uses them, whose instructions guard.py counts.
 *
 *   unit   what a scenario does over and over: a head, a message, a connection
 *   units  how often; a scenario runs twice, with few and with many, and the difference of the two
 *          is what a unit costs: whatever it needs before and after is in both */
struct cost_scenario {
    const char *name; /* `part.what` */
    const char *unit;
    unsigned few, many;
    /* Does it @units times. What it returns depends on all that was done, is printed, and is the
     * same in every run. */
    uint64_t (*run)(unsigned units);
};

/* Each ends with an entry without a name. */
extern const struct cost_scenario cost_codec[], cost_session[], cost_manager[];

/* So do these, which mask by AVX2, and are left out where there is none; all others do without. */
extern const struct cost_scenario cost_vectors[];

/* Memory for the scenarios; counts the blocks that are asked for. */
const struct cv_alloc *cost_alloc(void);

/* Ends the program: something that must work did not. */
_Noreturn void cost_fail(const char *what);

/* For results that must not be negative. */
int cost_check(int result, const char *what);

#endif
