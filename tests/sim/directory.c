#include "sim/directory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* How old a claim may be that is given out: from the last moment when Redis had it, in a cache. */
#define OUTAGE_MAX (60 * CV_SEC)
#define STALE_MAX  (CV_DIRECTORY_LEASE + 2 * OUTAGE_MAX)
#define LINK_MAX   (50 * CV_MSEC) /* until a dial is at the other server */
#define QUIET_FOR  (40 * CV_SEC)

static void name_key(char out[16], uint32_t key)
{
    snprintf(out, 16, "key%u", key);
}

/* Sessions: what is true. */

static struct dir_session *session_of(struct dir *d, uint32_t number)
{
    return &d->sessions[number];
}

static bool lives(const struct dir *d, const struct dir_session *session)
{
    const struct dir_server *s = &d->servers[session->server];

    return session->ended_at == CV_NEVER && s->core && s->run == session->run;
}

static bool has(const struct dir *d, uint32_t server, uint32_t key)
{
    for (uint32_t i = 1; i <= d->session_count; i++)
        if (d->sessions[i].server == server && d->sessions[i].key == key &&
            lives(d, &d->sessions[i]))
            return true;
    return false;
}

static void leave(struct dir *d, uint32_t agent)
{
    struct dir_session *session = session_of(d, d->agents[agent]);
    struct dir_server *s = &d->servers[session->server];
    char key[16];

    if (d->agents[agent] == 0)
        return;
    name_key(key, session->key);
    if (lives(d, session)) {
        cv_directory_left(s->core, key, d->agents[agent]);
        sim_wake(&s->actor, d->w.now);
    }
    if (session->ended_at == CV_NEVER)
        session->ended_at = d->w.now;
    d->agents[agent] = 0;
}

static void join(struct dir *d, uint32_t agent)
{
    struct dir_server *s = &d->servers[sim_below(&d->w, d->server_count)];
    uint32_t key = agent % DIR_KEYS;
    char text[16];

    name_key(text, key);
    if (!s->core || d->session_count + 1 == DIR_SESSIONS)
        return;
    if (cv_directory_joined(s->core, text, d->session_count + 1, d->w.now / CV_MSEC) < 0)
        return;
    d->agents[agent] = ++d->session_count;
    *session_of(d, d->session_count) =
        (struct dir_session){.key = key, .server = s->index, .run = s->run, .ended_at = CV_NEVER};
    sim_wake(&s->actor, d->w.now);
}

/* Dials. */

static void dial_end(struct dir_dial *dial)
{
    cv_list_remove(&dial->link);
    free(dial);
}

static void check_claim(struct dir_dial *dial)
{
    struct dir *d = dial->server->dir;
    const struct cv_claim *claim = &dial->waiter.claim;
    const struct dir_session *session;
    uint32_t number = (uint32_t)claim->session, server = (uint32_t)(claim->server[1] - '0');

    if (claim->session <= 0 || claim->session > d->session_count)
        sim_fail(&d->w, "server %u: a claim of a session that never was", dial->server->index);
    session = session_of(d, number);
    if (session->key != dial->key || session->server != server ||
        session->run != claim->incarnation)
        sim_fail(&d->w, "server %u: a dial to key %u goes to session %u, which is another's",
                 dial->server->index, dial->key, number);
    if (session->ended_at != CV_NEVER && d->w.now > session->ended_at + STALE_MAX)
        sim_fail(&d->w, "server %u: session %u ended at %.1f s", dial->server->index, number,
                 (double)session->ended_at / 1e6);
}

static void go(struct dir_dial *dial)
{
    struct dir *d = dial->server->dir;

    check_claim(dial);
    dial->arrives_at = d->w.now + sim_below(&d->w, LINK_MAX);
}

static void give_up(struct dir_dial *dial, int why)
{
    struct dir *d = dial->server->dir;

    if (dial->strict)
        sim_fail(&d->w, "server %u: key %u is not found: %d", dial->server->index, dial->key, why);
    if (d->w.now > dial->began + 2 * CV_DIRECTORY_WAIT + 2 * LINK_MAX + CV_SEC)
        sim_fail(&d->w, "server %u: a dial took too long", dial->server->index);
    sim_count(&d->w, why == CV_EAWAY ? SIM_DIR_AWAY : SIM_DIR_NOBODY, 1);
    dial_end(dial);
}

static void ask(struct dir_dial *dial)
{
    struct dir *d = dial->server->dir;
    char key[16];
    int rc;

    name_key(key, dial->key);
    dial->arrives_at = CV_NEVER;
    rc = cv_directory_ask(dial->server->core, key, &dial->waiter, d->w.now);
    if (rc == 1)
        go(dial);
    else if (rc < 0)
        give_up(dial, rc);
}

/* It is at the server that the claim names. */
static void arrive(struct dir_dial *dial)
{
    struct dir *d = dial->server->dir;
    const struct cv_claim *claim = &dial->waiter.claim;
    struct dir_server *there = &d->servers[claim->server[1] - '0'];
    char key[16];

    name_key(key, dial->key);
    if (there->core && there->run == claim->incarnation && has(d, there->index, dial->key)) {
        sim_count(&d->w, SIM_DIR_REACHED, 1);
        sim_count(&d->w, SIM_DIR_RETRIED, dial->again);
        dial_end(dial);
        return;
    }
    if (there->core && there->run == claim->incarnation) {
        cv_directory_denied(there->core, key);
        sim_wake(&there->actor, d->w.now);
    }
    sim_count(&d->w, SIM_DIR_STALE, 1);
    cv_directory_failed(dial->server->core, key, claim);
    dial->waiter.but_incarnation = claim->incarnation;
    dial->waiter.but_session = claim->session;
    if (dial->again) {
        give_up(dial, CV_ENOPEER);
        return;
    }
    dial->again = true;
    ask(dial);
}

void dir_dials_run(struct dir_server *s)
{
    struct cv_directory_waiter *waiter;

    while ((waiter = cv_directory_woken(s->core))) {
        struct dir_dial *dial = cv_container_of(waiter, struct dir_dial, waiter);

        if (waiter->result < 0)
            give_up(dial, waiter->result);
        else
            go(dial);
    }
    cv_list_each_safe (link, &s->dials) {
        struct dir_dial *dial = cv_container_of(link, struct dir_dial, link);

        if (dial->arrives_at <= s->dir->w.now)
            arrive(dial);
    }
}

uint64_t dir_dials_deadline(const struct dir_server *s)
{
    uint64_t at = CV_NEVER;

    cv_list_each (link, &s->dials)
        at = cv_min_time(at, cv_container_of(link, struct dir_dial, link)->arrives_at);
    return at;
}

static void dial(struct dir *d, uint32_t server, uint32_t key, bool strict)
{
    struct dir_server *s = &d->servers[server];
    struct dir_dial *dial = s->core ? calloc(1, sizeof(*dial)) : NULL;

    if (!dial)
        return;
    dial->server = s;
    dial->key = key;
    dial->strict = strict;
    dial->began = d->w.now;
    dial->waiter.turns = sim_chance(&d->w, 30);
    cv_list_push_back(&s->dials, &dial->link);
    sim_wake(&s->actor, d->w.now);
    ask(dial);
}

static void drop_dials(struct dir_server *s)
{
    cv_list_each_safe (link, &s->dials) {
        struct dir_dial *dial = cv_container_of(link, struct dir_dial, link);

        cv_directory_unwait(s->core, &dial->waiter);
        dial_end(dial);
    }
}

/* Faults. */

static void stop(struct dir_server *s, bool goodbye)
{
    struct dir *d = s->dir;

    if (!s->core)
        return;
    for (uint32_t i = 0; i < d->agent_count; i++)
        if (d->agents[i] && session_of(d, d->agents[i])->server == s->index) {
            if (goodbye)
                leave(d, i);
            session_of(d, d->agents[i])->ended_at = d->w.now;
            d->agents[i] = 0;
        }
    drop_dials(s);
    dir_server_stop(s, goodbye);
    s->starts_at = d->w.now + sim_below(&d->w, OUTAGE_MAX / 2);
    sim_wake(&s->actor, s->starts_at);
}

static void break_something(struct dir *d)
{
    struct dir_server *s = &d->servers[sim_below(&d->w, d->server_count)];
    uint64_t until = d->w.now + sim_below(&d->w, sim_chance(&d->w, 50) ? 3 * CV_SEC : OUTAGE_MAX);
    enum sim_count what = (enum sim_count)sim_between(&d->w, SIM_DIR_FROZEN, SIM_DIR_STOPPED);

    sim_count(&d->w, what, 1);
    sim_trace(&d->w, "fault %d of server %u until %.1f s", what - SIM_DIR_FROZEN, s->index,
              (double)until / 1e6);
    if (what == SIM_DIR_FROZEN)
        d->redis_frozen_until = until;
    else if (what == SIM_DIR_FULL)
        d->redis_full_until = until;
    else if (what == SIM_DIR_FORGOT)
        redis_model_flush(&d->redis);
    else if (what == SIM_DIR_RESTARTED)
        dir_redis_restart(d, until, sim_chance(&d->w, 50));
    else if (what == SIM_DIR_KILLED || what == SIM_DIR_STOPPED)
        stop(s, what == SIM_DIR_STOPPED);
    else
        s->cut_until = until + (sim_chance(&d->w, 20) ? 600 * CV_SEC : 0);
    if (what == SIM_DIR_CUT)
        dir_server_cut(s);
    sim_wake(&d->redis_actor, d->w.now);
}

static void fate(struct sim_actor *actor)
{
    struct dir *d = cv_container_of(actor, struct dir, fate);
    uint32_t agent = (uint32_t)sim_below(&d->w, d->agent_count);
    uint64_t roll = sim_below(&d->w, 100);

    if (d->w.now >= d->chaos_until)
        return;
    d->memory.fail_at = d->memory_fails ? d->memory.calls + 1 + sim_below(&d->w, 400) : 0;
    if (roll < 55) {
        dial(d, (uint32_t)sim_below(&d->w, d->server_count), (uint32_t)sim_below(&d->w, DIR_KEYS),
             false);
    } else if (roll < 75) {
        leave(d, agent);
        if (sim_chance(&d->w, 70))
            join(d, agent);
    } else if (roll < 92) {
        if (d->agents[agent] == 0)
            join(d, agent);
    } else {
        break_something(d);
    }
    sim_wake(actor, d->w.now + sim_below(&d->w, 4 * CV_SEC));
}

/* At rest. */

static void check_redis(struct dir *d)
{
    for (uint32_t key = 0; key < DIR_KEYS; key++)
        for (uint32_t i = 0; i < d->server_count; i++) {
            char name[64], field[64];
            const char *value;

            if (!d->servers[i].core) /* what it left is a lease's to end */
                continue;
            snprintf(name, sizeof(name), "culvert:r:{key%u}", key);
            snprintf(field, sizeof(field), "s%u/%llu", i, (unsigned long long)d->servers[i].run);
            value = redis_model_get(&d->redis, d->w.now, name, field);
            if ((value != NULL) != has(d, i, key))
                sim_fail(&d->w, "server %u: key %u is %s Redis", i, key, value ? "in" : "not in");
            if (value && !lives(d, session_of(d, (uint32_t)strtoul(value, NULL, 10))))
                sim_fail(&d->w, "server %u: key %u: session %s is over", i, key, value);
        }
}

static bool elsewhere(const struct dir *d, uint32_t server, uint32_t key)
{
    for (uint32_t i = 0; i < d->server_count; i++)
        if (i != server && has(d, i, key))
            return true;
    return false;
}

static void check_routes(struct dir *d)
{
    for (uint32_t i = 0; i < d->server_count; i++)
        for (uint32_t key = 0; d->servers[i].core && key < DIR_KEYS; key++) {
            uint64_t stale = d->w.counts->n[SIM_DIR_STALE], found = d->w.counts->n[SIM_DIR_REACHED];
            bool there = elsewhere(d, i, key);

            dial(d, i, key, there);
            sim_run(&d->w, d->w.now + CV_SEC);
            if (d->w.counts->n[SIM_DIR_STALE] != stale)
                sim_fail(&d->w, "server %u: the route to key %u is stale at rest", i, key);
            if ((d->w.counts->n[SIM_DIR_REACHED] != found) != there)
                sim_fail(&d->w, "server %u: key %u is %sreached", i, key, there ? "not " : "");
            sim_count(&d->w, there ? SIM_DIR_REST_THERE : SIM_DIR_REST_NOWHERE, 1);
        }
}

static void check_servers(struct dir *d)
{
    uint32_t running = 0;

    for (uint32_t i = 0; i < d->server_count; i++)
        running += d->servers[i].core != NULL;
    for (uint32_t i = 0; i < d->server_count; i++) {
        const struct cv_directory_stats *stats;

        if (!d->servers[i].core)
            continue;
        stats = cv_directory_stats(d->servers[i].core);

        if (stats->waiting || stats->unpublished || stats->members != running ||
            (!d->memory_fails && stats->watched != stats->cached))
            sim_fail(&d->w, "server %u: %u wait, %u unpublished, %u servers, %u of %u watched", i,
                     stats->waiting, stats->unpublished, stats->members, stats->watched,
                     stats->cached);
        if (cv_directory_trouble(d->servers[i].core)[0])
            sim_fail(&d->w, "server %u: %s", i, cv_directory_trouble(d->servers[i].core));
    }
}

static void rest(struct dir *d)
{
    d->w.healed = true;
    d->memory.fail_at = 0;
    d->redis_frozen_until = d->redis_down_until = d->redis_full_until = 0;
    for (uint32_t i = 0; i < d->server_count; i++) {
        d->servers[i].cut_until = 0;
        if (sim_chance(&d->w, 60)) /* else, when it was killed, it stays so */
            d->servers[i].starts_at = 0;
        else
            d->servers[i].starts_at = d->servers[i].starts_at > d->w.now ? CV_NEVER : 0;
        sim_wake(&d->servers[i].actor, d->w.now);
    }
    sim_wake(&d->redis_actor, d->w.now);
    sim_run(&d->w, d->w.now + QUIET_FOR);
    check_redis(d);
    check_servers(d);
    check_routes(d);
    for (uint32_t i = 0; i < d->agent_count; i++) { /* changes are heard at once */
        leave(d, i);
        if (sim_chance(&d->w, 70))
            join(d, i);
    }
    sim_run(&d->w, d->w.now + CV_DIRECTORY_UNWATCHED + CV_SEC);
    check_redis(d);
    check_routes(d);
    check_servers(d);
}

static void check_nothing(struct sim_world *w)
{
    (void)w;
}

void sim_directory(uint64_t seed, bool verbose, struct sim_counts *counts)
{
    struct dir *d = calloc(1, sizeof(*d));

    if (!d)
        abort();
    sim_world_init(&d->w, seed, verbose, counts);
    d->w.options = "--directory ";
    d->w.check = check_nothing;
    test_alloc_init(&d->memory);
    d->random = cv_prng_random(&d->w.prng);
    d->memory_fails = sim_chance(&d->w, 20);
    d->server_count = (uint32_t)sim_between(&d->w, 2, DIR_SERVERS_MAX);
    d->agent_count = (uint32_t)sim_between(&d->w, 2, DIR_AGENTS);
    d->slowest = sim_chance(&d->w, 50) ? 2 * CV_MSEC : 500 * CV_MSEC;
    d->chaos_until = d->w.now + sim_between(&d->w, 20, sim_chance(&d->w, 10) ? 1500 : 300) * CV_SEC;
    dir_wire_init(d);
    sim_actor_init(&d->w, &d->fate, fate);
    sim_wake(&d->fate, d->w.now);
    sim_run(&d->w, d->chaos_until);
    rest(d);
    for (uint32_t i = 0; i < d->server_count; i++) {
        if (!d->servers[i].core)
            continue;
        drop_dials(&d->servers[i]);
        dir_server_stop(&d->servers[i], false);
    }
    if (d->memory.live != 0)
        sim_fail(&d->w, "%zu blocks are left at the end", d->memory.live);
    sim_world_deinit(&d->w);
    free(d);
}
