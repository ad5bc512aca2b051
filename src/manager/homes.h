#ifndef CV_MANAGER_HOMES_H
#define CV_MANAGER_HOMES_H

#include "base/alloc.h"
#include "base/balance.h"
#include "base/key.h"

/* Where a server with several event loops has the sessions of a client key. Each loop, a worker,
 * has a manager of its own for the sessions that it keeps for life; this table says which worker to
 * ask. Those who share it between threads lock it: it is asked once a dial, and written once a join
 * and an announcement; once a dial, and at the end of what was dialled, too where the key's policy
 * counts. What it costs grows with the workers that have a session of the key, with nothing else.
 */
struct cv_homes;

#define CV_HOMES_MAX 64 /* workers, from 0: they fit the bits of a uint64_t */

/* Sessions of a key at one worker. */
struct cv_home_load {
    uint64_t newest;  /* when the last of them joined, microseconds; 0: there is none */
    uint32_t healthy; /* of them; 0 is asked as if it were 1: who else should notice that they are
                         well again */
    uint32_t least;   /* connections of the healthy one that has the fewest */
    uint32_t so_few;  /* healthy ones that have as few */
};

/* Its agents', and those of peers, which count as often as they announced the key. */
struct cv_home {
    struct cv_home_load own, peers;
};

/* Returns 0 or -ENOMEM. */
int cv_homes_new(struct cv_homes **out, const struct cv_alloc *alloc) CV_MUST_USE;

/* NULL is fine. */
void cv_homes_free(struct cv_homes *homes);

/* What @worker has of @key from now on. *@others gets a bit for every other worker that has a
 * session of its own. Returns 0 or -ENOMEM, which only a worker's first session of a key can meet.
 */
int cv_homes_put(struct cv_homes *homes, const char *key, unsigned worker,
                 const struct cv_home *home, uint64_t *others) CV_MUST_USE;

/* The worker to ask for @key, of those without a bit in @but: of those that have sessions of their
 * own, else of those whose peers announced it, the one that @balance prefers: with the newest
 * session; whose turn it is, as often as it has healthy ones; or that has the one with the fewest
 * connections, those that are on their way counted in. CV_ENOSESSION when there is none.
 *
 * CV_BALANCE_NEWEST only looks. Else something is on its way there from now on. */
int cv_homes_find(struct cv_homes *homes, const char *key, enum cv_balance balance,
                  uint64_t but) CV_MUST_USE;

/* It came to @worker. */
void cv_homes_arrived(struct cv_homes *homes, const char *key, unsigned worker);

#endif
