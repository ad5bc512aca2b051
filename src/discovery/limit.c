#include "discovery/limit.h"

static uint64_t spent_now(const struct cv_bucket *bucket, uint64_t now)
{
    uint64_t gone = now > bucket->at ? now - bucket->at : 0;

    return bucket->spent > gone ? bucket->spent - gone : 0;
}

static bool has_room(const struct cv_bucket *bucket, unsigned count, unsigned burst, unsigned rate,
                     uint64_t now)
{
    return spent_now(bucket, now) + count * CV_SEC / rate <= burst * CV_SEC / rate;
}

static void charge(struct cv_bucket *bucket, unsigned count, unsigned rate, uint64_t now)
{
    bucket->spent = spent_now(bucket, now) + count * CV_SEC / rate;
    bucket->at = now;
}

/* The place of @peer, or a free one, or that of a source whose bucket is full again; else NULL. */
static struct cv_ssdp_source *place_of(struct cv_ssdp_limit *limit, const struct cv_peer *peer,
                                       uint64_t now)
{
    struct cv_ssdp_source *spare = NULL;

    for (size_t i = 0; i < CV_SSDP_SOURCES_MAX; i++) {
        struct cv_ssdp_source *source = &limit->sources[i];

        if (source->used && cv_peer_same_host(&source->peer, peer))
            return source;
        if (!spare && (!source->used || spent_now(&source->bucket, now) == 0))
            spare = source;
    }
    if (spare)
        *spare = (struct cv_ssdp_source){.used = true, .peer = *peer};
    return spare;
}

bool cv_ssdp_limit_take(struct cv_ssdp_limit *limit, const struct cv_peer *peer, unsigned count,
                        uint64_t now)
{
    struct cv_ssdp_source *source;

    if (!has_room(&limit->total, count, CV_SSDP_TOTAL_BURST, CV_SSDP_TOTAL_RATE, now))
        return false;
    source = place_of(limit, peer, now);
    if (!source ||
        !has_room(&source->bucket, count, CV_SSDP_SOURCE_BURST, CV_SSDP_SOURCE_RATE, now))
        return false;
    charge(&source->bucket, count, CV_SSDP_SOURCE_RATE, now);
    charge(&limit->total, count, CV_SSDP_TOTAL_RATE, now);
    return true;
}
