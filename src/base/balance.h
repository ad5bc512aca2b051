#ifndef CV_BASE_BALANCE_H
#define CV_BASE_BALANCE_H

#include "base/attr.h"

/* Which of several healthy sessions of a client key a dial takes. */
#define CV_BALANCE_MAP(X)                                           \
    X(CV_BALANCE_NEWEST, "newest")           /* that joined last */ \
    X(CV_BALANCE_ROUND_ROBIN, "round-robin") /* they take turns */  \
    X(CV_BALANCE_LEAST_CONNS, "least-conns") /* with the fewest open connections */

enum cv_balance {
#define X(id, name) id,
    CV_BALANCE_MAP(X)
#undef X
        CV_BALANCE_COUNT
};

const char *cv_balance_name(enum cv_balance balance);

/* CV_ESYNTAX: not such a name. */
int cv_balance_read(enum cv_balance *out, const char *name) CV_MUST_USE;

#endif
