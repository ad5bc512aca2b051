#include <string.h>

#include "base/error.h"
#include "sim/mesh.h"

/* How late a virtual actor may be before a rule about time counts as broken. */
#define SLACK (2 * CV_SEC)

static struct sim_tunnel *tunnel_of(struct cv_list *link)
{
    return cv_container_of(link, struct sim_tunnel, link_in_world);
}

/* Sessions that were replaced. */

/* @newer is one of the same other end, which may have lost @old. */
static void check_replaced(struct sim_world *w, const struct sim_tunnel *old,
                           const struct sim_tunnel *newer)
{
    uint64_t since = newer->opened_at;

    if (cv_session_heard_at(cv_link_session(old->link)) >= since)
        return;
    sim_count(w, SIM_MESH_TAKEOVERS, old->kind == CV_MEMBER_PEER);
    if (since < old->frozen_until)
        since = old->frozen_until;
    if (w->now > since + CV_TAKEOVER_WAIT + SLACK)
        sim_fail(w, "%s: a session of %s is silent since a newer one came, and still there",
                 old->node->name, old->key);
}

static void watch_run(struct sim_actor *actor)
{
    struct mesh *m = cv_container_of(actor, struct mesh, watch);

    sim_wake(actor, m->w->now + CV_SEC);
    cv_list_each (i, &m->w->tunnels) {
        const struct sim_tunnel *old = tunnel_of(i);

        cv_list_each (j, &m->w->tunnels) {
            const struct sim_tunnel *newer = tunnel_of(j);

            if (old->node == newer->node && old->kind == newer->kind &&
                old->kind != CV_MEMBER_OUTGOING && old->member && newer->member > old->member &&
                !old->gone && !newer->gone && strcmp(old->key, newer->key) == 0)
                check_replaced(m->w, old, newer);
        }
    }
}

void mesh_watch(struct mesh *m)
{
    sim_actor_init(m->w, &m->watch, watch_run);
    sim_wake(&m->watch, m->w->now);
}

/* At rest: what there is, by both ends of every wire. */

/* The acceptor's end of the wire that @dialler has one of. */
static const struct sim_tunnel *other_end(struct mesh *m, const struct sim_tunnel *dialler)
{
    cv_list_each (link, &m->w->tunnels) {
        const struct sim_tunnel *t = tunnel_of(link);

        if (t != dialler && t->wire == dialler->wire && !t->gone)
            return t;
    }
    sim_fail(m->w, "%s: its link with %s has no other end", dialler->node->name, dialler->key);
}

/* The sessions that agents of @key (NULL: all) have with a server. */
static uint32_t sessions_at(struct mesh *m, const struct mesh_server *s, const char *key)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < m->agent_count; i++) {
        const struct sim_agent *a = m->agents[i];

        if (key && strcmp(a->key, key) != 0)
            continue;
        cv_list_each (link, &m->w->tunnels) {
            const struct sim_tunnel *t = tunnel_of(link);

            if (t->node == a->node && !t->gone)
                count += other_end(m, t)->node == s->server->node;
        }
    }
    return count;
}

static void check_agents(struct mesh *m)
{
    for (uint32_t i = 0; i < m->agent_count; i++) {
        const struct sim_agent *a = m->agents[i];

        if ((sim_agent_links(a) == 0) != a->down)
            sim_fail(m->w, "%s has %u links", a->key, sim_agent_links(a));
        if (!a->down && other_end(m, a->tunnel)->node != a->server->node)
            sim_fail(m->w, "%s is not where it went", a->key);
    }
}

/* What a server must know: its own sessions, the links of its peers, and what these have. */
static void check_census(struct mesh *m, uint32_t at)
{
    struct sim_server *server = m->servers[at].server;
    const struct cv_manager_stats *stats = cv_manager_stats(server->manager);
    uint32_t own = sessions_at(m, &m->servers[at], NULL), links = 0, announced = 0;

    sim_server_check(server);
    for (uint32_t i = 0; i < m->link_count; i++) {
        const struct mesh_link *l = &m->links[i];

        if (l->from != at && l->to != at)
            continue;
        links++;
        if (!l->tunnel || l->tunnel->gone)
            sim_fail(m->w, "s%u has no link to s%u", l->from, l->to);
        if (l->to == at && other_end(m, l->tunnel)->node == server->node)
            announced += sessions_at(m, &m->servers[l->from], NULL);
    }
    if (stats->sessions != own + links || stats->peers != links || stats->announced != announced)
        sim_fail(m->w, "%s: %u sessions, %u of peers, %u announced; %u, %u and %u are alive",
                 server->node->name, stats->sessions, stats->peers, stats->announced, own + links,
                 links, announced);
}

/* Whether a peer of @at has the key itself; of one by name, when that is not NULL. */
static bool a_peer_has(struct mesh *m, uint32_t at, const char *key, const char *peer)
{
    for (uint32_t i = 0; i < m->link_count; i++) {
        const struct mesh_link *l = &m->links[i];
        const struct mesh_server *from = &m->servers[l->from];

        if (l->to == at && (!peer || strcmp(from->server->node->name, peer) == 0) &&
            sessions_at(m, from, key) > 0)
            return true;
    }
    return false;
}

bool mesh_reaches(struct mesh *m, uint32_t at, const char *key)
{
    return sessions_at(m, &m->servers[at], key) > 0 || a_peer_has(m, at, key, NULL);
}

static void check_route(struct mesh *m, uint32_t at, const char *key, enum cv_route_from from)
{
    struct sim_server *server = m->servers[at].server;
    bool local = sessions_at(m, &m->servers[at], key) > 0;
    bool through = !local && from == CV_ROUTE_VISITOR && a_peer_has(m, at, key, NULL);
    struct cv_route route;
    const struct cv_route_wish wish = {key, "tcp", server->balance, from, 0};
    int rc = cv_manager_route(server->manager, &wish, m->w->now, &route);
    const struct sim_tunnel *t = rc < 0 ? NULL : route.owner;

    if (rc != (local || through ? 0 : CV_ENOSESSION))
        sim_fail(m->w, "%s: a route to %s says %d; here: %d, at a peer: %d", server->node->name,
                 key, rc, local, through);
    sim_count(m->w, local ? SIM_MESH_LOCAL : through ? SIM_MESH_THROUGH : SIM_MESH_NOWHERE, 1);
    if (t && t->kind != (local ? CV_MEMBER_AGENT : CV_MEMBER_PEER))
        sim_fail(m->w, "%s: a route to %s leads to %s", server->node->name, key, t->key);
    if (local && strcmp(t->key, key) != 0)
        sim_fail(m->w, "%s: a route to %s leads to %s", server->node->name, key, t->key);
    if (through && !a_peer_has(m, at, key, t->key))
        sim_fail(m->w, "%s: a route to %s leads to %s, which has no such session",
                 server->node->name, key, t->key);
}

void mesh_check_rest(struct mesh *m)
{
    check_agents(m);
    for (uint32_t at = 0; at < m->server_count; at++) {
        check_census(m, at);
        for (uint32_t i = 0; i < MESH_KEYS; i++) {
            check_route(m, at, mesh_key(i), CV_ROUTE_VISITOR);
            check_route(m, at, mesh_key(i), CV_ROUTE_PEER);
        }
    }
}
