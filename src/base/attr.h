#ifndef CV_BASE_ATTR_H
#define CV_BASE_ATTR_H

#include <stddef.h>
#include <stdint.h>

/* The result says whether the call worked: ignoring it is an error. */
#define CV_MUST_USE __attribute__((warn_unused_result))

/* Time. Every pure layer is handed `now`: microseconds of one monotonic clock whose zero is
 * unspecified. A deadline is a point on that clock; CV_NEVER stands for none. */
#define CV_MSEC  UINT64_C(1000)
#define CV_SEC   UINT64_C(1000000)
#define CV_NEVER UINT64_MAX

static inline size_t cv_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* a - b, or 0 when b is the larger. */
static inline size_t cv_less_size(size_t a, size_t b)
{
    return a > b ? a - b : 0;
}

static inline uint64_t cv_min_time(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#define cv_container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
