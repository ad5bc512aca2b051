#include "manager/directory.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "manager/directory_core.h"

static void write_field(struct cv_directory *d)
{
    struct cv_text text;

    cv_text_init(&text, d->field, sizeof(d->field));
    cv_text_str(&text, d->id);
    cv_text_str(&text, "/");
    cv_text_u64(&text, d->incarnation);
}

static void init_lists(struct cv_directory *d)
{
    struct cv_list *const lists[] = {&d->healing,  &d->lru,    &d->lookups,   &d->refused,
                                     &d->unlisted, &d->woken,  &d->waits,     &d->urgent,
                                     &d->spread,   &d->failed, &d->watch_jobs};

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        cv_list_init(lists[i]);
    for (size_t i = 0; i < WHEEL_SLOTS; i++)
        cv_list_init(&d->wheel[i]);
}

int cv_directory_new(struct cv_directory **out, const struct cv_alloc *alloc,
                     const struct cv_random *random, const struct cv_directory_config *config)
{
    struct cv_directory *d;

    if (strlen(config->url) > CV_DIRECTORY_URL_MAX || strlen(config->version) >= sizeof(d->version))
        return CV_ETOOLONG;
    d = cv_alloc_zero(alloc, sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->alloc = alloc;
    d->random = random;
    d->incarnation = config->incarnation;
    memcpy(d->id, config->id, strlen(config->id));
    memcpy(d->url, config->url, strlen(config->url));
    memcpy(d->version, config->version, strlen(config->version));
    d->record_step = RECORD_STEPS;
    d->retry_at = d->poll_at = CV_NEVER;
    d->stats.members = 1;
    write_field(d);
    init_lists(d);
    *out = d;
    return 0;
}

void cv_directory_free(struct cv_directory *d)
{
    if (!d)
        return;
    cv_cache_clear(d);
    cv_watch_clear(d);
    cv_members_clear(d);
    cv_own_clear(d);
    cv_free(d->alloc, d);
}

/* Commands and answers. */

struct op *cv_directory_op(struct ops *ops, enum op_kind kind, const char *key, uint64_t serial,
                           uint64_t now)
{
    struct op *op = &ops->at[(ops->head + ops->count++) % CV_DIRECTORY_PIPELINE];

    *op = (struct op){.kind = kind, .serial = serial, .sent_at = now};
    memcpy(op->key, key, strlen(key));
    return op;
}

const char *cv_directory_name(struct cv_directory *d, unsigned slot, const char *prefix,
                              const char *key, const char *suffix)
{
    struct cv_text text;

    cv_text_init(&text, d->text[slot], sizeof(d->text[slot]));
    cv_text_str(&text, prefix);
    cv_text_str(&text, key);
    cv_text_str(&text, suffix);
    return text.buf;
}

bool cv_directory_number(const char **text, char stop, uint64_t *value)
{
    const char *at = *text;
    uint64_t sum = 0;

    for (; *at >= '0' && *at <= '9'; at++) {
        unsigned digit = (unsigned)(*at - '0');

        if (sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    if (at == *text || *at != stop)
        return false;
    *text = stop ? at + 1 : at;
    *value = sum;
    return true;
}

void cv_directory_quote(char trouble[TROUBLE_MAX], const struct cv_reply *reply)
{
    struct cv_text text;

    cv_text_init(&text, trouble, TROUBLE_MAX);
    cv_text_bytes(&text, reply->text, cv_min_size(reply->len, TROUBLE_MAX - 1));
}

void cv_directory_refused(struct cv_directory *d, const struct cv_reply *reply, uint64_t now)
{
    d->stats.refused++;
    if (d->retry_at == CV_NEVER)
        d->retry_at = now + CV_DIRECTORY_RETRY;
    d->renew_at = cv_min_time(d->renew_at, d->retry_at);
    d->clean = false;
    d->refusals++;
    if (d->refusals == d->round_refusals + 1 || !d->trouble[0])
        cv_directory_quote(d->trouble, reply); /* one a round: several do not take turns */
}

void cv_directory_calm(struct cv_directory *d)
{
    if (d->clean && !d->lookup_refused && cv_list_empty(&d->failed) && cv_list_empty(&d->spread) &&
        cv_list_empty(&d->refused))
        d->trouble[0] = '\0';
}

/* Lookups go first, but for the few commands that renew our record: without it all we claim is
 * lost.
 */
static bool next(struct cv_directory *d, uint64_t now, struct cv_command *command)
{
    if (d->record_step == RECORD_STEPS && cv_cache_next(d, now, command))
        return true;
    return cv_own_first(d, now, command) || cv_members_next(d, now, command) ||
           cv_own_next(d, now, command);
}

bool cv_directory_next(struct cv_directory *d, uint64_t now, struct cv_command *command)
{
    if (!d->up || d->ops.count == CV_DIRECTORY_PIPELINE)
        return false;
    if (!next(d, now, command))
        return false;
    d->stats.commands++;
    return true;
}

int cv_directory_reply(struct cv_directory *d, const struct cv_reply *reply, uint64_t now)
{
    struct op op;

    if (d->ops.count == 0)
        return CV_EPROTO;
    op = d->ops.at[d->ops.head];
    d->ops.head = (d->ops.head + 1) % CV_DIRECTORY_PIPELINE;
    d->ops.count--;
    d->stats.lag = now - op.sent_at;
    if (reply->type == CV_REPLY_ERROR)
        cv_directory_refused(d, reply, now);
    switch (op.kind) {
    case OP_LOOKUP:
        d->lookup_refused = reply->type == CV_REPLY_ERROR;
        cv_cache_answered(d, &op, reply, now);
        cv_directory_calm(d);
        break;
    case OP_PUT:
    case OP_EXTEND:
    case OP_TAKE_BACK:
    case OP_TELL:
        cv_own_answered(d, &op, reply, now);
        break;
    case OP_READ:
    case OP_TOUCH:
    case OP_RECORD:
    case OP_ENROL:
    case OP_LIST:
    case OP_GET:
    case OP_LEAVE:
        cv_members_answered(d, &op, reply, now);
        break;
    case OP_PRUNE:
    case OP_SUBSCRIBE:
    case OP_UNSUBSCRIBE:
        break;
    }
    return 0;
}

void cv_directory_up(struct cv_directory *d, uint64_t now)
{
    d->up = true;
    d->heal_until = d->was_up ? now + CV_DIRECTORY_HEAL : 0;
    d->was_up = true;
    d->recorded = d->lookup_refused = false;
    d->record_step = 0;
    d->renew_at = now + CV_DIRECTORY_INTERVAL - cv_random_below(d->random, CV_SEC);
    d->trouble[0] = '\0';
    cv_own_republish(d, now);
}

void cv_directory_down(struct cv_directory *d, uint64_t now)
{
    if (!d->up)
        return;
    d->up = false;
    d->ops.count = 0;
    d->record_step = RECORD_STEPS;
    d->retry_at = d->poll_at = CV_NEVER;
    cv_members_down(d);
    cv_own_down(d);
    cv_cache_down(d, now);
}

/* Time. */

uint64_t cv_directory_deadline(const struct cv_directory *d, uint64_t now)
{
    uint64_t at = CV_NEVER;

    if (!cv_list_empty(&d->waits))
        at = cv_container_of(d->waits.next, struct cv_directory_waiter, by_time)->deadline;
    if (!d->up)
        return at;
    at = cv_min_time(at, cv_min_time(d->retry_at, d->poll_at));
    if (d->record_step == RECORD_STEPS && !d->leaving)
        at = cv_min_time(at, d->renew_at);
    return cv_min_time(at, cv_own_deadline(d, now));
}

void cv_directory_tick(struct cv_directory *d, uint64_t now)
{
    cv_cache_tick(d, now);
    if (!d->up)
        return;
    if (now >= d->retry_at) {
        d->retry_at = CV_NEVER;
        cv_cache_retry(d);
        cv_own_retry(d, now);
    }
    if (now >= d->renew_at && d->record_step == RECORD_STEPS && !d->leaving) {
        d->record_step = 0;
        d->renew_at = now + CV_DIRECTORY_INTERVAL - cv_random_below(d->random, CV_SEC);
    }
    cv_own_tick(d, now);
}

void cv_directory_load(struct cv_directory *d, uint64_t sessions)
{
    d->sessions = sessions;
}

/* For people. */

const struct cv_directory_stats *cv_directory_stats(const struct cv_directory *d)
{
    return &d->stats;
}

const char *cv_directory_trouble(const struct cv_directory *d)
{
    if (d->twin)
        return "another server runs under our --peer-id";
    return d->trouble[0] ? d->trouble : d->watch_trouble;
}

bool cv_directory_is_up(const struct cv_directory *d)
{
    return d->up;
}
