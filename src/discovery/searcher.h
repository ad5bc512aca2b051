#ifndef CV_DISCOVERY_SEARCHER_H
#define CV_DISCOVERY_SEARCHER_H

#include "base/alloc.h"
#include "discovery/datagram.h"
#include "discovery/target.h"

/* Looks for devices: searches every second until something answers or the time is up, and listens
 * to announcements all the while. What it finds it hands out once, in the order in which it came;
 * what is said to be gone it takes back. */
struct cv_searcher;

#define CV_SEARCHER_LINKS_MAX  48
#define CV_SEARCHER_FOUND_MAX  64 /* what is remembered; more is ignored */
#define CV_SEARCHER_SENDER_MAX 16 /* of one sender's */
#define CV_SEARCHER_INTERVAL   (1 * CV_SEC)
#define CV_SEARCHER_MX         1 /* seconds that an answer may take */

struct cv_searcher_config {
    const char *target; /* ST, at most CV_SSDP_NAME_MAX bytes; copied */
    const char *part;   /* only types that hold this text; NULL: all. Copied, as long at most */
    const char *server; /* `OS/v UPnP/1.1 product/v`; copied, as of the advertiser */
    uint64_t timeout;   /* microseconds; from the start or the last cv_searcher_again() */
};

/* A device that was found, or is gone. Text ends in NUL and is borrowed until the next call. */
struct cv_sighting {
    bool gone;
    const char *usn, *type, *server; /* server may be "" */
    const char *location;
    int64_t age; /* seconds it may be believed for; -1: nothing said */
    struct cv_ssdp_from from;
};

/* -ENOMEM, CV_ETOOLONG. @alloc is borrowed. */
int cv_searcher_new(struct cv_searcher **out, const struct cv_searcher_config *config,
                    const struct cv_alloc *alloc, uint64_t now) CV_MUST_USE;

/* NULL is fine. */
void cv_searcher_free(struct cv_searcher *searcher);

/* Where to search from now on; at once on those that are new. CV_EFULL: too many, nothing changed.
 */
int cv_searcher_links(struct cv_searcher *searcher, const unsigned *links,
                      const enum cv_ssdp_group *groups, size_t count, uint64_t now) CV_MUST_USE;

/* Starts anew: forgets what was found, and searches. */
void cv_searcher_again(struct cv_searcher *searcher, uint64_t now);

/* A datagram of at most CV_SSDP_IN_MAX bytes came in. @wall is seconds since 1970. */
void cv_searcher_recv(struct cv_searcher *searcher, const struct cv_ssdp_from *from,
                      const void *data, size_t len, int64_t wall, uint64_t now);

/* What was found or is gone and not told yet: 1, or 0 when there is nothing. */
int cv_searcher_poll(struct cv_searcher *searcher, struct cv_sighting *out) CV_MUST_USE;

/* The next search that is due: 1, or 0 when there is none. */
int cv_searcher_next(struct cv_searcher *searcher, struct cv_ssdp_out *out,
                     uint64_t now) CV_MUST_USE;

/* When cv_searcher_next() or cv_searcher_over() have something new to say; CV_NEVER when it is
 * over.
 */
uint64_t cv_searcher_deadline(const struct cv_searcher *searcher);

/* Whether the time is up, or something was found and all answers to the last search have had their
 * time. */
bool cv_searcher_over(const struct cv_searcher *searcher, uint64_t now);
bool cv_searcher_found(const struct cv_searcher *searcher);

#endif
