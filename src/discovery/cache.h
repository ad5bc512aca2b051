#ifndef CV_DISCOVERY_CACHE_H
#define CV_DISCOVERY_CACHE_H

#include "base/alloc.h"
#include "discovery/datagram.h"

/* The passive table: which devices there are, by what they announce. Fed with datagrams, drained of
 * what changed; but what makes room for others goes without a word. */
struct cv_cache;

#define CV_CACHE_ENTRIES_MAX \
    256 /* USNs; the sender with the most of them makes room for one more */
#define CV_CACHE_BYTES_MAX ((size_t)128 * 1024) /* of text in them */
#define CV_CACHE_LOCATIONS 4                    /* of one USN; a further one replaces the oldest */

enum cv_cache_change { CV_CACHE_ADDED, CV_CACHE_REFRESHED, CV_CACHE_REMOVED, CV_CACHE_EXPIRED };

/* Text ends in NUL and is borrowed until the next call. */
struct cv_cache_event {
    enum cv_cache_change change;
    const char *usn, *type, *server; /* server may be "" */
    const char *location;            /* the newest */
    int64_t age;                     /* seconds, as it said */
    struct cv_peer sender;
};

/* Keeps only devices whose type holds the text @part (copied, cut at CV_SSDP_NAME_MAX); NULL: all.
 * -ENOMEM. @alloc is borrowed. */
int cv_cache_new(struct cv_cache **out, const struct cv_alloc *alloc, const char *part) CV_MUST_USE;

/* NULL is fine. */
void cv_cache_free(struct cv_cache *cache);

/* A datagram came in. Announcements that were not sent to the group do not count.
 *
 * -ENOMEM   it was not remembered
 * CV_EFULL  likewise: its sender holds more than anybody else */
int cv_cache_recv(struct cv_cache *cache, const struct cv_ssdp_from *from, const void *data,
                  size_t len, int64_t wall, uint64_t now) CV_MUST_USE;

/* The next change: 1, or 0 when there is none. What has expired by @now shows here. */
int cv_cache_poll(struct cv_cache *cache, struct cv_cache_event *out, uint64_t now) CV_MUST_USE;

/* When the next entry expires, or CV_NEVER. */
uint64_t cv_cache_deadline(const struct cv_cache *cache);

size_t cv_cache_count(const struct cv_cache *cache);
size_t cv_cache_bytes(const struct cv_cache *cache);

#endif
