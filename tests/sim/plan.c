#include "sim/plan.h"

#define ALL_FEATURES \
    (CV_FEATURE_ACK | CV_FEATURE_HALFCLOSE | CV_FEATURE_CREDIT | CV_FEATURE_PUBLISH)
#define SMALL_BUDGET ((size_t)192 * 1024)
#define BIG_BUDGET   ((size_t)256 * 1024 * 1024)
#define SMALL_CAP    ((size_t)160 * 1024)

static struct sim_wire_plan plan_wire(struct sim_world *w)
{
    return (struct sim_wire_plan){
        .cap = sim_chance(w, 30) ? sim_between(w, 2000, 8192) : sim_between(w, 8192, 262144),
        .delay = sim_chance(w, 50) ? sim_below(w, 2 * CV_MSEC) : sim_below(w, 200 * CV_MSEC),
        .bandwidth =
            sim_chance(w, 25) ? sim_between(w, 50000, 500000) : sim_between(w, 1000000, 200000000),
    };
}

static void plan_culvert_agent(struct sim_agent *a)
{
    struct sim_world *w = a->w;

    if (sim_chance(w, 10)) {
        /* something in between has taken the header away: each takes the other for a reference end
         */
        sim_count(w, SIM_ENDS_UNAWARE, 1);
        return;
    }
    a->culvert = true;
    a->features = ALL_FEATURES;
    if (sim_chance(w, 33)) {
        a->features = (unsigned)sim_below(w, 4); /* any of ACK and HALFCLOSE */
        sim_count(w, SIM_ENDS_PAUSE, 1);
        return;
    }
    if (sim_chance(w, 20))
        a->features = CV_FEATURE_CREDIT | (unsigned)sim_below(w, 4);
    sim_count(w, SIM_ENDS_CREDIT, 1);
}

static void plan_foreign_end(struct sim_agent *a, bool dialler)
{
    struct sim_world *w = a->w;
    struct sim_foreign_plan *plan = &a->foreign_plan;

    *plan = (struct sim_foreign_plan){.kind = SIM_REFERENCE, .dialler = dialler, .key = a->key};
    plan->pause_mark =
        sim_chance(w, 10) ? (size_t)2 * 1024 * 1024 : (size_t)sim_between(w, 65536, 262144);
    plan->resume_mark = plan->pause_mark / 8;
    if (sim_chance(w, 20))
        plan->kind = SIM_FLOOD;
    else if (sim_chance(w, 25))
        plan->kind = SIM_GARBAGE;
    switch (plan->kind) {
    case SIM_REFERENCE:
        sim_count(w, SIM_ENDS_REFERENCE, 1);
        return;
    case SIM_FLOOD:
        sim_count(w, SIM_ENDS_FLOOD, 1);
        break;
    case SIM_GARBAGE:
        sim_count(w, SIM_ENDS_GARBAGE, 1);
        break;
    }
    /* these lie in their handshake too */
    a->culvert = sim_chance(w, 60);
    a->features = a->culvert ? (unsigned)sim_below(w, 8) : 0;
}

static struct sim_agent *plan_agent(struct sim_cast *cast, uint32_t index)
{
    struct sim_world *w = cast->w;
    char key[16];
    struct sim_agent *a;

    snprintf(key, sizeof(key), "agent%u", index);
    a = sim_agent_new(w, key);
    a->wire_plan = plan_wire(w);
    a->server = cast->beyond ? cast->beyond : cast->server;
    a->rx_cap = sim_chance(w, 30) ? SMALL_CAP : 0;
    if (cast->topology == SIM_PEERS) {
        a->culvert = true;
        a->features = cast->peering.features;
        sim_count(w, SIM_ENDS_CREDIT, 1);
    } else if (cast->topology == SIM_FOREIGN_SERVER) {
        plan_foreign_end(a, false);
    } else if (sim_chance(w, 60)) {
        plan_culvert_agent(a);
    } else {
        plan_foreign_end(a, true);
    }
    if (cast->topology == SIM_FOREIGN_SERVER || a->foreign_plan.key == NULL)
        a->node = sim_node_new(w, key, cast->tight ? SMALL_BUDGET : BIG_BUDGET);
    /* an honest end is never so far over the mark */
    if (!sim_agent_hostile(a))
        a->rx_cap = 0;
    return a;
}

static void peering_run(struct sim_actor *actor)
{
    struct sim_peering *p = cv_container_of(actor, struct sim_peering, actor);
    struct sim_world *w = p->near->node->w;
    struct sim_join at_far = {
        .kind = CV_MEMBER_OUTGOING, .key = "near", .culvert = true, .features = p->features};
    struct sim_join at_near = {
        .kind = CV_MEMBER_PEER, .key = "far", .culvert = true, .features = p->features};

    if (p->near->down || p->far->down)
        return;
    sim_wake(actor, w->now + 500 * CV_MSEC);
    if (p->tunnel && !p->tunnel->gone)
        return;
    p->wire = sim_wire_new(w, &p->wire_plan);
    if (sim_server_join(p->near, p->wire, &at_near))
        p->tunnel = sim_server_join(p->far, p->wire, &at_far);
}

static void plan_peering(struct sim_cast *cast)
{
    struct sim_peering *p = &cast->peering;

    p->near = cast->server;
    p->far = cast->beyond;
    p->features = sim_chance(cast->w, 70) ? ALL_FEATURES : (unsigned)sim_below(cast->w, 8);
    p->wire_plan = plan_wire(cast->w);
    sim_actor_init(cast->w, &p->actor, peering_run);
    sim_wake(&p->actor, cast->w->now);
}

static bool plan_servers(struct sim_cast *cast)
{
    size_t budget = cast->tight ? SMALL_BUDGET : BIG_BUDGET;

    if (cast->topology == SIM_FOREIGN_SERVER)
        return true;
    cast->server = sim_server_new(cast->w, "server", budget);
    if (cast->server && cast->topology == SIM_PEERS)
        cast->beyond = sim_server_new(cast->w, "beyond", budget);
    if (!cast->server || (cast->topology == SIM_PEERS && !cast->beyond))
        return false;
    cast->server->config.budget = cast->tight ? SMALL_BUDGET / 2 : 64 * 1024 * 1024;
    if (cast->beyond)
        cast->beyond->config.budget = cast->server->config.budget;
    return true;
}

/* For the replay: who is who. */
static void trace_agent(const struct sim_agent *a)
{
    static const char *const kinds[] = {"reference", "flood", "garbage"};

    sim_trace(a->w,
              "%s: %s%s, features %u, faults %d, delay %llu us, %llu bytes/s, %zu bytes under way",
              a->key, a->node ? "culvert" : kinds[a->foreign_plan.kind],
              a->node && !a->server ? " at a foreign server" : "", a->features, a->faults,
              (unsigned long long)a->wire_plan.delay, (unsigned long long)a->wire_plan.bandwidth,
              a->wire_plan.cap);
}

static void trace_transfer(const struct sim_transfer *x)
{
    sim_trace(x->w, "transfer %u to %s at %.3f s%s%s", x->number, x->key, (double)x->dial_at / 1e6,
              x->strict ? ", strict" : "", x->hostile ? ", hostile" : "");
    for (int side = 0; side < 2; side++) {
        const struct sim_sock_plan *plan = &x->plan[side];

        sim_trace(x->w,
                  "  side %d: %llu bytes%s, end %d when %llu came; sink of %llu stalls at %lld, "
                  "fails at %lld",
                  side, (unsigned long long)plan->total, plan->echo ? " of echo" : "",
                  (int)plan->end, (unsigned long long)plan->need, (unsigned long long)plan->room,
                  (long long)plan->stall_at, (long long)plan->sink_fails_at);
    }
}

/* Sockets. */

static void plan_pace(struct sim_world *w, struct sim_sock_plan *plan)
{
    bool slow = sim_chance(w, 25);

    plan->burst = slow ? sim_between(w, 500, 8192) : sim_between(w, 8192, 131072);
    plan->burst_every = sim_between(w, 2 * CV_MSEC, 40 * CV_MSEC);
    plan->room = sim_chance(w, 10) ? sim_between(w, 1, 2000) : sim_between(w, 2000, 100000);
    plan->drain = sim_chance(w, 25) ? sim_between(w, 500, 4096) : sim_between(w, 4096, 200000);
    plan->drain_every = sim_between(w, 2 * CV_MSEC, 40 * CV_MSEC);
    plan->stall_at = sim_chance(w, 30) ? sim_below(w, 300000) : CV_NEVER;
    plan->stall_for = sim_between(w, 10 * CV_MSEC, 6 * CV_SEC);
    plan->sink_fails_at = CV_NEVER;
}

static uint64_t plan_size(struct sim_world *w)
{
    uint64_t dice = sim_below(w, 100);

    if (dice < 30)
        return sim_below(w, 2000);
    if (dice < 85)
        return sim_between(w, 2000, 100000);
    return sim_between(w, 100000, 600000);
}

/* Who ends first, and when: such that both sides always come to an end. */
static void plan_ends(struct sim_world *w, struct sim_transfer *x, bool halfclose)
{
    int first = (int)sim_below(w, 2);
    struct sim_sock_plan *a = &x->plan[first], *b = &x->plan[!first];

    a->end = SIM_END_FIN;
    b->end = halfclose && sim_chance(w, 60) ? SIM_END_FIN : SIM_END_HOLD;
    if (!halfclose || sim_chance(w, 40))
        a->need = b->total;
    if (b->end == SIM_END_FIN && sim_chance(w, 40))
        b->need = a->total;
}

static void plan_echo(const struct sim_agent *agent, struct sim_transfer *x)
{
    struct sim_sock_plan *visitor = &x->plan[SIM_VISITOR], *target = &x->plan[SIM_TARGET];

    sim_count(x->w, SIM_TRANSFERS_ECHO, 1);
    target->echo = true;
    target->total = visitor->total;
    target->end = SIM_END_HOLD;
    target->stall_at = CV_NEVER;
    /* a reference end that is asked again and again lets one read of the echo through each time */
    if (agent->foreign_plan.key && target->room < 65536)
        target->room = 65536;
    visitor->end = SIM_END_FIN;
    visitor->need = visitor->total;
}

/* Several MiB to a sink that stops: what it takes to meet the marks that are no parameters. */
static void plan_big(struct sim_world *w, struct sim_transfer *x)
{
    int from = (int)sim_below(w, 2);

    x->plan[from].total = sim_between(w, 2500000, 4000000);
    x->plan[from].burst = 131072;
    x->plan[from].burst_every = CV_MSEC;
    x->plan[!from].stall_at = sim_below(w, 200000);
    x->plan[!from].stall_for = sim_between(w, CV_SEC, 8 * CV_SEC);
    x->plan[!from].room = 65536;
    x->plan[!from].drain = sim_between(w, 16384, 131072);
}

static void plan_failures(struct sim_world *w, struct sim_transfer *x)
{
    int side = (int)sim_below(w, 2);

    if (sim_chance(w, 30))
        x->plan[side].end = SIM_END_RESET;
    else if (sim_chance(w, 40))
        x->plan[side].sink_fails_at = sim_below(w, x->plan[!side].total + 1);
    else
        x->refuse = sim_chance(w, 50);
    x->strict = false;
}

static void plan_hostile(struct sim_world *w, struct sim_agent *agent, struct sim_transfer *x)
{
    int hostile_side = agent->node ? SIM_VISITOR : SIM_TARGET;

    x->hostile = true;
    x->strict = false;
    if (agent->foreign_plan.kind == SIM_GARBAGE) {
        x->flow[0].unchecked = x->flow[1].unchecked = true;
        return;
    }
    /* a flood into a sink that hardly reads */
    x->plan[hostile_side].total = sim_between(w, 300000, 900000);
    x->plan[hostile_side].burst = 131072;
    x->plan[!hostile_side].stall_at = sim_below(w, 10000);
    x->plan[!hostile_side].stall_for = 30 * CV_SEC;
    x->plan[!hostile_side].drain = 1000;
}

struct sim_transfer *sim_plan_transfer(struct sim_cast *cast, struct sim_agent *agent, bool orderly)
{
    struct sim_world *w = cast->w;
    bool halfclose = agent->features & CV_FEATURE_HALFCLOSE;
    struct sim_transfer *x = sim_transfer_new(w, agent->key);

    x->strict = !cast->memory_fails && !cast->tight && !cast->abrupt && agent->faults < 2;
    x->dial_for = sim_chance(w, 70) ? sim_below(w, 50 * CV_MSEC) : sim_below(w, 3 * CV_SEC);
    for (int i = 0; i < 2; i++) {
        x->plan[i].total = plan_size(w);
        plan_pace(w, &x->plan[i]);
    }
    if (sim_chance(w, agent->features & CV_FEATURE_CREDIT ? 1 : 6))
        plan_big(w, x);
    if (sim_chance(w, 25))
        plan_echo(agent, x);
    else
        plan_ends(w, x, halfclose);
    if (!orderly && sim_chance(w, 20))
        plan_failures(w, x);
    if (sim_agent_hostile(agent))
        plan_hostile(w, agent, x);
    return x;
}

struct visit {
    struct sim_actor actor;
    struct sim_cast *cast;
    struct sim_agent *agent;
    struct sim_transfer *x;
};

static void visit_run(struct sim_actor *actor)
{
    struct visit *v = cv_container_of(actor, struct visit, actor);

    sim_agent_visit(v->agent, v->cast->server, v->x);
}

void sim_plan_visit(struct sim_cast *cast, struct sim_agent *agent, struct sim_transfer *x)
{
    struct visit *v = sim_new(cast->w, sizeof(*v));

    trace_transfer(x);
    v->cast = cast;
    v->agent = agent;
    v->x = x;
    sim_actor_init(cast->w, &v->actor, visit_run);
    sim_wake(&v->actor, x->dial_at);
}

static void plan_topology(struct sim_cast *cast)
{
    uint64_t dice = sim_below(cast->w, 100);

    if (dice < 70) {
        cast->topology = SIM_CULVERT;
        sim_count(cast->w, SIM_WORLDS_CULVERT, 1);
    } else if (dice < 82) {
        cast->topology = SIM_PEERS;
        sim_count(cast->w, SIM_WORLDS_PEERS, 1);
    } else {
        cast->topology = SIM_FOREIGN_SERVER;
        sim_count(cast->w, SIM_WORLDS_FOREIGN_SERVER, 1);
    }
}

bool sim_plan_cast(struct sim_cast *cast, struct sim_world *w)
{
    bool calm = sim_chance(w, 50);

    *cast = (struct sim_cast){.w = w};
    plan_topology(cast);
    cast->memory_fails = sim_chance(w, 20);
    cast->tight = sim_chance(w, 5);
    cast->abrupt = sim_chance(w, 10);
    cast->chaos_until =
        w->now + (sim_chance(w, 8) ? 130 * CV_SEC : sim_between(w, CV_SEC, 20 * CV_SEC));
    if (!plan_servers(cast))
        return false;
    if (cast->beyond)
        plan_peering(cast);
    cast->agent_count =
        (uint32_t)sim_between(w, 1, cast->topology == SIM_CULVERT ? SIM_AGENTS_MAX : 2);
    for (uint32_t i = 0; i < cast->agent_count; i++) {
        cast->agents[i] = plan_agent(cast, i);
        cast->agents[i]->faults = calm ? 0 : (int)sim_below(w, 3);
        trace_agent(cast->agents[i]);
        sim_wake(&cast->agents[i]->actor, w->now);
    }
    sim_trace(w, "topology %d%s%s%s", (int)cast->topology,
              cast->memory_fails ? ", memory fails" : "", cast->tight ? ", tight budgets" : "",
              cast->abrupt ? ", ends abruptly" : "");
    for (uint64_t n = sim_between(w, 1, 6); n; n--) {
        struct sim_agent *agent = cast->agents[sim_below(w, cast->agent_count)];
        struct sim_transfer *x = sim_plan_transfer(cast, agent, false);

        x->dial_at = w->now + CV_SEC + sim_below(w, cast->chaos_until - w->now);
        sim_plan_visit(cast, agent, x);
    }
    return true;
}
