#include "sim/mesh.h"
#include "sim/scenario.h"

#define LONGEST \
    (25 * CV_SEC) /* of a fault that ends by itself: over the silence that ends a link */

/* What a fault hits: a link between servers, or (NULL) an agent's. */
struct mesh_victim {
    struct mesh_link *link;
    struct sim_agent *agent;
};

static struct mesh_victim any_victim(struct mesh *m)
{
    uint64_t n = sim_below(m->w, m->link_count + m->agent_count);

    if (n < m->link_count)
        return (struct mesh_victim){.link = &m->links[n]};
    return (struct mesh_victim){.agent = m->agents[n - m->link_count]};
}

static struct sim_wire *wire_of(const struct mesh_victim *victim)
{
    return victim->link ? victim->link->wire : victim->agent->wire;
}

static uint64_t some_time(struct mesh *m)
{
    return m->w->now + sim_between(m->w, 10 * CV_MSEC, sim_chance(m->w, 50) ? CV_SEC : LONGEST);
}

/* Partitions: what is sent arrives when they end, if anybody waits that long. */

static void block(struct sim_wire *wire, bool there, bool back, uint64_t until)
{
    if (wire && there)
        wire->pipe[0].stall_until = until;
    if (wire && back)
        wire->pipe[1].stall_until = until;
}

static void part_servers(struct mesh *m, uint32_t a, uint32_t b, bool there, bool back,
                         uint64_t until)
{
    for (uint32_t i = 0; i < m->link_count; i++) {
        struct mesh_link *l = &m->links[i];

        if (l->from == a && l->to == b)
            block(l->wire, there, back, until);
        else if (l->from == b && l->to == a)
            block(l->wire, back, there, until);
        else
            continue;
        l->apart_until = until;
    }
}

static void part(struct mesh *m)
{
    struct mesh_victim victim = any_victim(m);
    uint64_t ways = sim_below(m->w, 4), until = some_time(m);
    bool there = ways != 1, back = ways != 2;

    sim_count(m->w, there && back ? SIM_MESH_APART : SIM_MESH_ONE_WAY, 1);
    if (victim.link) {
        sim_trace(m->w, "s%u and s%u are apart (%d, %d) until %.3f s", victim.link->from,
                  victim.link->to, there, back, (double)until / 1e6);
        part_servers(m, victim.link->from, victim.link->to, there, back, until);
        return;
    }
    sim_trace(m->w, "agent %s is apart (%d, %d) until %.3f s", victim.agent->key, there, back,
              (double)until / 1e6);
    block(victim.agent->wire, there, back, until);
    victim.agent->apart_until = until;
}

/* An end reads no more, and goes on sending; or it does nothing at all for a while. */
static void slow_down(struct mesh *m)
{
    struct mesh_victim victim = any_victim(m);
    bool dialler = sim_chance(m->w, 50);
    struct sim_tunnel *t = victim.link ? victim.link->tunnel : victim.agent->tunnel;

    if (t && !t->gone && sim_chance(m->w, 30)) {
        sim_trace(m->w, "%s hangs on its link with %s", t->node->name, t->key);
        sim_count(m->w, SIM_MESH_HANGS, 1);
        sim_tunnel_freeze(t, some_time(m));
        return;
    }
    sim_trace(m->w, "an end of a link stops reading");
    sim_count(m->w, SIM_MESH_SLOW, 1);
    block(wire_of(&victim), !dialler, dialler, some_time(m));
}

/* A link is cut: both ends know, one of them, or none. */
static void flap(struct mesh *m, const struct mesh_victim *victim)
{
    uint64_t now = m->w->now, soon = now + sim_below(m->w, 50 * CV_MSEC);
    uint64_t dice = sim_below(m->w, 20);

    sim_count(m->w, SIM_MESH_FLAPS, 1);
    if (!wire_of(victim))
        return;
    if (dice < 8)
        sim_wire_cut(wire_of(victim), now, CV_NEVER); /* so the dialler is back at once */
    else if (dice == 8)
        sim_wire_cut(wire_of(victim), CV_NEVER, now);
    else if (dice == 9)
        sim_wire_cut(wire_of(victim), CV_NEVER, CV_NEVER);
    else
        sim_wire_cut(wire_of(victim), soon, now);
    if (victim->link)
        sim_wake(&victim->link->actor, soon);
}

static void flapping_run(struct sim_actor *actor)
{
    struct mesh *m = cv_container_of(actor, struct mesh, flapping);

    if (m->w->healed || m->flaps_left == 0)
        return;
    m->flaps_left--;
    flap(m, &(struct mesh_victim){.link = &m->links[m->flapper]});
    sim_wake(actor, m->w->now + sim_between(m->w, CV_MSEC, 500 * CV_MSEC));
}

/* Servers. */

static void server_run(struct sim_actor *actor)
{
    struct mesh_server *s = cv_container_of(actor, struct mesh_server, actor);
    struct sim_world *w = s->server->node->w;

    if (s->draining) {
        s->draining = false;
        sim_server_shutdown(s->server);
    }
    if (s->server->down && sim_server_reopen(s->server))
        sim_trace(w, "%s is back", s->server->node->name);
    else if (s->server->down)
        sim_wake(actor, w->now + 100 * CV_MSEC);
}

static void restart(struct mesh *m)
{
    struct mesh_server *s = &m->servers[sim_below(m->w, m->server_count)];

    if (s->server->down || s->draining)
        return;
    if (sim_chance(m->w, 40)) {
        sim_trace(m->w, "%s drains", s->server->node->name);
        sim_count(m->w, SIM_MESH_RESTARTED, 1);
        sim_server_withdraw(s->server);
        s->draining = true;
        sim_wake(&s->actor, m->w->now + 500 * CV_MSEC);
        return;
    }
    sim_trace(m->w, "%s dies", s->server->node->name);
    sim_count(m->w, SIM_MESH_KILLED, 1);
    sim_server_kill(s->server, sim_chance(m->w, 50));
    sim_wake(&s->actor, m->w->now + sim_below(m->w, 3 * CV_SEC));
}

/* Agents. */

static struct sim_server *any_server(struct mesh *m)
{
    return m->servers[sim_below(m->w, m->server_count)].server;
}

/* An agent announces a client, as only a peer may. */
static void lie(struct mesh *m, const struct sim_agent *a)
{
    const char *key = mesh_key((uint32_t)sim_below(m->w, MESH_KEYS));

    if (!a->tunnel || a->tunnel->gone ||
        cv_session_announce(sim_tunnel_session(a->tunnel), true, key, 1) < 0)
        return;
    sim_trace(m->w, "%s says that it has %s", a->key, key);
    sim_count(m->w, SIM_MESH_LIES, 1);
    sim_tunnel_touch(a->tunnel);
}

static void stir_agent(struct mesh *m)
{
    struct sim_agent *a = m->agents[sim_below(m->w, m->agent_count)];

    if (sim_chance(m->w, 20)) {
        lie(m, a);
    } else if (a->down) {
        sim_agent_start(a, any_server(m));
    } else if (sim_chance(m->w, 20) && !m->calm) {
        sim_agent_freeze(a, some_time(m));
    } else {
        bool moves = sim_chance(m->w, 60);

        sim_trace(m->w, "%s %s", a->key, moves ? "moves" : "leaves");
        sim_count(m->w, moves ? SIM_MESH_MOVES : SIM_MESH_LEAVES, 1);
        sim_agent_stop(a);
        if (moves)
            sim_agent_start(a, any_server(m));
    }
}

static void fate_run(struct sim_actor *actor)
{
    struct mesh *m = cv_container_of(actor, struct mesh, fate);
    struct mesh_victim victim = any_victim(m);
    uint64_t dice = sim_below(m->w, 100);

    if (m->w->healed)
        return;
    sim_wake(actor, m->w->now + sim_between(m->w, 50 * CV_MSEC, 3 * CV_SEC));
    if (m->calm || dice < 35)
        stir_agent(m);
    else if (dice < 60)
        part(m);
    else if (dice < 75)
        flap(m, &victim);
    else if (dice < 90)
        slow_down(m);
    else
        restart(m);
}

void mesh_break(struct mesh *m)
{
    m->flapper = (uint32_t)sim_below(m->w, m->link_count);
    for (uint32_t i = 0; i < m->server_count; i++)
        sim_actor_init(m->w, &m->servers[i].actor, server_run);
    sim_actor_init(m->w, &m->fate, fate_run);
    sim_actor_init(m->w, &m->flapping, flapping_run);
    sim_wake(&m->fate, m->w->now + sim_below(m->w, CV_SEC));
    if (m->flaps_left)
        sim_wake(&m->flapping, m->w->now);
    if (m->memory_fails)
        sim_fail_memory(m->w);
}

void mesh_heal(struct mesh *m)
{
    sim_heal(m->w);
    for (uint32_t i = 0; i < m->link_count; i++) {
        m->links[i].apart_until = 0;
        m->links[i].wire_plan.delay = CV_MSEC;
    }
    for (uint32_t i = 0; i < m->agent_count; i++) {
        m->agents[i]->apart_until = 0;
        m->agents[i]->wire_plan.delay = CV_MSEC;
    }
}
