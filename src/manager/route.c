#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "manager/core.h"

static bool healthy(const struct member *member, uint64_t now)
{
    struct cv_session *session = member->info.session;

    return !cv_session_probing(session) && !cv_session_silent(session, now) &&
           now - cv_session_heard_at(session) <= CV_HEALTHY_FOR;
}

/* The better of two; @first is preferred when both are equally well. */
static struct member *better(struct member *first, struct member *second, uint64_t now)
{
    if (!first)
        return second;
    if (!second || healthy(first, now) || !healthy(second, now))
        return first;
    return second;
}

static struct member *pick_local(const struct group *group, uint64_t but, uint64_t now)
{
    struct member *best = NULL;

    cv_list_each (link, &group->members) {
        struct member *member = cv_container_of(link, struct member, in_group);

        if (member->info.kind == CV_MEMBER_AGENT && member->info.id != but &&
            cv_session_usable(member->info.session))
            best = better(best, member, now);
    }
    return best;
}

static struct member *pick_peer(const struct group *group, uint64_t but, uint64_t now)
{
    struct member *best = NULL;

    cv_list_each (link, &group->announced) {
        struct member *peer = cv_container_of(link, struct announced, in_group)->peer;

        if (peer->info.id != but && cv_session_usable(peer->info.session))
            best = better(best, peer, now);
    }
    return best;
}

int cv_manager_route(struct cv_manager *m, const char *key, const char *proto,
                     enum cv_route_from from, uint64_t but, uint64_t now, struct cv_route *route)
{
    struct group *group = cv_group_find(m, key);
    struct member *member = group ? pick_local(group, but, now) : NULL;
    bool well = member && healthy(member, now), through_peer;
    struct cv_text text;

    if (group && from == CV_ROUTE_VISITOR && !well)
        member = better(member, pick_peer(group, but, now), now);
    through_peer = member && member->info.kind == CV_MEMBER_PEER;
    if (!member)
        return CV_ENOSESSION;
    cv_text_init(&text, route->proto, sizeof(route->proto));
    if (through_peer) {
        cv_text_str(&text, key);
        cv_text_str(&text, "::");
    }
    cv_text_str(&text, proto);
    if (text.truncated)
        return CV_ETOOLONG;
    route->id = member->info.id;
    route->session = member->info.session;
    route->owner = member->info.owner;
    route->healthy = well || healthy(member, now);
    return 0;
}

uint64_t cv_manager_newest(const struct cv_manager *m, const char *key)
{
    struct group *group = cv_group_find(m, key);
    uint64_t newest = 0;

    if (!group)
        return 0;
    cv_list_each (link, &group->members) {
        const struct member *member = cv_container_of(link, struct member, in_group);

        if (member->info.kind == CV_MEMBER_AGENT && member->info.joined_at > newest)
            newest = member->info.joined_at;
    }
    return newest;
}

bool cv_manager_split(const char *text, size_t len, size_t *key_len, const char **proto,
                      size_t *proto_len)
{
    for (size_t i = 0; i + 1 < len; i++) {
        if (text[i] != ':' || text[i + 1] != ':')
            continue;
        *key_len = i;
        *proto = text + i + 2;
        *proto_len = len - i - 2;
        return true;
    }
    return false;
}
