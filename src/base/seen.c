#include "base/seen.h"

#include <errno.h>

#define WAYS 4 /* places where a key may stand */

struct cv_seen {
    const struct cv_alloc *alloc; /* borrowed */
    uint64_t seed;
    unsigned next; /* who makes room */
    uint64_t marks[CV_SEEN_MAX];
};

int cv_seen_new(struct cv_seen **out, const struct cv_alloc *alloc, uint64_t seed)
{
    struct cv_seen *seen = cv_alloc_zero(alloc, sizeof(*seen));

    if (!seen)
        return -ENOMEM;
    seen->alloc = alloc;
    seen->seed = seed;
    *out = seen;
    return 0;
}

void cv_seen_free(struct cv_seen *seen)
{
    if (seen)
        cv_free(seen->alloc, seen);
}

/* FNV-1a with a seed, then mixed; never 0. */
static uint64_t mark_of(const struct cv_seen *seen, const char *key)
{
    uint64_t mark = seen->seed ^ 0xcbf29ce484222325;

    for (; *key; key++)
        mark = (mark ^ (unsigned char)*key) * 0x100000001b3;
    mark = (mark ^ (mark >> 32)) * 0x9e3779b97f4a7c15;
    return (mark ^ (mark >> 29)) | 1;
}

bool cv_seen_again(struct cv_seen *seen, const char *key)
{
    uint64_t mark = mark_of(seen, key);
    uint64_t *set = &seen->marks[(mark >> 32) % (CV_SEEN_MAX / WAYS) * WAYS];

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i] == mark)
            return true;
        if (set[i] == 0) {
            set[i] = mark;
            return false;
        }
    }
    set[seen->next++ % WAYS] = mark;
    return false;
}
