#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "manager/directory_core.h"

#define SPREAD_TICK (20 * CV_MSEC)

static struct own *find(const struct cv_directory *d, const char *key)
{
    struct own *own;

    HASH_FIND_STR(d->owns, key, own);
    return own;
}

static struct own *add(struct cv_directory *d, const char *key)
{
    const struct cv_alloc *table_alloc = d->alloc;
    struct own *own = cv_alloc_zero(d->alloc, sizeof(*own));

    if (!own)
        return NULL;
    memcpy(own->key, key, strlen(key));
    cv_list_init(&own->queue);
    cv_list_init(&own->sessions);
    HASH_ADD_STR(d->owns, key, own);
    if (cv_table_added(own))
        return own;
    cv_free(d->alloc, own);
    return NULL;
}

static bool is_gone(const struct own *own)
{
    return cv_list_empty(&own->sessions);
}

static void forget(struct cv_directory *d, struct own *own)
{
    const struct cv_alloc *table_alloc = d->alloc;
    struct cv_list *link;

    cv_list_remove(&own->queue);
    while ((link = cv_list_pop(&own->sessions)))
        cv_free(d->alloc, cv_container_of(link, struct own_session, link));
    HASH_DEL(d->owns, own);
    cv_free(d->alloc, own);
}

static void forget_gone(struct cv_directory *d, struct own *own)
{
    d->gone--;
    d->stats.unpublished--;
    forget(d, own);
}

void cv_own_clear(struct cv_directory *d)
{
    struct own *own, *next;

    HASH_ITER (hh, d->owns, own, next)
        forget(d, own);
}

static void enqueue(struct cv_list *queue, struct own *own)
{
    cv_list_remove(&own->queue);
    own->step = 0;
    cv_list_push_back(queue, &own->queue);
}

/* Its state is another one: Redis is to hear of it before anything else of ours. */
static void change(struct cv_directory *d, struct own *own)
{
    if (own->published)
        d->stats.unpublished++;
    own->published = false;
    own->tell = true;
    own->renewal = false;
    own->serial = ++d->serial;
    enqueue(&d->urgent, own);
}

/* Sessions. */

int cv_directory_joined(struct cv_directory *d, const char *key, int64_t session, uint64_t since)
{
    struct own *own = find(d, key);
    struct own_session *fresh = cv_alloc_zero(d->alloc, sizeof(*fresh));

    if (!fresh)
        return -ENOMEM;
    if (!own) {
        own = add(d, key);
        if (!own) {
            cv_free(d->alloc, fresh);
            return -ENOMEM;
        }
        d->stats.claims++;
        d->stats.unpublished++;
    } else if (is_gone(own)) {
        d->gone--;
        d->stats.claims++;
    }
    fresh->session = session;
    fresh->since = since;
    cv_list_push_back(&own->sessions, &fresh->link);
    change(d, own);
    return 0;
}

static void went(struct cv_directory *d, struct own *own)
{
    d->stats.claims--;
    d->gone++;
    change(d, own);
    if (d->gone > CV_DIRECTORY_GONE)
        forget_gone(d, own); /* the lease, or who dials it here in vain, ends it */
}

void cv_directory_left(struct cv_directory *d, const char *key, int64_t session)
{
    struct own *own = find(d, key);

    if (!own || is_gone(own))
        return;
    cv_list_each_safe (link, &own->sessions) {
        struct own_session *old = cv_container_of(link, struct own_session, link);

        if (old->session != session)
            continue;
        cv_list_remove(link);
        cv_free(d->alloc, old);
        if (is_gone(own))
            went(d, own);
        else
            change(d, own);
        return;
    }
}

void cv_directory_denied(struct cv_directory *d, const char *key)
{
    struct own *own = find(d, key);

    d->stats.denied++;
    if (own || d->gone >= CV_DIRECTORY_GONE)
        return;
    own = add(d, key);
    if (!own)
        return;
    d->gone++;
    d->stats.unpublished++;
    change(d, own);
}

/* Commands. */

static const struct own_session *newest(const struct own *own)
{
    const struct own_session *best = NULL;

    cv_list_each (link, &own->sessions) {
        const struct own_session *session = cv_container_of(link, struct own_session, link);

        if (!best || session->since >= best->since)
            best = session;
    }
    return best;
}

static const char *value_of(struct cv_directory *d, const struct own *own)
{
    const struct own_session *session = newest(own);
    struct cv_text text;

    cv_text_init(&text, d->text[1], sizeof(d->text[1]));
    cv_text_u64(&text, (uint64_t)session->session);
    cv_text_str(&text, " ");
    cv_text_u64(&text, session->since);
    return text.buf;
}

static const char *lease(struct cv_directory *d)
{
    struct cv_text text;

    cv_text_init(&text, d->text[1], sizeof(d->text[1]));
    cv_text_u64(&text, CV_DIRECTORY_CLAIM_LEASE / CV_MSEC);
    return text.buf;
}

static enum op_kind write_step(struct cv_directory *d, const struct own *own,
                               struct cv_command *command)
{
    const char *key = cv_directory_name(d, 0, ROUTE_PREFIX, own->key, "}");
    bool gone = is_gone(own);

    if (own->step == 0 && gone) {
        *command = (struct cv_command){3, {"HDEL", key, d->field}};
        return OP_TAKE_BACK;
    }
    if (own->step == 0) {
        *command = (struct cv_command){4, {"HSET", key, d->field, value_of(d, own)}};
        return OP_PUT;
    }
    if (own->step == 1 && !gone) {
        *command = (struct cv_command){3, {"PEXPIRE", key, lease(d)}};
        return OP_EXTEND;
    }
    *command = (struct cv_command){
        3, {"PUBLISH", cv_directory_name(d, 2, CHANGE_PREFIX, own->key, ""), d->field}};
    return OP_TELL;
}

/* Sends one command of @own; true when it was the last of its state. */
static bool send_step(struct cv_directory *d, struct own *own, uint64_t now,
                      struct cv_command *command)
{
    unsigned steps = is_gone(own) ? 1 : 2;
    enum op_kind kind = write_step(d, own, command);
    struct op *op = cv_directory_op(&d->ops, kind, own->key, own->serial, now);

    own->step++;
    if (kind == OP_TELL)
        own->tell = false;
    op->last = own->step >= steps && !own->tell;
    if (op->last)
        cv_list_remove(&own->queue);
    return op->last;
}

static uint64_t spread_allowed(const struct cv_directory *d, uint64_t now)
{
    uint64_t elapsed = now > d->spread_from ? now - d->spread_from : 0;

    return elapsed >= CV_DIRECTORY_SPREAD ? UINT64_MAX
                                          : d->spread_total * elapsed / CV_DIRECTORY_SPREAD;
}

/* What is over is taken back before the record says that the rest is true. */
bool cv_own_first(struct cv_directory *d, uint64_t now, struct cv_command *command)
{
    struct own *own = cv_container_of(d->urgent.next, struct own, queue);

    if (d->recorded || cv_list_empty(&d->urgent) || !is_gone(own))
        return false;
    send_step(d, own, now, command);
    return true;
}

bool cv_own_next(struct cv_directory *d, uint64_t now, struct cv_command *command)
{
    struct cv_list *queue = &d->urgent;
    struct own *own;

    if (cv_list_empty(queue)) {
        queue = &d->spread;
        if (cv_list_empty(queue) || d->spread_done >= spread_allowed(d, now))
            return false;
    }
    own = cv_container_of(queue->next, struct own, queue);
    if (send_step(d, own, now, command) && queue == &d->spread)
        d->spread_done++;
    return true;
}

/* Answers. */

static void await_renewal(struct cv_directory *d, struct own *own)
{
    uint64_t slot = d->wheel_at + WHEEL_SLOTS / 2 + cv_random_below(d->random, WHEEL_SLOTS / 2);

    enqueue(&d->wheel[slot % WHEEL_SLOTS], own);
}

static void put(struct cv_directory *d, struct own *own, const struct cv_reply *reply, uint64_t now)
{
    if (own->published && reply->number > 0) { /* it was there, and is not any more */
        d->stats.lost++;
        cv_own_republish(d, now);
        return;
    }
    if (own->renewal)
        d->stats.renewed++;
    else
        d->stats.published++;
    if (!own->published)
        d->stats.unpublished--;
    own->published = true;
}

/* All commands of its state are answered. */
static void settle(struct cv_directory *d, struct own *own)
{
    cv_directory_calm(d);
    if (!is_gone(own)) {
        await_renewal(d, own);
        return;
    }
    d->stats.withdrawn++;
    forget_gone(d, own);
}

/* It is tried again, by and by. */
static void fail(struct cv_directory *d, struct own *own)
{
    own->tell = own->tell || !own->published;
    own->serial = ++d->serial;
    enqueue(&d->failed, own);
}

void cv_own_answered(struct cv_directory *d, const struct op *op, const struct cv_reply *reply,
                     uint64_t now)
{
    struct own *own = find(d, op->key);

    if (!own || own->serial != op->serial)
        return;
    if (reply->type == CV_REPLY_ERROR) {
        fail(d, own);
        return;
    }
    if (op->kind == OP_PUT)
        put(d, own, reply, now);
    if (op->last && own->serial == op->serial)
        settle(d, own);
}

/* The connection, and time. */

void cv_own_republish(struct cv_directory *d, uint64_t now)
{
    struct own *own, *next;

    d->spread_from = now;
    d->spread_total = HASH_COUNT(d->owns);
    d->spread_done = 0;
    d->stats.unpublished = 0;
    HASH_ITER (hh, d->owns, own, next) {
        own->published = false;
        own->renewal = false;
        own->serial = ++d->serial;
        d->stats.unpublished++;
        enqueue(is_gone(own) ? &d->urgent : &d->spread, own);
    }
    d->wheel_at = now / WHEEL_SLOT;
}

/* Commands without an answer may have been lost: what is not known to be published is told anew. */
void cv_own_down(struct cv_directory *d)
{
    struct own *own, *next;

    HASH_ITER (hh, d->owns, own, next)
        own->tell = own->tell || !own->published;
}

void cv_own_retry(struct cv_directory *d, uint64_t now)
{
    struct cv_list *link;

    if (cv_list_empty(&d->failed) || d->record_refused)
        return;
    if (cv_list_empty(&d->spread)) {
        d->spread_from = now;
        d->spread_total = d->spread_done = 0;
    }
    while ((link = cv_list_pop(&d->failed))) {
        cv_list_push_back(&d->spread, link);
        d->spread_total++;
    }
}

void cv_own_tick(struct cv_directory *d, uint64_t now)
{
    while (d->wheel_at < now / WHEEL_SLOT) {
        struct cv_list *slot = &d->wheel[++d->wheel_at % WHEEL_SLOTS], *link;

        while ((link = cv_list_pop(slot))) {
            struct own *own = cv_container_of(link, struct own, queue);

            own->renewal = true;
            enqueue(&d->urgent, own);
        }
    }
}

uint64_t cv_own_deadline(const struct cv_directory *d, uint64_t now)
{
    uint64_t at = (d->wheel_at + 1) * WHEEL_SLOT;

    if (!cv_list_empty(&d->spread))
        at = cv_min_time(at, now + SPREAD_TICK);
    return HASH_COUNT(d->owns) ? at : CV_NEVER;
}
