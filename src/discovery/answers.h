#ifndef CV_DISCOVERY_ANSWERS_H
#define CV_DISCOVERY_ANSWERS_H

#include "base/random.h"
#include "discovery/limit.h"
#include "discovery/target.h"

/* Inside the layer: searches that are being answered. An answer waits for a random time within MX,
 * and the search is remembered until its MX is over, so that the same one again adds nothing. */

#define CV_SSDP_PENDING_MAX 64 /* searches at once; one more is ignored */

#define CV_SSDP_UNICAST_WAIT                                                                  \
    (500 * CV_MSEC)                       /* at most, before a search of us alone is answered \
                                           */
#define CV_SSDP_MX_MARGIN (100 * CV_MSEC) /* of MX, left for the way */

struct cv_answer {
    bool used;
    struct cv_peer peer;
    unsigned link;
    unsigned left; /* targets still to be answered, as bits */
    uint64_t due[CV_SSDP_TARGETS_MAX];
    uint64_t until; /* forgotten then */
    char wanted[CV_SSDP_NAME_MAX + 1];
};

struct cv_answers {
    struct cv_answer at[CV_SSDP_PENDING_MAX];
};

enum cv_answers_took { CV_ANSWERS_TAKEN, CV_ANSWERS_MERGED, CV_ANSWERS_LIMITED };

/* Takes a search for @wanted by @peer on @link, which @matches are to answer within @window
 * microseconds. @limit is asked, but for a search that is merged. */
enum cv_answers_took cv_answers_take(struct cv_answers *answers, struct cv_ssdp_limit *limit,
                                     const struct cv_answer *search, uint64_t window,
                                     const struct cv_random *random, uint64_t now);

/* An answer that is due: its search, and in *@index the target. NULL: none. */
const struct cv_answer *cv_answers_next(struct cv_answers *answers, size_t *index, uint64_t now);

/* When the next one is due, or CV_NEVER. */
uint64_t cv_answers_deadline(const struct cv_answers *answers);

/* Forgets all, or those of one link. */
void cv_answers_clear(struct cv_answers *answers);
void cv_answers_drop(struct cv_answers *answers, unsigned link);

#endif
