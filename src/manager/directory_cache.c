#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "manager/directory_core.h"

struct entry *cv_cache_find(const struct cv_directory *d, const char *key)
{
    struct entry *entry;

    HASH_FIND_STR(d->entries, key, entry);
    return entry;
}

static void entry_free(struct cv_directory *d, struct entry *entry)
{
    const struct cv_alloc *table_alloc = d->alloc;

    if (entry->known) {
        cv_watch_remove(d, entry);
        d->stats.cached--;
    }
    cv_list_remove(&entry->lru);
    cv_list_remove(&entry->queue);
    HASH_DEL(d->entries, entry);
    cv_free(d->alloc, entry->claims);
    cv_free(d->alloc, entry);
}

void cv_cache_clear(struct cv_directory *d)
{
    struct entry *entry, *next;

    HASH_ITER (hh, d->entries, entry, next)
        entry_free(d, entry);
}

/* Nobody waits for it: it may go, and does so at once when nothing is known of it. So keys that are
 * only asked for take no room from those that are known, however many they are. */
static void rest(struct cv_directory *d, struct entry *entry)
{
    if (!cv_list_empty(&entry->waiters))
        return;
    if (!entry->known) {
        entry_free(d, entry);
        return;
    }
    cv_list_remove(&entry->lru);
    cv_list_push_back(&d->lru, &entry->lru);
}

/* The first answer for it. */
static void become_known(struct cv_directory *d, struct entry *entry)
{
    if (entry->known)
        return;
    if (d->stats.cached >= CV_DIRECTORY_CACHE && !cv_list_empty(&d->lru))
        entry_free(d, cv_container_of(d->lru.next, struct entry, lru));
    entry->known = true;
    d->stats.cached++;
    cv_watch_add(d, entry);
}

static int entry_get(struct cv_directory *d, const char *key, struct entry **out)
{
    const struct cv_alloc *table_alloc = d->alloc;
    struct entry *entry = cv_cache_find(d, key);

    *out = entry;
    if (entry) {
        rest(d, entry);
        return 0;
    }
    if (d->stats.waiting >= CV_DIRECTORY_WAITERS)
        return CV_EFULL;
    entry = cv_alloc_zero(d->alloc, sizeof(*entry));
    if (!entry)
        return -ENOMEM;
    memcpy(entry->key, key, strlen(key));
    entry->serial = ++d->serial;
    cv_list_init(&entry->lru);
    cv_list_init(&entry->queue);
    cv_list_init(&entry->waiters);
    HASH_ADD_STR(d->entries, key, entry);
    if (!cv_table_added(entry)) {
        cv_free(d->alloc, entry);
        return -ENOMEM;
    }
    *out = entry;
    return 0;
}

/* Waiters. */

/* @waiter, which waits, does so no longer. */
static void end_wait(struct cv_directory *d, struct cv_directory_waiter *waiter)
{
    struct cv_list *others = waiter->link.next;

    cv_list_remove(&waiter->link);
    cv_list_remove(&waiter->by_time);
    d->stats.waiting--;
    if (cv_list_empty(others)) /* then it is the entry's head */
        rest(d, cv_container_of(others, struct entry, waiters));
}

static void wake(struct cv_directory *d, struct cv_directory_waiter *waiter,
                 const struct cv_claim *claim, int otherwise)
{
    end_wait(d, waiter);
    waiter->result = claim ? 0 : otherwise;
    if (claim)
        waiter->claim = *claim;
    cv_list_push_back(&d->woken, &waiter->link);
}

static const struct cv_claim *pick_for(const struct cv_directory *d, struct entry *entry,
                                       const struct cv_directory_waiter *waiter, uint64_t now)
{
    if (waiter->turns)
        return cv_claims_turn(d, entry, waiter->but_incarnation, waiter->but_session, now);
    return cv_claims_pick(d, entry, waiter->but_incarnation, waiter->but_session, now);
}

/* Tells those of whom the answer is known: all, but that nobody has the key is not believed soon
 * after an outage, when others have not said everything again. */
static void wake_all(struct cv_directory *d, struct entry *entry, uint64_t now)
{
    bool heals = now < d->heal_until;

    cv_list_each_safe (link, &entry->waiters) {
        struct cv_directory_waiter *waiter =
            cv_container_of(link, struct cv_directory_waiter, link);
        const struct cv_claim *claim = pick_for(d, entry, waiter, now);

        if (claim || !heals)
            wake(d, waiter, claim, CV_ENOSESSION);
    }
}

struct cv_directory_waiter *cv_directory_woken(struct cv_directory *d)
{
    struct cv_list *link = cv_list_pop(&d->woken);

    return link ? cv_container_of(link, struct cv_directory_waiter, link) : NULL;
}

void cv_directory_unwait(struct cv_directory *d, struct cv_directory_waiter *waiter)
{
    if (cv_list_empty(&waiter->by_time))
        cv_list_remove(&waiter->link);
    else
        end_wait(d, waiter);
}

static void ask_again(struct cv_directory *d, struct entry *entry)
{
    cv_list_remove(&entry->queue);
    entry->phase = PHASE_QUEUED;
    cv_list_push_back(&d->lookups, &entry->queue);
}

static void poll(struct cv_directory *d, uint64_t now)
{
    if (now < d->poll_at)
        return;
    d->poll_at = CV_NEVER;
    cv_list_each_safe (link, &d->healing)
        ask_again(d, cv_container_of(link, struct entry, queue));
}

void cv_cache_tick(struct cv_directory *d, uint64_t now)
{
    poll(d, now);
    cv_list_each_safe (link, &d->waits) {
        struct cv_directory_waiter *waiter =
            cv_container_of(link, struct cv_directory_waiter, by_time);

        if (waiter->deadline > now)
            return;
        d->stats.timeouts++;
        wake(d, waiter, NULL, CV_EAWAY);
    }
}

/* Dials. */

/* Whether the cache knows what to answer: 1, CV_ENOSESSION, or 0 when Redis must be asked. */
static int answer(struct cv_directory *d, struct entry *entry, struct cv_directory_waiter *waiter,
                  uint64_t now)
{
    uint64_t age = now - entry->asked_at;
    const struct cv_claim *claim;
    bool fresh;

    if (!entry->known || age >= CV_DIRECTORY_LEASE)
        return 0;
    fresh =
        entry->phase == PHASE_IDLE && entry->fresh &&
        age < (entry->was_watched && entry->watched ? CV_DIRECTORY_FRESH : CV_DIRECTORY_UNWATCHED);
    if (!fresh && d->up)
        return 0;
    claim = pick_for(d, entry, waiter, now);
    if (claim) {
        waiter->claim = *claim;
        d->stats.hits++;
        return 1;
    }
    if (!d->up || age >= CV_DIRECTORY_ABSENT || now < d->heal_until)
        return 0;
    d->stats.misses++;
    return CV_ENOSESSION;
}

static void look_up(struct cv_directory *d, struct entry *entry)
{
    if (entry->phase != PHASE_IDLE) {
        d->stats.coalesced++;
        return;
    }
    entry->phase = PHASE_QUEUED;
    cv_list_push_back(&d->lookups, &entry->queue);
}

int cv_directory_ask(struct cv_directory *d, const char *key, struct cv_directory_waiter *waiter,
                     uint64_t now)
{
    struct entry *entry;
    int rc = entry_get(d, key, &entry);

    cv_list_init(&waiter->link);
    cv_list_init(&waiter->by_time);
    if (rc < 0)
        return rc;
    rc = answer(d, entry, waiter, now);
    if (rc != 0)
        return rc;
    if (d->stats.waiting >= CV_DIRECTORY_WAITERS)
        return CV_EFULL;
    look_up(d, entry);
    waiter->deadline = now + CV_DIRECTORY_WAIT;
    cv_list_remove(&entry->lru);
    cv_list_push_back(&entry->waiters, &waiter->link);
    cv_list_push_back(&d->waits, &waiter->by_time);
    d->stats.waiting++;
    return 0;
}

void cv_directory_failed(struct cv_directory *d, const char *key, const struct cv_claim *claim)
{
    struct entry *entry = cv_cache_find(d, key);

    d->stats.failed++;
    if (!entry)
        return;
    entry->fresh = false;
    for (size_t i = 0; i < entry->claim_count; i++) {
        if (entry->claims[i].incarnation != claim->incarnation ||
            entry->claims[i].session != claim->session)
            continue;
        entry->claims[i] = entry->claims[--entry->claim_count];
        return;
    }
}

bool cv_directory_has_other(const struct cv_directory *d, const char *key, uint64_t incarnation,
                            int64_t session, uint64_t now)
{
    const struct entry *entry = cv_cache_find(d, key);

    return entry && entry->known && cv_claims_pick(d, entry, incarnation, session, now);
}

/* Lookups. */

bool cv_cache_next(struct cv_directory *d, uint64_t now, struct cv_command *command)
{
    struct cv_list *link = cv_list_pop(&d->lookups);
    struct entry *entry;

    if (!link)
        return false;
    entry = cv_container_of(link, struct entry, queue);
    entry->phase = PHASE_ASKED;
    entry->fresh = true; /* unless a change is heard of from now on */
    entry->will_be = entry->watched;
    entry->turn = d->stats.commands;
    d->stats.lookups++;
    *command =
        (struct cv_command){2, {"HGETALL", cv_directory_name(d, 0, ROUTE_PREFIX, entry->key, "}")}};
    cv_directory_op(&d->ops, OP_LOOKUP, entry->key, entry->serial, now);
    return true;
}

static void finish(struct cv_directory *d, struct entry *entry, uint64_t now)
{
    entry->phase = PHASE_IDLE;
    wake_all(d, entry, now);
    if (cv_list_empty(&entry->waiters))
        return;
    entry->phase = PHASE_HEALING;
    cv_list_push_back(&d->healing, &entry->queue);
    d->poll_at = cv_min_time(d->poll_at, now + CV_DIRECTORY_POLL);
}

void cv_cache_changed(struct cv_directory *d, struct entry *entry)
{
    entry->fresh = false;
    if (entry->phase == PHASE_HEALING)
        ask_again(d, entry);
}

void cv_cache_answered(struct cv_directory *d, const struct op *op, const struct cv_reply *reply,
                       uint64_t now)
{
    struct entry *entry = cv_cache_find(d, op->key);

    if (!entry || entry->serial != op->serial || entry->phase != PHASE_ASKED)
        return;
    if (reply->type != CV_REPLY_ARRAY || cv_claims_read(d, entry, reply) < 0) {
        entry->phase = PHASE_QUEUED;
        cv_list_push_back(&d->refused, &entry->queue);
        if (d->retry_at == CV_NEVER)
            d->retry_at = now + CV_DIRECTORY_RETRY;
        return;
    }
    become_known(d, entry);
    entry->was_watched = entry->will_be;
    entry->asked_at = op->sent_at;
    if (cv_claims_are_listed(d, entry, now)) {
        finish(d, entry, now);
        return;
    }
    entry->phase = PHASE_UNLISTED;
    cv_list_push_back(&d->unlisted, &entry->queue);
    d->listing_wanted = true;
}

void cv_cache_listed(struct cv_directory *d, bool whole, uint64_t now)
{
    cv_list_each_safe (link, &d->unlisted) {
        struct entry *entry = cv_container_of(link, struct entry, queue);

        if (entry->turn >= d->listing_turn) {
            d->listing_wanted = true;
            continue;
        }
        cv_list_remove(link);
        if (whole)
            cv_claims_prune(d, entry, now);
        finish(d, entry, now);
    }
}

void cv_cache_retry(struct cv_directory *d)
{
    struct cv_list *link;

    while ((link = cv_list_pop(&d->refused)))
        cv_list_push_back(&d->lookups, link);
}

/* Those whose answer is in the cache need not wait for Redis. */
static void wake_cached(struct cv_directory *d, struct entry *entry, uint64_t now)
{
    if (!entry->known || now - entry->asked_at >= CV_DIRECTORY_LEASE)
        return;
    cv_list_each_safe (link, &entry->waiters) {
        struct cv_directory_waiter *waiter =
            cv_container_of(link, struct cv_directory_waiter, link);
        const struct cv_claim *claim = pick_for(d, entry, waiter, now);

        if (claim)
            wake(d, waiter, claim, 0);
    }
}

/* Lookups without an answer are asked for again when Redis is back, for those that still wait. */
void cv_cache_down(struct cv_directory *d, uint64_t now)
{
    struct entry *entry, *next;

    HASH_ITER (hh, d->entries, entry, next) {
        if (entry->phase == PHASE_IDLE)
            continue;
        cv_list_remove(&entry->queue);
        entry->phase = PHASE_IDLE;
        entry->fresh = false;
        wake_cached(d, entry, now);
        if (cv_list_empty(&entry->waiters))
            continue;
        entry->phase = PHASE_QUEUED;
        cv_list_push_back(&d->lookups, &entry->queue);
    }
}
