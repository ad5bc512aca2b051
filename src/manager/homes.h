#ifndef CV_MANAGER_HOMES_H
#define CV_MANAGER_HOMES_H

#include "base/alloc.h"
#include "base/key.h"

/* Where a server with several event loops has the sessions of a client key. Each loop, a worker,
 * has a manager of its own for the sessions that it keeps for life; this table says which workers
 * to ask. Those who share it between threads lock it: it is asked once a dial, and written once a
 * join. */
struct cv_homes;

#define CV_HOMES_MAX 64 /* workers: they fit the bits of a uint64_t */

/* @workers is 1 to CV_HOMES_MAX. Returns 0 or -ENOMEM. */
int cv_homes_new(struct cv_homes **out, const struct cv_alloc *alloc, unsigned workers) CV_MUST_USE;

/* NULL is fine. */
void cv_homes_free(struct cv_homes *homes);

/* The newest session of @key at @worker joined at @newest (microseconds; 0: it has none any more).
 * *@others gets a bit for every other worker that has one. Returns 0 or -ENOMEM, which only a
 * first session of a key can meet. */
int cv_homes_put(struct cv_homes *homes, const char *key, unsigned worker, uint64_t newest,
                 uint64_t *others) CV_MUST_USE;

/* Whether @worker has sessions of peers, which may have announced any key. */
void cv_homes_put_peers(struct cv_homes *homes, unsigned worker, bool any);

/* The worker to ask for @key, of those without a bit in @but: the one where the newest session is,
 * else one that has peers. CV_ENOSESSION when there is none. */
int cv_homes_find(const struct cv_homes *homes, const char *key, uint64_t but) CV_MUST_USE;

#endif
