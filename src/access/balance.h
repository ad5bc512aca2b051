#ifndef CV_ACCESS_BALANCE_H
#define CV_ACCESS_BALANCE_H

#include "access/pattern.h"
#include "base/balance.h"

/* Which policy the sessions of a client key go by. */
struct cv_balance_rule {
    struct cv_key_pattern client; /* `*` alone: what holds where nothing else is said */
    enum cv_balance balance;
};

#define CV_BALANCE_RULES_MAX 1000 /* all are looked at once a dial */

/* Of the rules that match @key the one that names it, else the one that says most of its start;
 * CV_BALANCE_NEWEST without any. */
enum cv_balance cv_balance_of(const struct cv_balance_rule *rules, size_t count, const char *key);

#endif
