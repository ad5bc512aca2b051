#ifndef CV_DISCOVERY_ADVERTISER_H
#define CV_DISCOVERY_ADVERTISER_H

#include "base/alloc.h"
#include "base/random.h"
#include "discovery/datagram.h"
#include "discovery/target.h"

/* Announces one device on some links and answers searches for it. Fed with links and datagrams,
 * drained of datagrams; the shell calls cv_advertiser_next() whenever the deadline has come. */
struct cv_advertiser;

#define CV_ADVERTISER_LINKS_MAX 48
#define CV_ADVERTISER_AGE       1800 /* seconds: what announcements are good for */

/* Times, in microseconds. */
#define CV_ADVERTISER_START   (100 * CV_MSEC) /* a first announcement comes within */
#define CV_ADVERTISER_GAP_MIN (200 * CV_MSEC) /* between two sets */
#define CV_ADVERTISER_GAP_MAX (400 * CV_MSEC)

/* How often a set of announcements is sent, since datagrams get lost. */
#define CV_ADVERTISER_FIRST_SETS   3
#define CV_ADVERTISER_REFRESH_SETS 2
#define CV_ADVERTISER_BYE_SETS     2

struct cv_advertiser_config {
    struct cv_ssdp_identity identity;
    const char *server; /* `OS/v UPnP/1.1 product/v`; copied */
    uint32_t boot;      /* BOOTID: greater than that of any run before; 31 bits */
    uint32_t config;    /* CONFIGID: changes with the description; 24 bits */
    unsigned age;       /* seconds */
};

#define CV_ADVERTISER_SERVER_MAX 64 /* bytes; more is cut */

/* Where it is announced. */
struct cv_advertiser_link {
    unsigned link; /* the shell's number; each stands in a list once */
    enum cv_ssdp_group group;
    const char *location; /* the description's URL there, at most CV_ADVERTISER_LOCATION_MAX bytes;
                             copied */
};

#define CV_ADVERTISER_LOCATION_MAX 120 /* so that every datagram has room */

struct cv_advertiser_stats {
    uint64_t searches; /* that were taken */
    uint64_t merged;   /* the same again within its MX */
    uint64_t limited;  /* over a limit */
    uint64_t foreign;  /* from outside of the interface's networks */
    uint64_t sent;     /* answers */
};

/* -ENOMEM; CV_ESYNTAX for a UUID or type that is none. @alloc and @random are borrowed. */
int cv_advertiser_new(struct cv_advertiser **out, const struct cv_advertiser_config *config,
                      const struct cv_alloc *alloc, const struct cv_random *random) CV_MUST_USE;

/* NULL is fine. */
void cv_advertiser_free(struct cv_advertiser *advertiser);

/* These are the links from now on. The first time each is announced. Later a link that is new or
 * has another location raises BOOTID: all that stay hear of it by ssdp:update, the changed ones say
 * byebye first, and everything is announced anew. What is gone is silent, and counts as changed
 * when it comes back.
 *
 * CV_EFULL     more than CV_ADVERTISER_LINKS_MAX
 * CV_ETOOLONG  a location is too long; nothing changed, in both cases */
int cv_advertiser_links(struct cv_advertiser *advertiser, const struct cv_advertiser_link *links,
                        size_t count, uint64_t now) CV_MUST_USE;

/* A datagram of at most CV_SSDP_IN_MAX bytes came in; whatever is no good search is dropped. */
void cv_advertiser_recv(struct cv_advertiser *advertiser, const struct cv_ssdp_from *from,
                        const void *data, size_t len, uint64_t now);

/* Says byebye everywhere; done when the deadline is CV_NEVER. */
void cv_advertiser_stop(struct cv_advertiser *advertiser, uint64_t now);

/* The next datagram that is due: 1, or 0 when there is none. @wall is seconds since 1970. */
int cv_advertiser_next(struct cv_advertiser *advertiser, struct cv_ssdp_out *out, int64_t wall,
                       uint64_t now) CV_MUST_USE;
uint64_t cv_advertiser_deadline(const struct cv_advertiser *advertiser);

const struct cv_advertiser_stats *cv_advertiser_stats(const struct cv_advertiser *advertiser);

/* BOOTID as it is now, to be kept for the next run. */
uint32_t cv_advertiser_boot(const struct cv_advertiser *advertiser);

#endif
