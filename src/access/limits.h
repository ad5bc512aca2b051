#ifndef CV_ACCESS_LIMITS_H
#define CV_ACCESS_LIMITS_H

#include "base/attr.h"

/* How much a server takes on, and the one place where the defaults stand. A default is text as
 * well, because it is read by the same parser as a flag's value and printed by --help and --check.
 */
#define CV_LIMIT_SESSIONS          "10000"
#define CV_LIMIT_CONNS             "20000"
#define CV_LIMIT_CONNS_PER_SESSION "8192"
#define CV_LIMIT_CONNS_PER_ADDRESS "1000"
#define CV_LIMIT_RATE_PER_ADDRESS  "500"
#define CV_LIMIT_RATE              "2000"
#define CV_LIMIT_PENDING_DIALS     "4096"
#define CV_LIMIT_BUFFER_BUDGET     "512M"

/* No flag sets more: ids and tables are sized with room for this many. */
#define CV_LIMIT_COUNT_MAX   UINT64_C(1000000)
#define CV_LIMIT_THREADS_MAX 64
#define CV_LIMIT_BUDGET_MIN  (UINT64_C(1) << 20)
#define CV_LIMIT_BUDGET_MAX  (UINT64_C(1) << 40)

struct cv_limits {
    uint64_t max_sessions;          /* agents and peers connected at once */
    uint64_t max_conns;             /* virtual connections of the whole process */
    uint64_t max_conns_per_session; /* virtual connections of one session */
    uint64_t max_conns_per_address; /* open at once from one address; 0: no limit */
    uint64_t rate_per_address;      /* connections a second from one address; 0: no limit */
    uint64_t rate; /* connections a second at the front door of one loop; 0: no limit */
    uint64_t max_pending_dials; /* visitors who wait for their target's answer */
    uint64_t buffer_budget;     /* bytes that all connections together may hold */
};

#endif
