#include "access/quota.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/table.h"

struct holder {
    uint8_t digest[CV_TOKEN_DIGEST];
    uint64_t open; /* at least 1 */
    UT_hash_handle hh;
};

struct cv_quota {
    const struct cv_alloc *alloc; /* borrowed */
    struct holder *holders;       /* owned */
};

int cv_quota_new(struct cv_quota **out, const struct cv_alloc *alloc)
{
    struct cv_quota *quota = cv_alloc_zero(alloc, sizeof(*quota));

    if (!quota)
        return -ENOMEM;
    quota->alloc = alloc;
    *out = quota;
    return 0;
}

static void forget(struct cv_quota *quota, struct holder *holder)
{
    const struct cv_alloc *table_alloc = quota->alloc;

    HASH_DEL(quota->holders, holder);
    cv_free(table_alloc, holder);
}

void cv_quota_free(struct cv_quota *quota)
{
    struct holder *holder, *next;

    if (!quota)
        return;
    HASH_ITER (hh, quota->holders, holder, next)
        forget(quota, holder);
    cv_free(quota->alloc, quota);
}

size_t cv_quota_count(const struct cv_quota *quota)
{
    return HASH_COUNT(quota->holders);
}

static struct holder *find(const struct cv_quota *quota, const uint8_t digest[CV_TOKEN_DIGEST])
{
    struct holder *found;

    HASH_FIND(hh, quota->holders, digest, CV_TOKEN_DIGEST, found);
    return found;
}

/* NULL without memory. */
static struct holder *add(struct cv_quota *quota, const uint8_t digest[CV_TOKEN_DIGEST])
{
    const struct cv_alloc *table_alloc = quota->alloc;
    struct holder *holder = cv_alloc_zero(table_alloc, sizeof(*holder));

    if (!holder)
        return NULL;
    memcpy(holder->digest, digest, CV_TOKEN_DIGEST);
    HASH_ADD(hh, quota->holders, digest, CV_TOKEN_DIGEST, holder);
    if (cv_table_added(holder))
        return holder;
    cv_free(table_alloc, holder);
    return NULL;
}

int cv_quota_enter(struct cv_quota *quota, const uint8_t digest[CV_TOKEN_DIGEST], uint64_t max)
{
    struct holder *holder = find(quota, digest);

    if (holder && max && holder->open >= max)
        return CV_EQUOTA;
    if (!holder)
        holder = add(quota, digest);
    if (!holder)
        return -ENOMEM;
    holder->open++;
    return 0;
}

void cv_quota_leave(struct cv_quota *quota, const uint8_t digest[CV_TOKEN_DIGEST])
{
    struct holder *holder = find(quota, digest);

    if (holder && --holder->open == 0)
        forget(quota, holder);
}
