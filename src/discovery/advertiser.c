#include "discovery/advertiser.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "discovery/answers.h"

#define BOOT_MASK   UINT32_C(0x7fffffff)
#define CONFIG_MASK UINT32_C(0x00ffffff)

/* One link and the sets that are still to go out there, in the order of the fields. A set is one
 * datagram a target. */
struct link {
    unsigned id;
    enum cv_ssdp_group group;
    char location[CV_ADVERTISER_LOCATION_MAX + 1];
    bool known;    /* it was announced under `boot` */
    uint32_t boot; /* what byebye and update say: the one before */
    unsigned byes, updates, alives;
    size_t cursor; /* the next target of the set that is going out */
    uint64_t due;
};

struct cv_advertiser {
    const struct cv_alloc *alloc; /* borrowed */
    struct cv_random random;
    struct cv_ssdp_identity identity;
    char server[CV_ADVERTISER_SERVER_MAX + 1];
    unsigned age;
    uint32_t boot, config;
    bool announced; /* links were set before */
    bool stopping;
    struct link links[CV_ADVERTISER_LINKS_MAX];
    size_t link_count;
    unsigned
        former[CV_ADVERTISER_LINKS_MAX]; /* links that went away: others may remember us there */
    size_t former_count;
    struct cv_answers answers;
    struct cv_ssdp_limit limit;
    struct cv_advertiser_stats stats;
};

int cv_advertiser_new(struct cv_advertiser **out, const struct cv_advertiser_config *config,
                      const struct cv_alloc *alloc, const struct cv_random *random)
{
    const struct cv_ssdp_identity *identity = &config->identity;
    struct cv_advertiser *advertiser;
    struct cv_text text;

    if (!cv_ssdp_uuid_valid(identity->uuid) || !cv_ssdp_type_valid(identity->type) ||
        (identity->service[0] && !cv_ssdp_type_valid(identity->service)))
        return CV_ESYNTAX;
    advertiser = cv_alloc_zero(alloc, sizeof(*advertiser));
    if (!advertiser)
        return -ENOMEM;
    advertiser->alloc = alloc;
    advertiser->random = *random;
    advertiser->identity = *identity;
    advertiser->age = config->age;
    advertiser->boot = config->boot & BOOT_MASK;
    advertiser->config = config->config & CONFIG_MASK;
    cv_text_init(&text, advertiser->server, sizeof(advertiser->server));
    cv_text_str(&text, config->server);
    *out = advertiser;
    return 0;
}

void cv_advertiser_free(struct cv_advertiser *advertiser)
{
    if (advertiser)
        cv_free(advertiser->alloc, advertiser);
}

/* A random time in [@least, @most). */
static uint64_t between(const struct cv_advertiser *advertiser, uint64_t least, uint64_t most)
{
    return least + cv_random_below(&advertiser->random, most - least);
}

static struct link *link_find(struct cv_advertiser *advertiser, unsigned id)
{
    for (size_t i = 0; i < advertiser->link_count; i++)
        if (advertiser->links[i].id == id)
            return &advertiser->links[i];
    return NULL;
}

static bool was_there(const struct cv_advertiser *advertiser, unsigned id)
{
    for (size_t i = 0; i < advertiser->former_count; i++)
        if (advertiser->former[i] == id)
            return true;
    return false;
}

/* Makes @out what @link says; true when it is new or changed. */
static bool merge_link(struct cv_advertiser *advertiser, struct link *out,
                       const struct cv_advertiser_link *link)
{
    const struct link *old = link_find(advertiser, link->link);
    struct cv_text text;

    if (old) {
        *out = *old;
        if (strcmp(old->location, link->location) == 0)
            return false;
        out->byes = 1;
    } else {
        *out = (struct link){.id = link->link, .group = link->group};
        out->known = was_there(advertiser, link->link);
        out->byes = out->known;
    }
    cv_text_init(&text, out->location, sizeof(out->location));
    cv_text_str(&text, link->location);
    return true;
}

/* Announces everything, under a new BOOTID that links which were there before are told of. */
static void announce(struct cv_advertiser *advertiser, uint64_t now)
{
    uint32_t old = advertiser->boot;

    if (advertiser->announced)
        advertiser->boot = (advertiser->boot + 1) & BOOT_MASK;
    for (size_t i = 0; i < advertiser->link_count; i++) {
        struct link *link = &advertiser->links[i];

        link->updates = link->known;
        link->known = true;
        link->boot = old;
        link->alives = CV_ADVERTISER_FIRST_SETS;
        link->cursor = 0;
        link->due = now + cv_random_below(&advertiser->random, CV_ADVERTISER_START);
    }
    advertiser->announced = true;
}

static void drop_gone(struct cv_advertiser *advertiser, const struct cv_advertiser_link *links,
                      size_t count)
{
    for (size_t i = 0; i < advertiser->link_count; i++) {
        bool stays = false;

        for (size_t j = 0; j < count; j++)
            stays = stays || links[j].link == advertiser->links[i].id;
        if (stays)
            continue;
        cv_answers_drop(&advertiser->answers, advertiser->links[i].id);
        if (advertiser->former_count < CV_ADVERTISER_LINKS_MAX &&
            !was_there(advertiser, advertiser->links[i].id))
            advertiser->former[advertiser->former_count++] = advertiser->links[i].id;
    }
}

static void fill_notice(const struct cv_advertiser *advertiser, struct cv_ssdp_notice *notice,
                        const struct link *link)
{
    *notice = (struct cv_ssdp_notice){.group = link->group,
                                      .location = link->location,
                                      .server = advertiser->server,
                                      .age = advertiser->age,
                                      .boot = advertiser->boot,
                                      .config = advertiser->config};
}

/* Whether every datagram about @link fits, whatever its numbers become. */
static bool fits(const struct cv_advertiser *advertiser, const struct link *link)
{
    for (size_t i = 0; i < cv_ssdp_target_count(&advertiser->identity); i++) {
        char target[CV_SSDP_NAME_MAX + 1], usn[CV_SSDP_NAME_MAX + 1], out[CV_SSDP_OUT_MAX + 1];
        struct cv_ssdp_notice notice;

        fill_notice(advertiser, &notice, link);
        cv_ssdp_target(target, &advertiser->identity, i);
        cv_ssdp_usn(usn, &advertiser->identity, cv_ssdp_slice_of(target));
        notice.target = target;
        notice.target_len = strlen(target);
        notice.usn = usn;
        notice.boot = notice.next_boot = BOOT_MASK;
        notice.config = CONFIG_MASK;
        if (cv_ssdp_write_notify(out, CV_SSDP_ALIVE, &notice) < 0 ||
            cv_ssdp_write_notify(out, CV_SSDP_UPDATE, &notice) < 0 ||
            cv_ssdp_write_answer(out, &notice) < 0)
            return false;
    }
    return true;
}

int cv_advertiser_links(struct cv_advertiser *advertiser, const struct cv_advertiser_link *links,
                        size_t count, uint64_t now)
{
    struct link merged[CV_ADVERTISER_LINKS_MAX];
    bool changed = false;

    if (count > CV_ADVERTISER_LINKS_MAX)
        return CV_EFULL;
    for (size_t i = 0; i < count; i++)
        if (strlen(links[i].location) > CV_ADVERTISER_LOCATION_MAX)
            return CV_ETOOLONG;
    if (advertiser->stopping)
        return 0;
    for (size_t i = 0; i < count; i++) {
        changed = merge_link(advertiser, &merged[i], &links[i]) || changed;
        if (!fits(advertiser, &merged[i]))
            return CV_ETOOLONG;
    }
    drop_gone(advertiser, links, count);
    memcpy(advertiser->links, merged, count * sizeof(merged[0]));
    advertiser->link_count = count;
    if (changed)
        announce(advertiser, now);
    return 0;
}

void cv_advertiser_recv(struct cv_advertiser *advertiser, const struct cv_ssdp_from *from,
                        const void *data, size_t len, uint64_t now)
{
    struct cv_answer search = {.peer = from->peer, .link = from->link};
    struct cv_ssdp_message message;
    struct cv_text text;

    if (cv_ssdp_parse(&message, data, len, 0) < 0 || message.kind != CV_SSDP_SEARCH ||
        !message.discover || message.target.len == 0 || message.target.len > CV_SSDP_NAME_MAX ||
        memchr(message.target.at, '\0', message.target.len))
        return;
    if (from->multicast && message.mx == 0)
        return;
    if (advertiser->stopping || from->peer.port == 0 || !link_find(advertiser, from->link))
        return;
    if (!from->on_link) {
        advertiser->stats.foreign++;
        return;
    }
    search.left = cv_ssdp_match(&advertiser->identity, message.target);
    if (!search.left)
        return;
    cv_text_init(&text, search.wanted, sizeof(search.wanted));
    cv_text_bytes(&text, message.target.at, message.target.len);
    switch (cv_answers_take(&advertiser->answers, &advertiser->limit, &search,
                            from->multicast ? (uint64_t)message.mx * CV_SEC : CV_SSDP_UNICAST_WAIT,
                            &advertiser->random, now)) {
    case CV_ANSWERS_TAKEN:
        advertiser->stats.searches++;
        break;
    case CV_ANSWERS_MERGED:
        advertiser->stats.merged++;
        break;
    case CV_ANSWERS_LIMITED:
        advertiser->stats.limited++;
        break;
    }
}

void cv_advertiser_stop(struct cv_advertiser *advertiser, uint64_t now)
{
    advertiser->stopping = true;
    cv_answers_clear(&advertiser->answers);
    for (size_t i = 0; i < advertiser->link_count; i++) {
        struct link *link = &advertiser->links[i];

        link->byes = CV_ADVERTISER_BYE_SETS;
        link->updates = link->alives = 0;
        link->cursor = 0;
        link->boot = advertiser->boot;
        link->due = now;
    }
}

/* The set that @link sends now; NULL when it has none to send. */
static unsigned *set_of(struct link *link, enum cv_ssdp_kind *kind)
{
    if (link->byes) {
        *kind = CV_SSDP_BYEBYE;
        return &link->byes;
    }
    if (link->updates) {
        *kind = CV_SSDP_UPDATE;
        return &link->updates;
    }
    *kind = CV_SSDP_ALIVE;
    return link->alives ? &link->alives : NULL;
}

/* When the next set follows the one that has just gone out. */
static void schedule(struct cv_advertiser *advertiser, struct link *link, uint64_t now)
{
    uint64_t half = advertiser->age * CV_SEC / 2;
    enum cv_ssdp_kind kind;

    link->cursor = 0;
    if (set_of(link, &kind)) {
        link->due = now + between(advertiser, CV_ADVERTISER_GAP_MIN, CV_ADVERTISER_GAP_MAX);
    } else if (advertiser->stopping) {
        link->due = CV_NEVER;
    } else {
        link->boot = advertiser->boot;
        link->alives = CV_ADVERTISER_REFRESH_SETS;
        link->due = now + between(advertiser, half / 2, half);
    }
}

/* The next datagram of the set of @link. */
static int write_set(struct cv_advertiser *advertiser, struct link *link, struct cv_ssdp_out *out,
                     uint64_t now)
{
    char target[CV_SSDP_NAME_MAX + 1], usn[CV_SSDP_NAME_MAX + 1];
    struct cv_ssdp_notice notice;
    enum cv_ssdp_kind kind;
    unsigned *left = set_of(link, &kind);

    fill_notice(advertiser, &notice, link);
    cv_ssdp_target(target, &advertiser->identity, link->cursor);
    cv_ssdp_usn(usn, &advertiser->identity, cv_ssdp_slice_of(target));
    notice.target = target;
    notice.target_len = strlen(target);
    notice.usn = usn;
    if (kind != CV_SSDP_ALIVE) {
        notice.boot = link->boot;
        notice.next_boot = advertiser->boot;
    }
    *out = (struct cv_ssdp_out){.link = link->id, .multicast = true};
    if (++link->cursor == cv_ssdp_target_count(&advertiser->identity)) {
        (*left)--;
        schedule(advertiser, link, now);
    }
    return cv_ssdp_write_notify(out->data, kind, &notice);
}

static int write_answer(struct cv_advertiser *advertiser, const struct cv_answer *search,
                        size_t index, struct cv_ssdp_out *out, int64_t wall)
{
    const struct link *link = link_find(advertiser, search->link);
    bool all = strcmp(search->wanted, CV_SSDP_ALL) == 0;
    char target[CV_SSDP_NAME_MAX + 1], usn[CV_SSDP_NAME_MAX + 1];
    struct cv_ssdp_notice notice;

    if (!link)
        return CV_ESTALE;
    fill_notice(advertiser, &notice, link);
    cv_ssdp_target(target, &advertiser->identity, index);
    notice.target = all ? target : search->wanted; /* the version that was asked for */
    notice.target_len = strlen(notice.target);
    cv_ssdp_usn(usn, &advertiser->identity, cv_ssdp_slice_of(notice.target));
    notice.usn = usn;
    notice.wall = wall;
    *out = (struct cv_ssdp_out){.link = link->id, .peer = search->peer};
    advertiser->stats.sent++;
    return cv_ssdp_write_answer(out->data, &notice);
}

int cv_advertiser_next(struct cv_advertiser *advertiser, struct cv_ssdp_out *out, int64_t wall,
                       uint64_t now)
{
    const struct cv_answer *search;
    size_t index;
    int len;

    for (size_t i = 0; i < advertiser->link_count; i++) {
        while (advertiser->links[i].due <= now) {
            len = write_set(advertiser, &advertiser->links[i], out, now);
            out->len = len > 0 ? (size_t)len : 0;
            if (len > 0)
                return 1;
        }
    }
    while ((search = cv_answers_next(&advertiser->answers, &index, now))) {
        len = write_answer(advertiser, search, index, out, wall);
        out->len = len > 0 ? (size_t)len : 0;
        if (len > 0)
            return 1;
    }
    return 0;
}

uint64_t cv_advertiser_deadline(const struct cv_advertiser *advertiser)
{
    uint64_t deadline = cv_answers_deadline(&advertiser->answers);

    for (size_t i = 0; i < advertiser->link_count; i++)
        deadline = cv_min_time(deadline, advertiser->links[i].due);
    return deadline;
}

const struct cv_advertiser_stats *cv_advertiser_stats(const struct cv_advertiser *advertiser)
{
    return &advertiser->stats;
}

uint32_t cv_advertiser_boot(const struct cv_advertiser *advertiser)
{
    return advertiser->boot;
}
