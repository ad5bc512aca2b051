#include "sim/mesh.h"

#include "sim/scenario.h"

/* Of everything that can be asked for, everywhere: it comes through whole, or is refused at once.
 */
static void dial_everyone(struct mesh *m)
{
    struct sim_world *w = m->w;

    for (uint32_t at = 0; at < m->server_count; at++)
        for (uint32_t i = 0; i < MESH_KEYS; i++) {
            bool there = mesh_reaches(m, at, mesh_key(i));
            const struct sim_transfer *x = mesh_visit(m, m->servers[at].server, mesh_key(i), there);

            if (x->unrouted == there)
                sim_fail(w, "transfer %u: routed %d, there %d", x->number, !x->unrouted, there);
        }
    sim_run_until_over(w, false, SIM_STRICT_FOR);
    sim_run(w, w->now + 2 * CV_SEC);
    sim_check_conns(w);
}

static void live(struct mesh *m)
{
    struct sim_world *w = m->w;

    mesh_watch(m);
    mesh_break(m);
    while (w->now < m->chaos_until || m->flaps_left)
        sim_run(w, w->now + CV_SEC);
    mesh_heal(m);
    if (m->abrupt)
        return;
    sim_run(w, w->now + SIM_SETTLE_FOR);
    sim_run_until_over(w, false, 0);
    mesh_check_rest(m);
    dial_everyone(m);
    mesh_check_rest(m);
}

static void shut_down(struct mesh *m)
{
    struct sim_world *w = m->w;

    sim_trace(w, "--- shut down");
    for (uint32_t i = 0; i < m->server_count; i++) {
        m->servers[i].actor.wake_at = CV_NEVER;
        sim_server_shutdown(m->servers[i].server);
    }
    for (uint32_t i = 0; i < m->agent_count; i++)
        sim_agent_stop(m->agents[i]);
    sim_run(w, w->now + SIM_SETTLE_FOR);
    sim_check_ended(w);
    for (uint32_t i = 0; i < m->server_count; i++)
        sim_server_free(m->servers[i].server);
}

void sim_mesh(uint64_t seed, bool verbose, struct sim_counts *counts)
{
    struct sim_world w;
    struct mesh m;

    sim_world_init(&w, seed, verbose, counts);
    w.options = "--mesh ";
    w.check = sim_check_step;
    if (mesh_plan(&m, &w)) {
        live(&m);
        shut_down(&m);
        cv_list_each (link, &w.transfers)
            sim_transfer_check_end(cv_container_of(link, struct sim_transfer, link));
    }
    sim_check_memory(&w);
    sim_world_deinit(&w);
}
