#include "access/admission.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/list.h"
#include "base/table.h"

#define SECOND UINT64_C(1000000)

struct source {
    struct cv_ip address; /* the key; of IPv6 its /64 */
    uint64_t open;
    uint64_t full_at;    /* when a whole second's worth may come at once again */
    struct cv_list idle; /* of those with nothing open, the longest idle first */
    UT_hash_handle hh;
};

struct cv_admission {
    const struct cv_alloc *alloc; /* borrowed */
    uint64_t max_open, per_second;
    struct source *sources; /* owned */
    struct cv_list idle;
};

int cv_admission_new(struct cv_admission **out, const struct cv_alloc *alloc, uint64_t max_open,
                     uint64_t per_second)
{
    struct cv_admission *admission = cv_alloc_zero(alloc, sizeof(*admission));

    if (!admission)
        return -ENOMEM;
    admission->alloc = alloc;
    admission->max_open = max_open;
    admission->per_second = per_second;
    cv_list_init(&admission->idle);
    *out = admission;
    return 0;
}

static void forget(struct cv_admission *admission, struct source *source)
{
    const struct cv_alloc *table_alloc = admission->alloc;

    cv_list_remove(&source->idle);
    HASH_DEL(admission->sources, source);
    cv_free(table_alloc, source);
}

void cv_admission_free(struct cv_admission *admission)
{
    struct source *source, *next;

    if (!admission)
        return;
    HASH_ITER (hh, admission->sources, source, next)
        forget(admission, source);
    cv_free(admission->alloc, admission);
}

size_t cv_admission_count(const struct cv_admission *admission)
{
    return HASH_COUNT(admission->sources);
}

/* Whom @address stands for; false for one that is not counted. */
static bool key_of(struct cv_ip *key, const struct cv_ip *address)
{
    struct cv_ip normal = cv_ip_normal(address);

    memset(key, 0, sizeof(*key)); /* compared as bytes */
    key->family = normal.family;
    memcpy(key->bytes, normal.bytes, normal.family == 4 ? 4 : 8);
    return !cv_ip_is_loopback(&normal);
}

static struct source *find(const struct cv_admission *admission, const struct cv_ip *key)
{
    struct source *found;

    HASH_FIND(hh, admission->sources, key, sizeof(*key), found);
    return found;
}

/* NULL without memory, or when nobody can be forgotten. */
static struct source *add(struct cv_admission *admission, const struct cv_ip *key)
{
    const struct cv_alloc *table_alloc = admission->alloc;
    struct source *source;

    if (cv_admission_count(admission) >= CV_ADMISSION_MAX) {
        if (cv_list_empty(&admission->idle))
            return NULL;
        forget(admission, cv_container_of(admission->idle.next, struct source, idle));
    }
    source = cv_alloc_zero(table_alloc, sizeof(*source));
    if (!source)
        return NULL;
    memcpy(&source->address, key, sizeof(*key));
    cv_list_init(&source->idle);
    HASH_ADD(hh, admission->sources, address, sizeof(source->address), source);
    if (cv_table_added(source))
        return source;
    cv_free(table_alloc, source);
    return NULL;
}

/* Takes one from the second's worth; false when it is used up. */
static bool take_turn(const struct cv_admission *admission, struct source *source, uint64_t now)
{
    uint64_t cost = admission->per_second ? SECOND / admission->per_second : 0;
    uint64_t full_at = source->full_at > now ? source->full_at : now;

    if (cost == 0)
        return true;
    if (full_at - now + cost > SECOND)
        return false;
    source->full_at = full_at + cost;
    return true;
}

int cv_admission_enter(struct cv_admission *admission, const struct cv_ip *address, uint64_t now)
{
    struct source *source;
    struct cv_ip key;

    if (!key_of(&key, address))
        return 0;
    source = find(admission, &key);
    if (!source)
        source = add(admission, &key);
    if (!source)
        return 0;
    if ((admission->max_open && source->open >= admission->max_open) ||
        !take_turn(admission, source, now)) {
        if (source->open == 0 && cv_list_empty(&source->idle))
            cv_list_push_back(&admission->idle, &source->idle);
        return CV_EFULL;
    }
    source->open++;
    cv_list_remove(&source->idle);
    return 0;
}

void cv_admission_leave(struct cv_admission *admission, const struct cv_ip *address)
{
    struct source *source;
    struct cv_ip key;

    if (!key_of(&key, address))
        return;
    source = find(admission, &key);
    if (!source || source->open == 0) /* it was let in uncounted */
        return;
    if (--source->open == 0)
        cv_list_push_back(&admission->idle, &source->idle);
}
