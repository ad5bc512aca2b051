#include "sim/scenario.h"

#include <string.h>

#include "sim/plan.h"

/* Faults. */

struct fault {
    struct sim_actor actor;
    struct sim_world *w;
    struct sim_cast *cast;   /* of a wire */
    struct sim_agent *agent; /* NULL: the peering */
    struct sim_node *node;   /* of memory */
};

/* The wire dies without a word to one of its ends, or to both. */
static void half_open(struct sim_world *w, struct sim_wire *wire)
{
    uint64_t soon = w->now + sim_below(w, CV_SEC);

    sim_count(w, SIM_FAULT_HALF_OPEN, 1);
    switch (sim_below(w, 3)) {
    case 0:
        sim_wire_cut(wire, soon, CV_NEVER);
        return;
    case 1:
        sim_wire_cut(wire, CV_NEVER, soon);
        return;
    default:
        sim_wire_cut(wire, CV_NEVER, CV_NEVER);
        return;
    }
}

static void hurt_wire(struct sim_world *w, struct sim_wire *wire, int faults)
{
    uint64_t dice = faults < 2 ? 0 : sim_below(w, 3);

    if (!wire)
        return;
    sim_trace(w, "fault %llu on a wire", (unsigned long long)dice);
    if (dice == 0) {
        sim_count(w, SIM_FAULT_STALL, 1);
        sim_wire_stall(wire, w->now + sim_between(w, 10 * CV_MSEC, 4 * CV_SEC));
    } else if (dice == 1) {
        sim_count(w, SIM_FAULT_CUT, 1);
        sim_wire_cut(wire, w->now + sim_below(w, CV_SEC), w->now + sim_below(w, CV_SEC));
    } else {
        half_open(w, wire);
    }
}

static void wire_fault_run(struct sim_actor *actor)
{
    struct fault *fault = cv_container_of(actor, struct fault, actor);
    struct sim_world *w = fault->w;
    struct sim_agent *a = fault->agent;

    if (w->healed)
        return;
    sim_wake(actor, w->now + sim_between(w, 5 * CV_SEC, 10 * CV_SEC));
    if (a && a->node && a->faults == 2 && sim_chance(w, 25)) {
        sim_trace(w, "%s freezes", a->key);
        sim_count(w, SIM_FAULT_FREEZE, 1);
        sim_agent_freeze(a, w->now + sim_between(w, CV_SEC, 30 * CV_SEC));
        return;
    }
    hurt_wire(w, a ? a->wire : fault->cast->peering.wire, a ? a->faults : 2);
}

static void memory_fault_run(struct sim_actor *actor)
{
    struct fault *fault = cv_container_of(actor, struct fault, actor);
    struct sim_world *w = fault->w;
    struct test_alloc *memory = &fault->node->memory;

    if (w->healed) {
        memory->fail_at = 0;
        return;
    }
    if (memory->fail_at && memory->calls >= memory->fail_at)
        sim_count(w, SIM_FAULT_MEMORY, 1);
    if (memory->calls >= memory->fail_at)
        memory->fail_at = memory->calls + sim_between(w, 1, 40);
    sim_wake(actor, w->now + sim_between(w, 50 * CV_MSEC, 2 * CV_SEC));
}

static struct fault *fault_new(struct sim_world *w, void (*run)(struct sim_actor *actor))
{
    struct fault *fault = sim_new(w, sizeof(*fault));

    fault->w = w;
    sim_actor_init(w, &fault->actor, run);
    sim_wake(&fault->actor, w->now + sim_below(w, 6 * CV_SEC));
    return fault;
}

void sim_fail_memory(struct sim_world *w)
{
    cv_list_each (link, &w->nodes)
        fault_new(w, memory_fault_run)->node = cv_container_of(link, struct sim_node, link);
}

static void hurt_wires_of(struct sim_cast *cast, struct sim_agent *agent)
{
    struct fault *fault = fault_new(cast->w, wire_fault_run);

    fault->cast = cast;
    fault->agent = agent;
}

static void plan_faults(struct sim_cast *cast)
{
    bool any = false;

    for (uint32_t i = 0; i < cast->agent_count; i++) {
        if (cast->agents[i]->faults)
            hurt_wires_of(cast, cast->agents[i]);
        any = any || cast->agents[i]->faults == 2;
    }
    if (cast->beyond && any) {
        hurt_wires_of(cast, NULL);
        cv_list_each (link, &cast->w->transfers)
            cv_container_of(link, struct sim_transfer, link)->strict = false;
    }
    if (cast->memory_fails)
        sim_fail_memory(cast->w);
}

/* The end of the faults. */

void sim_heal(struct sim_world *w)
{
    sim_trace(w, "--- healed");
    w->healed = true;
    cv_list_each (link, &w->nodes)
        cv_container_of(link, struct sim_node, link)->memory.fail_at = 0;
    cv_list_each (link, &w->tunnels) {
        struct sim_tunnel *t = cv_container_of(link, struct sim_tunnel, link_in_world);

        sim_wire_heal(t->wire); /* a wire that died stays dead */
        t->frozen_until = cv_min_time(t->frozen_until, w->now);
        sim_tunnel_touch(t);
    }
    cv_list_each (link, &w->transfers) {
        struct sim_transfer *x = cv_container_of(link, struct sim_transfer, link);

        for (int side = 0; side < 2; side++)
            if (x->sock[side])
                sim_wake(&x->sock[side]->actor, w->now);
    }
}

static void heal(struct sim_cast *cast)
{
    sim_heal(cast->w);
    cast->peering.wire_plan.delay = CV_MSEC;
    for (uint32_t i = 0; i < cast->agent_count; i++) {
        cast->agents[i]->wire_plan.delay = CV_MSEC;
        if (sim_agent_hostile(cast->agents[i]))
            sim_agent_stop(cast->agents[i]);
    }
}

/* A Culvert end was told; a scripted socket of a reference end is closed; what a hostile end does
 * is its own affair. */
static bool side_is_over(const struct sim_transfer *x, int side)
{
    if (x->told[side].opened || x->hostile)
        return x->told[side].closed || !x->told[side].opened;
    return !x->sock[side] || x->sock[side]->closed;
}

static bool all_over(struct sim_world *w, bool strict_only)
{
    cv_list_each (link, &w->transfers) {
        const struct sim_transfer *x = cv_container_of(link, struct sim_transfer, link);

        if ((x->strict || !strict_only) &&
            (!side_is_over(x, SIM_VISITOR) || !side_is_over(x, SIM_TARGET)))
            return false;
    }
    return true;
}

static void blame_slow(struct sim_world *w, bool strict_only)
{
    cv_list_each (link, &w->transfers) {
        const struct sim_transfer *x = cv_container_of(link, struct sim_transfer, link);

        for (int side = 0; side < 2; side++)
            if ((x->strict || !strict_only) && !side_is_over(x, side))
                sim_fail(w,
                         "transfer %u makes no progress: side %d sent %llu of %llu, got %llu; "
                         "other side "
                         "sent %llu of %llu, got %llu",
                         x->number, side, (unsigned long long)x->flow[side].sent,
                         (unsigned long long)x->plan[side].total,
                         (unsigned long long)x->flow[!side].got,
                         (unsigned long long)x->flow[!side].sent,
                         (unsigned long long)x->plan[!side].total,
                         (unsigned long long)x->flow[side].got);
    }
}

void sim_run_until_over(struct sim_world *w, bool strict_only, uint64_t bound)
{
    uint64_t until = w->now + bound;

    while (!all_over(w, strict_only)) {
        if (w->now >= until)
            blame_slow(w, strict_only);
        sim_run(w, w->now + 250 * CV_MSEC);
    }
}

/* A dial that comes after all that works, to every agent that can be trusted. */
static void dial_anew(struct sim_cast *cast)
{
    struct sim_world *w = cast->w;

    for (uint32_t i = 0; i < cast->agent_count; i++) {
        struct sim_transfer *x;

        if (sim_agent_hostile(cast->agents[i]))
            continue;
        x = sim_plan_transfer(cast, cast->agents[i], true);
        x->strict = !cast->tight;
        x->dial_at = w->now;
        x->dial_for = 0;
        sim_count(w, SIM_TRANSFERS_PROBE, 1);
        sim_plan_visit(cast, cast->agents[i], x);
    }
    sim_run(w, w->now + CV_SEC);
    sim_run_until_over(w, false, SIM_STRICT_FOR);
}

/* What is left. */

void sim_check_conns(struct sim_world *w)
{
    cv_list_each (link, &w->tunnels) {
        struct sim_tunnel *t = cv_container_of(link, struct sim_tunnel, link_in_world);

        if (cv_session_conns(sim_tunnel_session(t)) != 0)
            sim_fail(w, "%s: %u connections are left in the session with %s", t->node->name,
                     cv_session_conns(sim_tunnel_session(t)), t->key);
    }
}

/* No end knows a connection that is over for everyone. */
static void check_tables(struct sim_cast *cast)
{
    sim_check_conns(cast->w);
    for (uint32_t i = 0; i < cast->agent_count; i++) {
        const struct sim_agent *a = cast->agents[i];

        if (a->foreign && sim_foreign_alive(a->foreign) && sim_foreign_conns(a->foreign) != 0)
            sim_fail(cast->w, "%zu connections are left in the foreign end of %s",
                     sim_foreign_conns(a->foreign), a->key);
    }
}

/* Exactly the agents that are up can be reached. */
static void check_routes(struct sim_cast *cast)
{
    struct sim_server *home = cast->beyond ? cast->beyond : cast->server;

    if (!cast->server)
        return;
    sim_server_check(cast->server);
    if (cast->beyond)
        sim_server_check(cast->beyond);
    for (uint32_t i = 0; i < cast->agent_count; i++) {
        const struct sim_agent *a = cast->agents[i];
        uint32_t want = sim_agent_links(a), got = sim_server_sessions(home, a->key);

        if (got != want || (got == 0) != a->down)
            sim_fail(cast->w, "%s has %u links, and %u sessions at the server", a->key, want, got);
    }
}

void sim_check_memory(struct sim_world *w)
{
    cv_list_each (link, &w->nodes) {
        const struct sim_node *node = cv_container_of(link, struct sim_node, link);

        if (node->memory.live != 0)
            sim_fail(w, "%s: %zu blocks are left", node->name, node->memory.live);
        if (node->budget.used != 0)
            sim_fail(w, "%s: %zu bytes of budget are left", node->name, node->budget.used);
    }
}

void sim_check_ended(struct sim_world *w)
{
    cv_list_each (link, &w->tunnels) {
        struct sim_tunnel *t = cv_container_of(link, struct sim_tunnel, link_in_world);

        sim_fail(w, "%s: the link with %s does not end", t->node->name, t->key);
    }
}

static void shut_down(struct sim_cast *cast)
{
    struct sim_world *w = cast->w;

    sim_trace(w, "--- shut down");
    if (cast->server)
        sim_server_shutdown(cast->server);
    if (cast->beyond)
        sim_server_shutdown(cast->beyond);
    for (uint32_t i = 0; i < cast->agent_count; i++)
        sim_agent_stop(cast->agents[i]);
    sim_run(w, w->now + SIM_SETTLE_FOR);
    sim_check_ended(w);
    if (cast->server) {
        sim_server_check(cast->server);
        sim_server_free(cast->server);
    }
    if (cast->beyond)
        sim_server_free(cast->beyond);
}

void sim_check_step(struct sim_world *w)
{
    cv_list_each (link, &w->tunnels)
        sim_tunnel_check(cv_container_of(link, struct sim_tunnel, link_in_world));
}

static void live(struct sim_cast *cast)
{
    struct sim_world *w = cast->w;

    plan_faults(cast);
    sim_run(w, cast->chaos_until + 2 * CV_SEC);
    heal(cast);
    if (cast->abrupt)
        return;
    sim_run_until_over(w, true, SIM_STRICT_FOR);
    sim_run(w, w->now + SIM_SETTLE_FOR);
    sim_run_until_over(w, false, 0);
    check_routes(cast);
    dial_anew(cast);
    sim_run(w, w->now + 2 * CV_SEC);
    check_tables(cast);
}

void sim_scenario(uint64_t seed, bool verbose, struct sim_counts *counts)
{
    struct sim_world w;
    struct sim_cast cast;

    sim_world_init(&w, seed, verbose, counts);
    w.check = sim_check_step;
    if (sim_plan_cast(&cast, &w)) {
        live(&cast);
        shut_down(&cast);
        cv_list_each (link, &w.transfers)
            sim_transfer_check_end(cv_container_of(link, struct sim_transfer, link));
    }
    sim_check_memory(&w);
    sim_world_deinit(&w);
}
