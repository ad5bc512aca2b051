#include <string.h>

#include "sim/mesh.h"

#define BUDGET ((size_t)256 * 1024 * 1024)

enum shape { FULL, RING, LINE, SHAPES };

const char *mesh_key(uint32_t index)
{
    static const char *const keys[MESH_KEYS] = {"k0", "k1", "k2", "s1", "nobody"};

    return keys[index];
}

static struct sim_wire_plan plan_wire(struct sim_world *w)
{
    return (struct sim_wire_plan){
        .cap = sim_between(w, 2000, 8192),
        .delay = sim_chance(w, 50) ? sim_below(w, 2 * CV_MSEC) : sim_below(w, 200 * CV_MSEC),
        .bandwidth = sim_between(w, 50000, 100000000),
    };
}

/* What the two ends of a link know of each other. What both legs of a dial through a peer must have
 * to be true to their ends is the same in all of a world. */
static void plan_ends(struct mesh *m, bool *culvert, unsigned *features)
{
    struct sim_world *w = m->w;

    *features = m->features;
    if (m->features || sim_chance(w, 50))
        *features |= sim_chance(w, 70) ? CV_FEATURE_CREDIT | CV_FEATURE_PUBLISH : 0;
    *culvert = *features || sim_chance(w, 50); /* else each takes the other for a reference end */
}

/* Links. */

static void link_run(struct sim_actor *actor)
{
    struct mesh_link *l = cv_container_of(actor, struct mesh_link, actor);
    struct sim_server *from = l->mesh->servers[l->from].server;
    struct sim_server *to = l->mesh->servers[l->to].server;
    struct sim_world *w = l->mesh->w;
    struct sim_join at_to = {.kind = CV_MEMBER_PEER,
                             .key = from->node->name,
                             .culvert = l->culvert,
                             .features = l->features};
    struct sim_join at_from = {.kind = CV_MEMBER_OUTGOING,
                               .key = to->node->name,
                               .culvert = l->culvert,
                               .features = l->features};

    sim_wake(actor, w->now + sim_between(w, 20 * CV_MSEC, 500 * CV_MSEC));
    if (from->down || to->down || w->now < l->apart_until || (l->tunnel && !l->tunnel->gone))
        return;
    l->wire = sim_wire_new(w, &l->wire_plan);
    l->tunnel = NULL;
    if (sim_server_join(to, l->wire, &at_to))
        l->tunnel = sim_server_join(from, l->wire, &at_from);
    sim_count(w, SIM_MESH_LINKS, l->tunnel != NULL);
}

static void plan_link(struct mesh *m, uint32_t from, uint32_t to)
{
    struct mesh_link *l = &m->links[m->link_count++];
    struct sim_world *w = m->w;

    l->mesh = m;
    l->from = from;
    l->to = to;
    l->wire_plan = plan_wire(w);
    plan_ends(m, &l->culvert, &l->features);
    sim_trace(w, "s%u dials s%u: culvert %d, features %u, delay %llu us", from, to, l->culvert,
              l->features, (unsigned long long)l->wire_plan.delay);
    sim_actor_init(w, &l->actor, link_run);
    sim_wake(&l->actor, w->now);
}

static bool are_peers(const struct mesh *m, enum shape shape, uint32_t a, uint32_t b)
{
    switch (shape) {
    case RING:
        return (a + 1) % m->server_count == b || (b + 1) % m->server_count == a;
    case LINE:
        return a + 1 == b || b + 1 == a;
    case FULL:
    case SHAPES:
        break;
    }
    return true;
}

static void plan_links(struct mesh *m)
{
    enum shape shape = (enum shape)sim_below(m->w, SHAPES);

    sim_count(m->w, (enum sim_count)(SIM_MESH_FULL + (int)shape), 1);
    for (uint32_t a = 0; a < m->server_count; a++)
        for (uint32_t b = 0; b < m->server_count; b++)
            if (a != b && are_peers(m, shape, a, b))
                plan_link(m, a, b);
}

/* Servers and agents. */

static bool plan_servers(struct mesh *m)
{
    m->server_count = (uint32_t)sim_between(m->w, 2, MESH_SERVERS_MAX);
    for (uint32_t i = 0; i < m->server_count; i++) {
        char name[16];

        snprintf(name, sizeof(name), "s%u", i);
        m->servers[i].server = sim_server_new(m->w, name, BUDGET);
        if (!m->servers[i].server)
            return false;
        m->servers[i].server->balance = (enum cv_balance)(m->w->seed % CV_BALANCE_COUNT);
    }
    return true;
}

static void plan_agents(struct mesh *m)
{
    struct sim_world *w = m->w;

    m->agent_count = (uint32_t)sim_between(w, 1, MESH_AGENTS_MAX);
    for (uint32_t i = 0; i < m->agent_count; i++) {
        struct sim_agent *a = sim_agent_new(w, mesh_key((uint32_t)sim_below(w, MESH_KEYS - 1)));

        a->wire_plan = plan_wire(w);
        a->node = sim_node_new(w, a->key, BUDGET);
        plan_ends(m, &a->culvert, &a->features);
        m->agents[i] = a;
        sim_agent_start(a, m->servers[sim_below(w, m->server_count)].server);
    }
}

/* Visitors. */

struct visit {
    struct sim_actor actor;
    struct mesh *mesh;
};

struct sim_transfer *mesh_visit(struct mesh *m, struct sim_server *server, const char *key,
                                bool strict)
{
    struct sim_world *w = m->w;
    struct sim_transfer *x = sim_transfer_new(w, key);
    int first = (int)sim_below(w, 2);

    x->strict = strict;
    x->dial_for = sim_below(w, 100 * CV_MSEC);
    for (int side = 0; side < 2; side++) {
        x->plan[side] = (struct sim_sock_plan){.total = sim_below(w, 3000),
                                               .end = SIM_END_HOLD,
                                               .burst = 1000,
                                               .burst_every = sim_below(w, 10 * CV_MSEC),
                                               .room = 4096,
                                               .drain = 1000,
                                               .drain_every = CV_MSEC,
                                               .stall_at = CV_NEVER,
                                               .sink_fails_at = CV_NEVER};
    }
    x->plan[first].end = SIM_END_FIN;
    x->plan[first].need = x->plan[!first].total;
    sim_trace(w, "transfer %u: to %s from a visitor of %s%s", x->number, key, server->node->name,
              strict ? ", strict" : "");
    sim_server_visit(server, x);
    return x;
}

static void visit_run(struct sim_actor *actor)
{
    struct visit *v = cv_container_of(actor, struct visit, actor);
    struct mesh *m = v->mesh;
    struct sim_server *server = m->servers[sim_below(m->w, m->server_count)].server;

    if (!server->down)
        mesh_visit(m, server, mesh_key((uint32_t)sim_below(m->w, MESH_KEYS)), false);
}

static void plan_visits(struct mesh *m)
{
    for (uint64_t n = sim_between(m->w, 5, 40); n; n--) {
        struct visit *v = sim_new(m->w, sizeof(*v));

        v->mesh = m;
        sim_actor_init(m->w, &v->actor, visit_run);
        sim_wake(&v->actor, m->w->now + sim_below(m->w, m->chaos_until - m->w->now));
    }
}

bool mesh_plan(struct mesh *m, struct sim_world *w)
{
    *m = (struct mesh){.w = w};
    m->memory_fails = sim_chance(w, 10);
    m->calm = sim_chance(w, 20);
    m->abrupt = sim_chance(w, 10);
    if (sim_chance(w, 70))
        m->features = sim_chance(w, 70) ? CV_FEATURE_ACK | CV_FEATURE_HALFCLOSE
                                        : (unsigned)sim_between(w, 1, 2);
    m->chaos_until = w->now + sim_between(w, 5 * CV_SEC, 60 * CV_SEC);
    if (!plan_servers(m))
        return false;
    plan_links(m);
    plan_agents(m);
    plan_visits(m);
    if (m->memory_fails || m->calm || !sim_chance(w, 4))
        return true;
    m->flaps_left = MESH_FLAPS;
    sim_count(w, SIM_MESH_FLAPPING, 1);
    return true;
}
