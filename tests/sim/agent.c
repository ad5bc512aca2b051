#include "sim/agent.h"

#include <string.h>

static void dial_again(struct sim_agent *a)
{
    if (!a->down)
        sim_wake(&a->actor, a->w->now + sim_between(a->w, 100 * CV_MSEC, 2 * CV_SEC));
}

/* Events of the agent's own session. */

/* A hostile server may ask for any target: it gets one, the core must cope. */
static struct sim_transfer *target_for_stranger(struct sim_agent *a)
{
    struct sim_transfer *x;

    if (a->w->transfer_count > 60 || a->w->healed)
        return NULL;
    x = sim_transfer_new(a->w, a->key);
    x->hostile = true;
    x->flow[SIM_VISITOR].unchecked = true;
    x->dial_for = sim_below(a->w, CV_SEC);
    x->refuse = sim_chance(a->w, 10);
    x->plan[SIM_TARGET] = (struct sim_sock_plan){
        .total = sim_below(a->w, 100000),
        .end = sim_chance(a->w, 50) ? SIM_END_FIN : SIM_END_HOLD,
        .burst = 5000,
        .burst_every = CV_MSEC,
        .room = sim_between(a->w, 1, 20000),
        .drain = 500,
        .drain_every = CV_MSEC,
        .stall_at = CV_NEVER,
        .sink_fails_at = CV_NEVER,
    };
    return x;
}

static void on_connect(struct sim_agent *a, struct sim_tunnel *t,
                       const struct cv_session_event *event)
{
    struct sim_transfer *x = sim_transfer_by_address(a->w, event->address, event->address_len);

    if (sim_agent_hostile(a))
        x = a->foreign_plan.kind == SIM_FLOOD ? x : target_for_stranger(a);
    else if (x && strcmp(x->key, a->key) != 0)
        sim_fail(a->w, "transfer %u for %s reached %s", x->number, x->key, a->key);
    if (x)
        sim_relay_accept(t, event->conn_id, x);
    else if (cv_session_abort(sim_tunnel_session(t), event->conn_id, CV_REASON_REFUSED, NULL) < 0)
        sim_fail(a->w, "a connection that was just asked for is stale");
}

/* What a server of ours said about the agent's wishes. */
static void on_published(struct sim_agent *a, const struct cv_session_event *event)
{
    sim_count(a->w, SIM_EVENTS_PUBLISHED, 1);
    if (sim_agent_hostile(a))
        return;
    if (event->granted != (event->number == 1) || event->number > 2 ||
        event->text_len != strlen(a->key) || memcmp(event->text, a->key, event->text_len) != 0)
        sim_fail(a->w, "%s was told of a publication what nobody said", a->key);
}

static void on_event(void *ctx, struct sim_tunnel *t, const struct cv_session_event *event)
{
    struct sim_agent *a = ctx;

    if (event->kind == CV_EVENT_CONNECT)
        on_connect(a, t, event);
    else if (event->kind == CV_EVENT_NOTICE)
        sim_count(a->w, SIM_EVENTS_NOTICE, 1);
    else if (event->kind == CV_EVENT_PUBLISHED)
        on_published(a, event);
}

static void on_closed(void *ctx, struct sim_tunnel *t)
{
    struct sim_agent *a = ctx;

    if (t == a->tunnel)
        dial_again(a);
}

static void on_ended(void *ctx, struct sim_foreign *f)
{
    struct sim_agent *a = ctx;

    if (f == a->foreign && !a->node)
        dial_again(a);
}

/* Dialling. */

static bool server_takes(struct sim_agent *a)
{
    struct sim_join join = {
        .kind = CV_MEMBER_AGENT, .key = a->key, .culvert = a->culvert, .features = a->features};

    if (a->server)
        return sim_server_join(a->server, a->wire, &join) != NULL;
    a->foreign = sim_foreign_new(a->w, a->wire, &a->foreign_plan, on_ended, a);
    return true;
}

static bool agent_takes(struct sim_agent *a)
{
    struct sim_tunnel_owner owner = {.event = on_event, .closed = on_closed, .ctx = a};
    struct sim_tunnel_plan plan = {.config = cv_session_defaults(CV_SESSION_DIALLER),
                                   .key = "server"};

    if (!a->node) {
        a->foreign = sim_foreign_new(a->w, a->wire, &a->foreign_plan, on_ended, a);
        return true;
    }
    plan.config.culvert = a->culvert;
    plan.config.features = a->features;
    plan.config.budget = a->node->budget.limit;
    if (a->rx_cap)
        plan.config.rx_cap = a->rx_cap;
    snprintf(plan.config.name, sizeof(plan.config.name), "client");
    a->tunnel = sim_tunnel_new(a->node, a->wire, &plan, &owner);
    return a->tunnel != NULL;
}

void sim_agent_connect(struct sim_agent *a)
{
    sim_trace(a->w, "%s: dials", a->key);
    if (a->wire)
        sim_count(a->w, SIM_REJOINS, 1);
    a->wire = sim_wire_new(a->w, &a->wire_plan);
    a->tunnel = NULL;
    if (server_takes(a) && agent_takes(a))
        return;
    sim_wire_cut(a->wire, a->w->now, a->w->now);
    dial_again(a);
}

static void agent_run(struct sim_actor *actor)
{
    struct sim_agent *a = cv_container_of(actor, struct sim_agent, actor);

    if (a->w->now < a->apart_until)
        sim_wake(actor, a->apart_until);
    else if (!a->down)
        sim_agent_connect(a);
}

struct sim_agent *sim_agent_new(struct sim_world *w, const char *key)
{
    struct sim_agent *a = sim_new(w, sizeof(*a));

    a->w = w;
    snprintf(a->key, sizeof(a->key), "%s", key);
    sim_actor_init(w, &a->actor, agent_run);
    return a;
}

bool sim_agent_hostile(const struct sim_agent *a)
{
    return (!a->node || !a->server) && a->foreign_plan.kind != SIM_REFERENCE;
}

uint32_t sim_agent_links(const struct sim_agent *a)
{
    uint32_t count = !a->node && a->foreign && sim_foreign_alive(a->foreign);

    cv_list_each (link, &a->w->tunnels) {
        const struct sim_tunnel *t = cv_container_of(link, struct sim_tunnel, link_in_world);

        count += a->node && t->node == a->node && !t->gone;
    }
    return count;
}

void sim_agent_visit(struct sim_agent *a, struct sim_server *server, struct sim_transfer *x)
{
    if (server)
        sim_server_visit(server, x);
    else
        sim_foreign_visit(a->foreign, x);
}

void sim_agent_freeze(struct sim_agent *a, uint64_t until)
{
    if (!a->tunnel || a->tunnel->gone)
        return;
    sim_tunnel_freeze(a->tunnel, until);
    sim_agent_connect(a);
}

void sim_agent_start(struct sim_agent *a, struct sim_server *server)
{
    a->down = false;
    a->server = server;
    sim_wake(&a->actor, a->w->now);
}

void sim_agent_stop(struct sim_agent *a)
{
    a->down = true;
    cv_list_each (link, &a->w->tunnels) {
        struct sim_tunnel *t = cv_container_of(link, struct sim_tunnel, link_in_world);

        if (a->node && t->node == a->node)
            sim_tunnel_close(t);
    }
    if (a->foreign)
        sim_foreign_stop(a->foreign);
}
