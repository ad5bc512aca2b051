#include "sim/server.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

#define MAX_SESSIONS  64
#define MAX_ANNOUNCED 256

static void wake_others(struct sim_server *server)
{
    struct cv_wake wake;

    while (cv_manager_poll(server->manager, &wake)) {
        if (wake.error)
            sim_tunnel_close(wake.owner);
        else
            sim_tunnel_touch(wake.owner);
    }
}

static int open_manager(struct sim_server *server)
{
    struct cv_manager_limits limits = {.max_sessions = MAX_SESSIONS,
                                       .max_announced = MAX_ANNOUNCED,
                                       .max_announced_key = MAX_ANNOUNCED};

    return cv_manager_new(&server->manager, &server->node->memory.alloc, &limits);
}

struct sim_server *sim_server_new(struct sim_world *w, const char *name, size_t budget)
{
    struct sim_server *server = sim_new(w, sizeof(*server));

    server->node = sim_node_new(w, name, budget);
    server->config = cv_session_defaults(CV_SESSION_ACCEPTOR);
    return open_manager(server) < 0 ? NULL : server;
}

/* Whether the policy leaves it to chance which of two healthy sessions serves, or wants @chosen. */
static bool may_serve(const struct sim_server *server, const struct sim_tunnel *chosen,
                      const struct sim_tunnel *other)
{
    uint32_t conns = cv_session_busy(cv_link_session(chosen->link));
    uint32_t others = cv_session_busy(cv_link_session(other->link));
    bool newer = chosen->member > other->member;

    if (server->balance == CV_BALANCE_LEAST_CONNS)
        return conns < others || (conns == others && newer);
    return server->balance == CV_BALANCE_ROUND_ROBIN || newer;
}

/* Of several sessions of a key the one that the policy says serves, unless it is silent. */
static void check_policy(struct sim_server *server, const struct sim_tunnel *chosen, uint64_t not )
{
    struct sim_world *w = server->node->w;
    uint32_t others = 0;

    cv_list_each (link, &w->tunnels) {
        struct sim_tunnel *t = cv_container_of(link, struct sim_tunnel, link_in_world);

        if (t == chosen || t->node != server->node || t->gone || !t->member || t->member == not ||
            t->kind != CV_MEMBER_AGENT || strcmp(t->key, chosen->key) != 0)
            continue;
        others++;
        if (may_serve(server, chosen, t) || !cv_session_usable(sim_tunnel_session(t)) ||
            cv_session_probing(sim_tunnel_session(t)) ||
            w->now > cv_session_heard_at(sim_tunnel_session(t)) + CV_HEALTHY_FOR)
            continue;
        sim_fail(w, "%s: a dial to %s takes the wrong session", server->node->name, chosen->key);
    }
    sim_count(w, SIM_ROUTES_NEWEST, others > 0);
}

/* A route leads to the key that was asked for, or to a peer that said it has it; not so for a dial
 * that comes from a peer. */
static void check_route(struct sim_server *server, const char *key, enum cv_route_from from,
                        const struct cv_route *route, uint64_t not )
{
    const struct sim_tunnel *t = route->owner;

    if (t->gone || t->member != route->id || t->node != server->node)
        sim_fail(server->node->w, "%s: a route to %s leads to a session that left",
                 server->node->name, key);
    if (strstr(route->proto, "::")) {
        if (t->kind != CV_MEMBER_PEER || from == CV_ROUTE_PEER)
            sim_fail(server->node->w, "%s: a route to %s leads through %s, which is no peer%s",
                     server->node->name, key, t->key,
                     from == CV_ROUTE_PEER ? " to be asked by a peer" : "");
        sim_count(server->node->w, SIM_ROUTES_PEER, 1);
        return;
    }
    if (t->kind != CV_MEMBER_AGENT || strcmp(t->key, key) != 0)
        sim_fail(server->node->w, "%s: a route to %s leads to %s", server->node->name, key, t->key);
    check_policy(server, t, not );
}

/* The session that a dial takes, leaving out @not; NULL when there is none. */
static struct sim_tunnel *route_to(struct sim_server *server, const char *key, const char *proto,
                                   enum cv_route_from from, uint64_t not, struct cv_route *route)
{
    const struct cv_route_wish wish = {key, proto, server->balance, from, not };
    int rc = cv_manager_route(server->manager, &wish, server->node->w->now, route);

    if (rc < 0)
        return NULL;
    check_route(server, key, from, route, not );
    cv_manager_take_turn(server->manager, key, route->id);
    return route->owner;
}

void sim_server_visit(struct sim_server *server, struct sim_transfer *x)
{
    struct cv_route route;
    uint64_t not = 0;

    for (int tries = 0; tries < 2; tries++) {
        struct sim_tunnel *t = route_to(server, x->key, "tcp", CV_ROUTE_VISITOR, not, &route);

        if (!t)
            break;
        sim_trace(server->node->w, "transfer %u: dialled through session %llu of %s", x->number,
                  (unsigned long long)t->member, t->key);
        if (sim_relay_dial(t, x, route.proto) == 0)
            return;
        not = t->member;
    }
    sim_trace(server->node->w, "transfer %u: no way to %s", x->number, x->key);
    x->unrouted = true;
}

/* A peer asks us to dial on: only what is here, never through another peer. */
static void serve_peer(struct sim_server *server, struct sim_tunnel *t,
                       const struct cv_session_event *event)
{
    struct sim_transfer *x = sim_transfer_by_address(t->w, event->address, event->address_len);
    char key[CV_KEY_MAX + 1], proto_text[32];
    struct sim_tunnel *to = NULL;
    size_t key_len, proto_len;
    struct cv_route route;
    const char *proto;

    if (x && cv_manager_split(event->text, event->text_len, &key_len, &proto, &proto_len) &&
        key_len < sizeof(key)) {
        snprintf(key, sizeof(key), "%.*s", (int)key_len, event->text);
        snprintf(proto_text, sizeof(proto_text), "%.*s", (int)proto_len, proto);
        to = route_to(server, key, proto_text, CV_ROUTE_PEER, 0, &route);
    }
    if (to && sim_relay_splice(t, event->conn_id, to, x, route.proto) == 0) {
        /* of some it is said that they wait, which changes nothing */
        if (x->number % 4 == 0 && cv_session_say_silent(sim_tunnel_session(t), event->conn_id) < 0)
            sim_fail(t->w, "a connection that was just asked for is stale");
        return;
    }
    sim_count(t->w, SIM_MESH_REFUSED, to == NULL);
    if (cv_session_abort(sim_tunnel_session(t), event->conn_id, CV_REASON_DIAL, NULL) < 0)
        sim_fail(t->w, "a connection that was just asked for is stale");
}

static void on_announce(struct sim_server *server, struct sim_tunnel *t,
                        const struct cv_session_event *event)
{
    int rc = cv_manager_announced(server->manager, t->member, event->kind == CV_EVENT_ADD_CLIENT,
                                  event->text, event->text_len, event->session_key);

    sim_count(t->w, SIM_EVENTS_ANNOUNCE, 1);
    if (rc == CV_ESTALE)
        sim_fail(t->w, "%s: the session with %s is not a member", server->node->name, t->key);
    if (rc == -ENOMEM)
        sim_tunnel_close(t); /* the peer dials again, and says it again */
}

static void on_event(void *ctx, struct sim_tunnel *t, const struct cv_session_event *event)
{
    struct sim_server *server = ctx;

    switch (event->kind) {
    case CV_EVENT_CONNECT:
        if (cv_session_config(sim_tunnel_session(t))->role == CV_SESSION_DIALLER)
            serve_peer(server, t, event);
        else if (cv_session_abort(sim_tunnel_session(t), event->conn_id, CV_REASON_REFUSED, NULL) <
                 0)
            sim_fail(t->w, "a connection that was just asked for is stale");
        return;
    case CV_EVENT_ADD_CLIENT:
    case CV_EVENT_REMOVE_CLIENT:
        on_announce(server, t, event);
        return;
    case CV_EVENT_NOTICE:
        sim_count(t->w, SIM_EVENTS_NOTICE, 1);
        return;
    case CV_EVENT_CONNECTED:
    case CV_EVENT_SILENT:
    case CV_EVENT_DATA:
    case CV_EVENT_FIN:
    case CV_EVENT_DRAIN:
    case CV_EVENT_CLOSED:
    case CV_EVENT_PUBLISHED:
        return;
    }
}

static void on_closed(void *ctx, struct sim_tunnel *t)
{
    struct sim_server *server = ctx;

    if (t->member && cv_manager_leave(server->manager, t->member) < 0)
        sim_fail(t->w, "%s: session %llu left twice", server->node->name,
                 (unsigned long long)t->member);
    t->member = 0;
    wake_others(server);
}

/* As if the agent had asked for two things to be published. Without memory it is not told. */
static void answer_wishes(struct sim_tunnel *t)
{
    for (uint32_t number = 1; number <= 2; number++)
        if (cv_session_published(sim_tunnel_session(t), number, number == 1, t->key) < 0)
            return;
}

struct sim_tunnel *sim_server_join(struct sim_server *server, struct sim_wire *wire,
                                   const struct sim_join *join)
{
    struct sim_world *w = server->node->w;
    struct sim_tunnel_owner owner = {.event = on_event, .closed = on_closed, .ctx = server};
    struct sim_tunnel_plan plan = {.config = server->config, .key = join->key};
    struct sim_tunnel *t = NULL;

    plan.config.role = join->kind == CV_MEMBER_OUTGOING ? CV_SESSION_DIALLER : CV_SESSION_ACCEPTOR;
    plan.config.culvert = join->culvert;
    plan.config.features = join->features;
    plan.config.key = server->next_key++;
    snprintf(plan.config.name, sizeof(plan.config.name), "%s", join->key);
    if (!server->down)
        t = sim_tunnel_new(server->node, wire, &plan, &owner);
    if (!t) {
        sim_wire_cut(wire, w->now, w->now);
        return NULL;
    }
    t->kind = join->kind;
    if (cv_manager_join(server->manager, join->kind, join->key, sim_tunnel_session(t), t, w->now,
                        &t->member) < 0)
        sim_tunnel_close(t);
    else if (join->kind == CV_MEMBER_AGENT)
        answer_wishes(t);
    sim_trace(w, "%s: session %llu of %s joins", server->node->name, (unsigned long long)t->member,
              join->key);
    wake_others(server);
    return t;
}

uint32_t sim_server_sessions(struct sim_server *server, const char *key)
{
    uint32_t count = 0;

    cv_list_each (link, &server->node->w->tunnels) {
        struct sim_tunnel *t = cv_container_of(link, struct sim_tunnel, link_in_world);

        if (t->node == server->node && t->member && !t->gone && t->kind == CV_MEMBER_AGENT &&
            strcmp(t->key, key) == 0)
            count++;
    }
    return count;
}

struct census {
    struct sim_server *server;
    uint32_t members;
};

static void check_member(void *ctx, const struct cv_member_info *info)
{
    struct census *census = ctx;
    const struct sim_tunnel *t = info->owner;

    census->members++;
    if (t->gone || t->member != info->id || strcmp(t->key, info->key) != 0)
        sim_fail(t->w, "%s: member %llu is no live session of %s", census->server->node->name,
                 (unsigned long long)info->id, info->key);
}

void sim_server_check(struct sim_server *server)
{
    struct census census = {.server = server};
    uint32_t live = 0;

    cv_list_each (link, &server->node->w->tunnels) {
        struct sim_tunnel *t = cv_container_of(link, struct sim_tunnel, link_in_world);

        live += t->node == server->node && t->member && !t->gone;
    }
    cv_manager_each(server->manager, check_member, &census);
    if (census.members != live || cv_manager_stats(server->manager)->sessions != live)
        sim_fail(server->node->w, "%s: %u members, %u live sessions", server->node->name,
                 census.members, live);
}

void sim_server_shutdown(struct sim_server *server)
{
    server->down = true;
    cv_list_each (link, &server->node->w->tunnels) {
        struct sim_tunnel *t = cv_container_of(link, struct sim_tunnel, link_in_world);

        if (t->node == server->node)
            sim_tunnel_close(t);
    }
}

void sim_server_kill(struct sim_server *server, bool silently)
{
    uint64_t now = server->node->w->now, theirs = silently ? CV_NEVER : now;

    server->down = true;
    cv_list_each (link, &server->node->w->tunnels) {
        struct sim_tunnel *t = cv_container_of(link, struct sim_tunnel, link_in_world);

        if (t->node != server->node || t->gone)
            continue;
        t->frozen_until = cv_min_time(t->frozen_until, now);
        if (t->out == &t->wire->pipe[0])
            sim_wire_cut(t->wire, now, theirs);
        else
            sim_wire_cut(t->wire, theirs, now);
    }
}

void sim_server_withdraw(struct sim_server *server)
{
    cv_list_each (link, &server->node->w->tunnels) {
        const struct sim_tunnel *t = cv_container_of(link, struct sim_tunnel, link_in_world);

        if (t->node == server->node && t->member && !t->gone &&
            cv_manager_withdraw(server->manager, t->member) < 0)
            sim_fail(t->w, "%s: the session with %s is not a member", server->node->name, t->key);
    }
    wake_others(server);
}

bool sim_server_reopen(struct sim_server *server)
{
    if (server->manager && cv_manager_stats(server->manager)->sessions > 0)
        return false;
    sim_server_free(server);
    server->down = open_manager(server) < 0;
    return !server->down;
}

void sim_server_free(struct sim_server *server)
{
    cv_manager_free(server->manager);
    server->manager = NULL;
}
