#include "load.h"

/* Below 32 ns a bucket a nanosecond; above, the highest set bit picks the row and the five bits
 * after it the step. */
static size_t bucket_of(uint64_t ns)
{
    unsigned shift;

    if (ns < CV_LOAD_STEPS)
        return (size_t)ns;
    shift = 63u - (unsigned)__builtin_clzll(ns) - 5u;
    return (size_t)(shift + 1) * CV_LOAD_STEPS + (size_t)((ns >> shift) & (CV_LOAD_STEPS - 1));
}

/* The middle of a bucket, in nanoseconds. */
static uint64_t middle_of(size_t bucket)
{
    size_t shift;

    if (bucket < CV_LOAD_STEPS)
        return bucket;
    shift = bucket / CV_LOAD_STEPS - 1;
    return ((CV_LOAD_STEPS + (uint64_t)(bucket % CV_LOAD_STEPS)) << shift) +
           ((uint64_t)1 << shift) / 2;
}

void cv_load_histogram_add(struct cv_load_histogram *histogram, uint64_t ns)
{
    histogram->buckets[bucket_of(ns)]++;
    histogram->count++;
}

uint64_t cv_load_histogram_at(const struct cv_load_histogram *histogram, double fraction)
{
    double wanted = (double)histogram->count * fraction;
    uint64_t seen = 0;

    for (size_t i = 0; i < CV_LOAD_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && (double)seen >= wanted)
            return middle_of(i);
    }
    return 0;
}
