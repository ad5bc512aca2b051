#ifndef CV_DISCOVERY_LIMIT_H
#define CV_DISCOVERY_LIMIT_H

#include <stdbool.h>

#include "base/peer.h"

/* How many answers searches may cause: a token bucket a source and one overall, so that nobody is
 * flooded through us, whoever's address stands in a search. */

#define CV_SSDP_SOURCES_MAX  64 /* sources whose bucket is not full; one more is refused */
#define CV_SSDP_SOURCE_BURST 20 /* answers at once to one source */
#define CV_SSDP_SOURCE_RATE  4  /* answers a second to it */
#define CV_SSDP_TOTAL_BURST  100
#define CV_SSDP_TOTAL_RATE   40

struct cv_bucket {
    uint64_t spent; /* microseconds' worth of what is not refilled yet */
    uint64_t at;    /* when that was so */
};

struct cv_ssdp_limit {
    struct cv_bucket total;
    struct cv_ssdp_source {
        bool used;
        struct cv_peer peer; /* its port does not count */
        struct cv_bucket bucket;
    } sources[CV_SSDP_SOURCES_MAX];
};

/* Charges @count answers to @peer; false, and nothing charged, when it has had its share. A limit
 * of zeros is a full one. */
bool cv_ssdp_limit_take(struct cv_ssdp_limit *limit, const struct cv_peer *peer, unsigned count,
                        uint64_t now) CV_MUST_USE;

#endif
