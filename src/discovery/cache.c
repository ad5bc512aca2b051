#include "discovery/cache.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define SERVER_MAX 127 /* bytes of a SERVER that are kept */

struct location {
    char *url; /* owned; NULL: none */
    size_t size;
    uint64_t expiry, heard;
};

/* What a change does to an entry is told before the next one happens to it: the shell polls after
 * each datagram. */
struct entry {
    bool dead;  /* removed or expired: freed once that is told */
    bool news;  /* `change` was not told yet */
    bool heard; /* before now */
    enum cv_cache_change change;
    int64_t boot; /* -1: it says none */
    int64_t age;
    struct cv_peer sender;
    struct location at[CV_CACHE_LOCATIONS];
    size_t newest;
    size_t size; /* of this block */
    char *usn, *type, *server;
    char text[];
};

struct cv_cache {
    const struct cv_alloc *alloc; /* borrowed */
    char part[CV_SSDP_NAME_MAX + 1];
    struct entry *entries[CV_CACHE_ENTRIES_MAX]; /* owned; NULL: free */
    size_t count, bytes;
    struct entry *told; /* owned: what the last poll spoke of, when it is dead */
};

int cv_cache_new(struct cv_cache **out, const struct cv_alloc *alloc, const char *part)
{
    struct cv_cache *cache = cv_alloc_zero(alloc, sizeof(*cache));
    struct cv_text text;

    if (!cache)
        return -ENOMEM;
    cache->alloc = alloc;
    cv_text_init(&text, cache->part, sizeof(cache->part));
    cv_text_str(&text, part ? part : "");
    *out = cache;
    return 0;
}

static void entry_free(struct cv_cache *cache, struct entry *entry)
{
    for (size_t i = 0; i < CV_CACHE_LOCATIONS; i++) {
        cv_free(cache->alloc, entry->at[i].url);
        cache->bytes -= entry->at[i].size;
    }
    cache->bytes -= entry->size;
    cv_free(cache->alloc, entry);
}

static void forget_told(struct cv_cache *cache)
{
    if (cache->told)
        entry_free(cache, cache->told);
    cache->told = NULL;
}

void cv_cache_free(struct cv_cache *cache)
{
    if (!cache)
        return;
    forget_told(cache);
    for (size_t i = 0; i < CV_CACHE_ENTRIES_MAX; i++)
        if (cache->entries[i])
            entry_free(cache, cache->entries[i]);
    cv_free(cache->alloc, cache);
}

/* Takes an entry out of the table; what is told of it is told first. */
static void retire(struct entry *entry, enum cv_cache_change change)
{
    entry->dead = entry->news = true;
    entry->change = change;
}

static struct entry **find(struct cv_cache *cache, struct cv_ssdp_slice usn)
{
    for (size_t i = 0; i < CV_CACHE_ENTRIES_MAX; i++) {
        struct entry *entry = cache->entries[i];

        if (entry && !entry->dead && cv_ssdp_slice_is(usn, entry->usn))
            return &cache->entries[i];
    }
    return NULL;
}

static uint64_t expiry_of(const struct entry *entry)
{
    uint64_t last = 0;

    for (size_t i = 0; i < CV_CACHE_LOCATIONS; i++)
        if (entry->at[i].url && entry->at[i].expiry > last)
            last = entry->at[i].expiry;
    return last;
}

static size_t held_by(const struct cv_cache *cache, const struct cv_peer *sender)
{
    size_t count = 0;

    for (size_t i = 0; i < CV_CACHE_ENTRIES_MAX; i++)
        count += cache->entries[i] && cv_peer_same_host(&cache->entries[i]->sender, sender);
    return count;
}

/* The entry that goes first of the sender that holds most; NULL when that is @sender itself. */
static struct entry **victim(struct cv_cache *cache, const struct cv_peer *sender)
{
    size_t most = held_by(cache, sender);
    struct entry **found = NULL;

    for (size_t i = 0; i < CV_CACHE_ENTRIES_MAX; i++) {
        struct entry *entry = cache->entries[i];
        size_t held = entry ? held_by(cache, &entry->sender) : 0;

        if (held > most || (found && held == most && expiry_of(entry) < expiry_of(*found))) {
            most = held;
            found = &cache->entries[i];
        }
    }
    return found;
}

/* A place for one more entry of @size bytes: free, or made free. */
static struct entry **make_room(struct cv_cache *cache, const struct cv_peer *sender, size_t size)
{
    struct entry **place = NULL;

    while (cache->count == CV_CACHE_ENTRIES_MAX || cache->bytes + size > CV_CACHE_BYTES_MAX) {
        place = victim(cache, sender);
        if (!place)
            return NULL;
        entry_free(cache, *place);
        *place = NULL;
        cache->count--;
    }
    for (size_t i = 0; !place && i < CV_CACHE_ENTRIES_MAX; i++)
        if (!cache->entries[i])
            place = &cache->entries[i];
    return place;
}

static char *put_text(char **at, struct cv_ssdp_slice text, size_t most)
{
    char *start = *at;
    size_t len = cv_min_size(text.len, most);

    if (len)
        memcpy(start, text.at, len);
    start[len] = '\0';
    *at = start + len + 1;
    return start;
}

/* Returns its place, or NULL with *@error set. */
static struct entry **add_entry(struct cv_cache *cache, const struct cv_ssdp_message *message,
                                const struct cv_peer *sender, int *error)
{
    size_t size = sizeof(struct entry) + message->usn.len + message->target.len +
                  cv_min_size(message->server.len, SERVER_MAX) + 3;
    struct entry **place = make_room(cache, sender, size + message->location.len + 1), *entry;
    char *at;

    *error = place ? -ENOMEM : CV_EFULL;
    entry = place ? cv_alloc_zero(cache->alloc, size) : NULL;
    if (!entry)
        return NULL;
    at = entry->text;
    entry->usn = put_text(&at, message->usn, CV_SSDP_NAME_MAX);
    entry->type = put_text(&at, message->target, CV_SSDP_NAME_MAX);
    entry->server = put_text(&at, message->server, SERVER_MAX);
    entry->sender = *sender;
    entry->boot = message->boot;
    entry->size = size;
    cache->bytes += size;
    cache->count++;
    *place = entry;
    return place;
}

/* The place of @url in @entry, a free one, or that of the one not heard of for longest. */
static struct location *location_of(struct entry *entry, struct cv_ssdp_slice url)
{
    struct location *best = &entry->at[0];

    for (size_t i = 0; i < CV_CACHE_LOCATIONS; i++) {
        struct location *at = &entry->at[i];

        if (at->url && cv_ssdp_slice_is(url, at->url))
            return at;
        if (best->url && (!at->url || at->heard < best->heard))
            best = at;
    }
    return best;
}

static int put_location(struct cv_cache *cache, struct entry *entry, struct cv_ssdp_slice url,
                        int64_t age, uint64_t now)
{
    struct location *at = location_of(entry, url);
    char *copy, *end;

    if (!at->url || !cv_ssdp_slice_is(url, at->url)) {
        if (cache->bytes - at->size + url.len + 1 > CV_CACHE_BYTES_MAX)
            return CV_EFULL;
        copy = end = cv_alloc(cache->alloc, url.len + 1);
        if (!copy)
            return -ENOMEM;
        put_text(&end, url, url.len);
        cv_free(cache->alloc, at->url);
        cache->bytes = cache->bytes - at->size + url.len + 1;
        at->size = url.len + 1;
        at->url = copy;
    }
    at->heard = now;
    at->expiry = now + (uint64_t)age * CV_SEC;
    entry->newest = (size_t)(at - entry->at);
    return 0;
}

/* Ends all entries of the device of @usn, or with @boot those whose BOOTID is another. */
static void remove_device(struct cv_cache *cache, struct cv_ssdp_slice usn, int64_t boot)
{
    struct cv_ssdp_slice device = cv_ssdp_device(usn);

    for (size_t i = 0; i < CV_CACHE_ENTRIES_MAX; i++) {
        struct entry *entry = cache->entries[i];

        if (entry && !entry->dead && (boot < 0 || (entry->boot >= 0 && entry->boot != boot)) &&
            cv_ssdp_slice_same(device, cv_ssdp_device(cv_ssdp_slice_of(entry->usn))))
            retire(entry, CV_CACHE_REMOVED);
    }
}

static void move_device(struct cv_cache *cache, const struct cv_ssdp_message *message)
{
    struct cv_ssdp_slice device = cv_ssdp_device(message->usn);

    for (size_t i = 0; i < CV_CACHE_ENTRIES_MAX; i++) {
        struct entry *entry = cache->entries[i];

        if (entry && !entry->dead && entry->boot == message->boot &&
            cv_ssdp_slice_same(device, cv_ssdp_device(cv_ssdp_slice_of(entry->usn))))
            entry->boot = message->next_boot;
    }
}

static int keep(struct cv_cache *cache, const struct cv_ssdp_from *from,
                struct cv_ssdp_message *message, uint64_t now)
{
    struct entry **place, *entry;
    struct cv_ssdp_slice alternate;
    int rc;

    if (message->boot >= 0)
        remove_device(cache, message->usn, message->boot);
    place = find(cache, message->usn);
    if (!place) {
        place = add_entry(cache, message, &from->peer, &rc);
        if (!place)
            return rc;
    }
    entry = *place;
    while (cv_ssdp_alternate(&message->al, &alternate))
        if (put_location(cache, entry, alternate, message->age, now) < 0)
            break; /* what matters is the first */
    rc = put_location(cache, entry, message->location, message->age, now);
    if (rc < 0 && expiry_of(entry) == 0) {
        entry_free(cache, entry);
        *place = NULL;
        cache->count--;
        return rc;
    }
    if (!entry->news) /* one that came and was heard again has come */
        entry->change = entry->heard ? CV_CACHE_REFRESHED : CV_CACHE_ADDED;
    entry->heard = entry->news = true;
    entry->age = message->age;
    entry->boot = message->boot;
    return rc;
}

int cv_cache_recv(struct cv_cache *cache, const struct cv_ssdp_from *from, const void *data,
                  size_t len, int64_t wall, uint64_t now)
{
    struct cv_ssdp_message message;
    char type[CV_SSDP_NAME_MAX + 1], *at = type;

    forget_told(cache);
    if (cv_ssdp_parse(&message, data, len, wall) < 0 ||
        (message.kind != CV_SSDP_ANSWER && !from->multicast))
        return 0;
    switch (cv_ssdp_judge(&message)) {
    case CV_SSDP_SKIP:
    case CV_SSDP_REJECT:
    case CV_SSDP_REPORT:
        return 0;
    case CV_SSDP_GONE:
        remove_device(cache, message.usn, -1);
        return 0;
    case CV_SSDP_MOVED:
        move_device(cache, &message);
        return 0;
    case CV_SSDP_KEEP:
        break;
    }
    put_text(&at, message.target, CV_SSDP_NAME_MAX);
    return cv_text_holds(type, cache->part) ? keep(cache, from, &message, now) : 0;
}

/* Drops the locations that are over, of an entry that has others. */
static void drop_locations(struct cv_cache *cache, struct entry *entry, uint64_t now)
{
    for (size_t i = 0; i < CV_CACHE_LOCATIONS; i++) {
        struct location *at = &entry->at[i];

        if (!at->url || at->expiry > now)
            continue;
        cv_free(cache->alloc, at->url);
        cache->bytes -= at->size;
        *at = (struct location){.url = NULL};
    }
    for (size_t i = 0; i < CV_CACHE_LOCATIONS; i++)
        if (entry->at[i].url && entry->at[i].heard >= entry->at[entry->newest].heard)
            entry->newest = i;
}

static void expire(struct cv_cache *cache, uint64_t now)
{
    for (size_t i = 0; i < CV_CACHE_ENTRIES_MAX; i++) {
        struct entry *entry = cache->entries[i];

        if (!entry || entry->dead)
            continue;
        if (expiry_of(entry) <= now)
            retire(entry, CV_CACHE_EXPIRED);
        else
            drop_locations(cache, entry, now);
    }
}

/* What ended comes before what began in its place. */
static struct entry **next_news(struct cv_cache *cache)
{
    struct entry **found = NULL;

    for (size_t i = 0; i < CV_CACHE_ENTRIES_MAX; i++) {
        struct entry *entry = cache->entries[i];

        if (entry && entry->news && (!found || (entry->dead && !(*found)->dead)))
            found = &cache->entries[i];
    }
    return found;
}

int cv_cache_poll(struct cv_cache *cache, struct cv_cache_event *out, uint64_t now)
{
    struct entry **place, *entry;

    forget_told(cache);
    expire(cache, now);
    place = next_news(cache);
    if (!place)
        return 0;
    entry = *place;
    entry->news = false;
    *out = (struct cv_cache_event){.change = entry->change,
                                   .usn = entry->usn,
                                   .type = entry->type,
                                   .server = entry->server,
                                   .location = entry->at[entry->newest].url,
                                   .age = entry->age,
                                   .sender = entry->sender};
    if (entry->dead) {
        cache->told = entry;
        *place = NULL;
        cache->count--;
    }
    return 1;
}

uint64_t cv_cache_deadline(const struct cv_cache *cache)
{
    uint64_t deadline = CV_NEVER;

    for (size_t i = 0; i < CV_CACHE_ENTRIES_MAX; i++)
        if (cache->entries[i])
            deadline =
                cv_min_time(deadline, cache->entries[i]->news ? 0 : expiry_of(cache->entries[i]));
    return deadline;
}

size_t cv_cache_count(const struct cv_cache *cache)
{
    return cache->count;
}

size_t cv_cache_bytes(const struct cv_cache *cache)
{
    return cache->bytes;
}
