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

/* A session that a dial could take. */
struct choice {
    struct member *member; /* NULL: none */
    bool healthy;
    uint64_t turn;
};

static bool prefers(enum cv_balance balance, const struct choice *a, const struct choice *b)
{
    switch (balance) {
    case CV_BALANCE_ROUND_ROBIN:
        return a->turn < b->turn;
    case CV_BALANCE_LEAST_CONNS:
        return cv_session_busy(a->member->info.session) < cv_session_busy(b->member->info.session);
    case CV_BALANCE_NEWEST:
    case CV_BALANCE_COUNT:
        break;
    }
    return false;
}

/* Offers @other in the place of @best. Of two that are equal the first one offered stays. */
static void offer(struct choice *best, const struct choice *other, enum cv_balance balance)
{
    if (!best->member || (other->healthy && (!best->healthy || prefers(balance, other, best))))
        *best = *other;
}

/* *@full is set where only its limit is against it. */
static bool takes_dials(const struct member *member, const struct cv_route_wish *wish, bool *full)
{
    if (member->info.id == wish->but)
        return false;
    if (cv_session_usable(member->info.session))
        return true;
    *full |= cv_session_full(member->info.session);
    return false;
}

static struct choice pick_local(const struct group *group, const struct cv_route_wish *wish,
                                uint64_t now, bool *full)
{
    struct choice best = {.member = NULL};

    cv_list_each (link, &group->members) {
        struct member *member = cv_container_of(link, struct member, in_group);
        struct choice choice = {member, healthy(member, now), member->turn};

        if (member->info.kind == CV_MEMBER_AGENT && takes_dials(member, wish, full))
            offer(&best, &choice, wish->balance);
    }
    return best;
}

static struct choice pick_peer(const struct group *group, const struct cv_route_wish *wish,
                               uint64_t now, bool *full)
{
    struct choice best = {.member = NULL};

    cv_list_each (link, &group->announced) {
        const struct announced *a = cv_container_of(link, struct announced, in_group);
        struct choice choice = {a->peer, healthy(a->peer, now), a->turn};

        if (takes_dials(a->peer, wish, full))
            offer(&best, &choice, wish->balance);
    }
    return best;
}

int cv_manager_route(struct cv_manager *m, const struct cv_route_wish *wish, uint64_t now,
                     struct cv_route *route)
{
    struct group *group = cv_group_find(m, wish->key);
    struct choice best = {.member = NULL}, peer;
    struct cv_text text;
    bool full = false;

    if (group)
        best = pick_local(group, wish, now, &full);
    if (group && wish->from == CV_ROUTE_VISITOR && !best.healthy) {
        peer = pick_peer(group, wish, now, &full);
        if (!best.member || peer.healthy)
            best = peer;
    }
    if (!best.member)
        return full ? CV_EFULL : CV_ENOSESSION;
    cv_text_init(&text, route->proto, sizeof(route->proto));
    if (best.member->info.kind == CV_MEMBER_PEER) {
        cv_text_str(&text, wish->key);
        cv_text_str(&text, "::");
    }
    cv_text_str(&text, wish->proto);
    if (text.truncated)
        return CV_ETOOLONG;
    route->id = best.member->info.id;
    route->session = best.member->info.session;
    route->owner = best.member->info.owner;
    route->healthy = best.healthy;
    return 0;
}

void cv_manager_take_turn(struct cv_manager *m, const char *key, uint64_t id)
{
    struct member *member = cv_member_find(m, id);
    struct group *group = cv_group_find(m, key);
    uint64_t *turn = member ? &member->turn : NULL;

    if (!member || !group)
        return;
    if (member->info.kind == CV_MEMBER_PEER) {
        turn = NULL;
        cv_list_each (link, &group->announced) {
            struct announced *a = cv_container_of(link, struct announced, in_group);

            if (a->peer == member && (!turn || a->turn < *turn))
                turn = &a->turn;
        }
    }
    if (turn)
        *turn = ++m->turns;
}

static void add_to(struct cv_home_load *load, const struct member *member, uint64_t now)
{
    uint32_t conns = cv_session_busy(member->info.session);

    if (member->info.joined_at > load->newest)
        load->newest = member->info.joined_at;
    if (!cv_session_usable(member->info.session) || !healthy(member, now))
        return;
    if (!load->healthy++ || conns < load->least) {
        load->least = conns;
        load->so_few = 0;
    }
    load->so_few += conns == load->least;
}

struct cv_home cv_manager_home(const struct cv_manager *m, const char *key, uint64_t now)
{
    struct group *group = cv_group_find(m, key);
    struct cv_home home = {.own = {.newest = 0}};

    if (!group)
        return home;
    cv_list_each (link, &group->members) {
        const struct member *member = cv_container_of(link, struct member, in_group);

        if (member->info.kind == CV_MEMBER_AGENT)
            add_to(&home.own, member, now);
    }
    cv_list_each (link, &group->announced)
        add_to(&home.peers, cv_container_of(link, struct announced, in_group)->peer, now);
    return home;
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
