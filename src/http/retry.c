#include "http/retry.h"

#include "base/attr.h"

uint64_t cv_retry_delay(const struct cv_random *random, unsigned tries, bool denied)
{
    uint64_t most = denied ? CV_RETRY_DENIED_MAX : CV_RETRY_MAX;
    uint64_t bound = CV_RETRY_FIRST;

    for (unsigned i = 1; i < tries && bound < most; i++)
        bound *= 2;
    return cv_random_below(random, cv_min_time(bound, most));
}
