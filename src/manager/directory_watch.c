#include <string.h>

#include "base/error.h"
#include "manager/directory_core.h"

/* The other connection: a subscription for each cached key. */

static void push(struct cv_directory *d, const struct entry *entry, bool on)
{
    struct watch_job *job = cv_alloc_zero(d->alloc, sizeof(*job));

    if (!job)
        return; /* it stays as it is: not watched, or watched in vain */
    job->on = on;
    job->serial = entry->serial;
    memcpy(job->key, entry->key, sizeof(job->key));
    cv_list_push_back(&d->watch_jobs, &job->link);
}

static void drop(struct cv_directory *d, struct watch_job *job)
{
    cv_list_remove(&job->link);
    cv_free(d->alloc, job);
}

void cv_watch_clear(struct cv_directory *d)
{
    cv_list_each_safe (link, &d->watch_jobs)
        drop(d, cv_container_of(link, struct watch_job, link));
}

void cv_watch_add(struct cv_directory *d, const struct entry *entry)
{
    if (d->watch_up)
        push(d, entry, true);
}

void cv_watch_remove(struct cv_directory *d, const struct entry *entry)
{
    d->stats.watched -= entry->watched;
    if (d->watch_up)
        push(d, entry, false);
}

void cv_directory_watch_up(struct cv_directory *d)
{
    struct entry *entry, *next;

    d->watch_up = true;
    HASH_ITER (hh, d->entries, entry, next)
        if (entry->known)
            push(d, entry, true);
}

/* What changes meanwhile is not heard. */
void cv_directory_watch_down(struct cv_directory *d)
{
    struct entry *entry, *next;

    d->watch_up = false;
    d->watch_ops.count = 0;
    d->stats.watched = 0;
    cv_watch_clear(d);
    HASH_ITER (hh, d->entries, entry, next) {
        entry->watched = false;
        entry->fresh = false;
    }
}

bool cv_directory_watch_next(struct cv_directory *d, struct cv_command *command)
{
    struct watch_job *job;

    if (!d->watch_up || d->watch_ops.count == CV_DIRECTORY_PIPELINE ||
        cv_list_empty(&d->watch_jobs))
        return false;
    job = cv_container_of(d->watch_jobs.next, struct watch_job, link);
    *command = (struct cv_command){2,
                                   {job->on ? "SUBSCRIBE" : "UNSUBSCRIBE",
                                    cv_directory_name(d, 7, CHANGE_PREFIX, job->key, "")}};
    cv_directory_op(&d->watch_ops, job->on ? OP_SUBSCRIBE : OP_UNSUBSCRIBE, job->key, job->serial,
                    0);
    drop(d, job);
    return true;
}

static int confirmed(struct cv_directory *d)
{
    struct entry *entry;
    struct op op;

    if (d->watch_ops.count == 0)
        return CV_EPROTO;
    op = d->watch_ops.at[d->watch_ops.head];
    d->watch_ops.head = (d->watch_ops.head + 1) % CV_DIRECTORY_PIPELINE;
    d->watch_ops.count--;
    if (op.kind == OP_SUBSCRIBE)
        d->watch_trouble[0] = '\0';
    entry = cv_cache_find(d, op.key);
    if (op.kind != OP_SUBSCRIBE || !entry || entry->serial != op.serial || entry->watched)
        return 0;
    entry->watched = true;
    d->stats.watched++;
    return 0;
}

static void changed(struct cv_directory *d, const char *channel)
{
    size_t skip = sizeof(CHANGE_PREFIX) - 1;
    struct entry *entry =
        strncmp(channel, CHANGE_PREFIX, skip) == 0 ? cv_cache_find(d, channel + skip) : NULL;

    d->stats.changes++;
    if (entry)
        cv_cache_changed(d, entry);
}

int cv_directory_heard(struct cv_directory *d, const struct cv_reply *reply)
{
    const struct cv_reply *kind = reply->items;

    if (reply->type == CV_REPLY_ERROR) { /* of a SUBSCRIBE: the key is not watched */
        d->watch_ops.head = (d->watch_ops.head + 1) % CV_DIRECTORY_PIPELINE;
        d->watch_ops.count -= d->watch_ops.count > 0;
        d->stats.refused++;
        cv_directory_quote(d->watch_trouble, reply);
        return 0;
    }
    if (reply->type != CV_REPLY_ARRAY || reply->count < 3 || kind->type != CV_REPLY_TEXT)
        return CV_EPROTO;
    if (strcmp(kind->text, "message") != 0)
        return confirmed(d);
    changed(d, reply->items[1].text);
    return 0;
}
