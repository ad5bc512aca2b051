#include "discovery/searcher.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "discovery/advertiser.h"

#define SERVER_MAX 127 /* bytes of a SERVER that are kept */

struct found {
    bool used, told, gone;
    uint64_t order; /* in which it came */
    char usn[CV_SSDP_NAME_MAX + 1], type[CV_SSDP_NAME_MAX + 1];
    char server[SERVER_MAX + 1];
    char location[CV_SSDP_URL_MAX + 1];
    int64_t age;
    struct cv_ssdp_from from;
};

struct link {
    unsigned id;
    enum cv_ssdp_group group;
    bool due;
};

struct cv_searcher {
    const struct cv_alloc *alloc; /* borrowed */
    char target[CV_SSDP_NAME_MAX + 1], part[CV_SSDP_NAME_MAX + 1];
    char server[CV_ADVERTISER_SERVER_MAX + 1];
    uint64_t timeout;
    uint64_t end;     /* the time is up then */
    uint64_t next;    /* search again then; CV_NEVER: something answered */
    uint64_t settled; /* the answers to the last search are in then */
    bool answered;
    struct link links[CV_SEARCHER_LINKS_MAX];
    size_t link_count;
    uint64_t came; /* so far */
    struct found found[CV_SEARCHER_FOUND_MAX];
};

static void copy(char *out, size_t size, struct cv_ssdp_slice from)
{
    struct cv_text text;

    cv_text_init(&text, out, size);
    if (from.len)
        cv_text_bytes(&text, from.at, from.len);
}

int cv_searcher_new(struct cv_searcher **out, const struct cv_searcher_config *config,
                    const struct cv_alloc *alloc, uint64_t now)
{
    const char *part = config->part ? config->part : "";
    struct cv_searcher *searcher;

    if (strlen(config->target) > CV_SSDP_NAME_MAX || strlen(part) > CV_SSDP_NAME_MAX)
        return CV_ETOOLONG;
    searcher = cv_alloc_zero(alloc, sizeof(*searcher));
    if (!searcher)
        return -ENOMEM;
    searcher->alloc = alloc;
    copy(searcher->target, sizeof(searcher->target), cv_ssdp_slice_of(config->target));
    copy(searcher->part, sizeof(searcher->part), cv_ssdp_slice_of(part));
    copy(searcher->server, sizeof(searcher->server), cv_ssdp_slice_of(config->server));
    searcher->timeout = config->timeout;
    cv_searcher_again(searcher, now);
    *out = searcher;
    return 0;
}

void cv_searcher_free(struct cv_searcher *searcher)
{
    if (searcher)
        cv_free(searcher->alloc, searcher);
}

void cv_searcher_again(struct cv_searcher *searcher, uint64_t now)
{
    searcher->end = now + searcher->timeout;
    searcher->next = now;
    searcher->settled = now;
    searcher->answered = false;
    for (size_t i = 0; i < CV_SEARCHER_FOUND_MAX; i++)
        searcher->found[i].used = false;
}

int cv_searcher_links(struct cv_searcher *searcher, const unsigned *links,
                      const enum cv_ssdp_group *groups, size_t count, uint64_t now)
{
    struct link merged[CV_SEARCHER_LINKS_MAX];

    if (count > CV_SEARCHER_LINKS_MAX)
        return CV_EFULL;
    for (size_t i = 0; i < count; i++) {
        merged[i] = (struct link){.id = links[i], .group = groups[i], .due = true};
        for (size_t j = 0; j < searcher->link_count; j++)
            if (searcher->links[j].id == links[i])
                merged[i].due = searcher->links[j].due;
        if (merged[i].due && now < searcher->end)
            searcher->settled = now + CV_SEARCHER_MX * CV_SEC + CV_SEARCHER_INTERVAL;
    }
    memcpy(searcher->links, merged, count * sizeof(merged[0]));
    searcher->link_count = count;
    return 0;
}

static bool wanted(const struct cv_searcher *searcher, const struct cv_ssdp_message *message)
{
    char type[CV_SSDP_NAME_MAX + 1];

    if (message->target.len > CV_SSDP_NAME_MAX ||
        !cv_ssdp_covers(message->target, cv_ssdp_slice_of(searcher->target)))
        return false;
    copy(type, sizeof(type), message->target);
    return cv_text_holds(type, searcher->part);
}

/* The place of what is known, or a free one; NULL when there is none, or the sender has had its
 * share of them. */
static struct found *place_of(struct cv_searcher *searcher, const struct cv_peer *sender,
                              struct cv_ssdp_slice usn, struct cv_ssdp_slice location)
{
    struct found *spare = NULL;
    unsigned of_sender = 0;

    for (size_t i = 0; i < CV_SEARCHER_FOUND_MAX; i++) {
        struct found *found = &searcher->found[i];

        if (!found->used) {
            spare = spare ? spare : found;
            continue;
        }
        if (cv_ssdp_slice_is(usn, found->usn) && cv_ssdp_slice_is(location, found->location))
            return found;
        of_sender += cv_peer_same_host(&found->from.peer, sender);
    }
    return of_sender < CV_SEARCHER_SENDER_MAX ? spare : NULL;
}

static void add(struct cv_searcher *searcher, const struct cv_ssdp_from *from,
                const struct cv_ssdp_message *message, struct cv_ssdp_slice location)
{
    struct found *found = place_of(searcher, &from->peer, message->usn, location);

    if (!found || (found->used && !found->gone))
        return;
    *found = (struct found){.used = true, .age = message->age, .from = *from};
    found->order = searcher->came++;
    copy(found->usn, sizeof(found->usn), message->usn);
    copy(found->type, sizeof(found->type), message->target);
    copy(found->server, sizeof(found->server), message->server);
    copy(found->location, sizeof(found->location), location);
    searcher->answered = true;
    searcher->next = CV_NEVER;
}

static void take_back(struct cv_searcher *searcher, struct cv_ssdp_slice usn)
{
    struct cv_ssdp_slice device = cv_ssdp_device(usn);

    for (size_t i = 0; i < CV_SEARCHER_FOUND_MAX; i++) {
        struct found *found = &searcher->found[i];

        if (!found->used || found->gone ||
            !cv_ssdp_slice_same(device, cv_ssdp_device(cv_ssdp_slice_of(found->usn))))
            continue;
        found->gone = true;
        if (found->told) /* nobody need hear of one that came and went */
            found->told = false;
        else
            found->used = false;
    }
}

void cv_searcher_recv(struct cv_searcher *searcher, const struct cv_ssdp_from *from,
                      const void *data, size_t len, int64_t wall, uint64_t now)
{
    struct cv_ssdp_message message;
    struct cv_ssdp_slice location;
    enum cv_ssdp_verdict verdict;

    (void)now;
    if (cv_ssdp_parse(&message, data, len, wall) < 0)
        return;
    /* An announcement that was sent to us alone may come from anywhere on the Internet. */
    if (message.kind != CV_SSDP_ANSWER && !from->multicast)
        return;
    verdict = cv_ssdp_judge(&message);
    if (verdict == CV_SSDP_GONE)
        take_back(searcher, message.usn);
    if ((verdict != CV_SSDP_KEEP && verdict != CV_SSDP_REPORT) || !wanted(searcher, &message))
        return;
    location = message.location;
    do
        add(searcher, from, &message, location);
    while (cv_ssdp_alternate(&message.al, &location));
}

int cv_searcher_poll(struct cv_searcher *searcher, struct cv_sighting *out)
{
    struct found *first = NULL;

    for (size_t i = 0; i < CV_SEARCHER_FOUND_MAX; i++) {
        struct found *found = &searcher->found[i];

        if (found->used && !found->told && (!first || found->order < first->order))
            first = found;
    }
    if (!first)
        return 0;
    first->told = true;
    first->used = !first->gone; /* its text stays until the next call */
    *out = (struct cv_sighting){.gone = first->gone,
                                .usn = first->usn,
                                .type = first->type,
                                .server = first->server,
                                .location = first->location,
                                .age = first->age,
                                .from = first->from};
    return 1;
}

int cv_searcher_next(struct cv_searcher *searcher, struct cv_ssdp_out *out, uint64_t now)
{
    struct cv_ssdp_notice notice = {.target = searcher->target,
                                    .target_len = strlen(searcher->target),
                                    .server = searcher->server,
                                    .mx = CV_SEARCHER_MX};

    if (now >= searcher->end)
        return 0;
    if (searcher->next <= now) {
        for (size_t i = 0; i < searcher->link_count; i++)
            searcher->links[i].due = true;
        searcher->next = now + CV_SEARCHER_INTERVAL;
        searcher->settled = now + CV_SEARCHER_MX * CV_SEC + CV_SEARCHER_INTERVAL;
    }
    for (size_t i = 0; i < searcher->link_count; i++) {
        struct link *link = &searcher->links[i];
        int len;

        if (!link->due)
            continue;
        link->due = false;
        notice.group = link->group;
        *out = (struct cv_ssdp_out){.link = link->id, .multicast = true};
        len = cv_ssdp_write_search(out->data, &notice);
        if (len < 0)
            continue;
        out->len = (size_t)len;
        return 1;
    }
    return 0;
}

uint64_t cv_searcher_deadline(const struct cv_searcher *searcher)
{
    uint64_t end =
        searcher->answered ? cv_min_time(searcher->settled, searcher->end) : searcher->end;

    for (size_t i = 0; i < searcher->link_count; i++)
        if (searcher->links[i].due)
            return 0;
    return cv_min_time(searcher->next, end);
}

bool cv_searcher_over(const struct cv_searcher *searcher, uint64_t now)
{
    return now >= searcher->end || (searcher->answered && now >= searcher->settled);
}

bool cv_searcher_found(const struct cv_searcher *searcher)
{
    return searcher->answered;
}
