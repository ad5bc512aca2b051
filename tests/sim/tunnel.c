#include "sim/tunnel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conn/conn.h"
#include "sim/relay.h"

#define READS_A_TURN 4
#define SENDS_A_TURN 8
#define READ_SIZE    ((size_t)65536)
/* As net/tunnel.c and net/tunnel.h. */
#define CLOSE_WAIT  (750 * CV_MSEC)
#define RETRY_AFTER (100 * CV_MSEC)

/* How late a virtual actor may be before a rule about time counts as broken. */
#define SLACK (1 * CV_SEC)

struct sim_node *sim_node_new(struct sim_world *w, const char *name, size_t budget)
{
    struct sim_node *node = sim_new(w, sizeof(*node));

    node->w = w;
    snprintf(node->name, sizeof(node->name), "%s", name);
    test_alloc_init(&node->memory);
    node->budget.limit = budget;
    cv_prng_init(&node->prng, cv_prng_next(&w->prng));
    node->random = cv_prng_random(&node->prng);
    cv_list_push_back(&w->nodes, &node->link);
    return node;
}

struct cv_session *sim_tunnel_session(struct sim_tunnel *t)
{
    return cv_link_session(t->link);
}

void sim_tunnel_touch(struct sim_tunnel *t)
{
    sim_wake(&t->actor, t->w->now > t->frozen_until ? t->w->now : t->frozen_until);
}

static void fail(struct sim_tunnel *t, int error)
{
    if (t->error)
        return;
    t->error = error;
    t->error_at = t->w->now;
    sim_trace(t->w, "%s: the link with %s fails: %d", t->node->name, t->key, error);
    if (error == CV_EDEAD)
        sim_count(t->w, SIM_LINKS_DEAD, 1);
    if (error == CV_EPROTO)
        sim_count(t->w, SIM_LINKS_PROTO, 1);
}

static void give_events(struct sim_tunnel *t)
{
    struct cv_session *session = sim_tunnel_session(t);
    struct cv_session_event event;

    while (cv_session_poll(session, &event)) {
        switch (event.kind) {
        case CV_EVENT_DATA:
        case CV_EVENT_FIN:
        case CV_EVENT_DRAIN:
        case CV_EVENT_CONNECTED:
        case CV_EVENT_SILENT:
        case CV_EVENT_CLOSED:
            if (event.user)
                sim_relay_event(event.user, &event);
            break;
        case CV_EVENT_CONNECT:
        case CV_EVENT_ADD_CLIENT:
        case CV_EVENT_REMOVE_CLIENT:
        case CV_EVENT_PUBLISHED:
        case CV_EVENT_NOTICE:
            if (!t->gone)
                t->owner.event(t->owner.ctx, t, &event);
            break;
        }
    }
}

void sim_tunnel_aside(struct sim_tunnel *t, const struct cv_link_turn *turn, size_t len)
{
    t->aside = malloc(len);
    if (!t->aside)
        abort();
    memcpy(t->aside, turn->into, len);
    memset(turn->into, 0, len);
    t->aside_sent = 0;
    cv_link_laid_aside(t->link, len, t->w->now);
    sim_count(t->w, SIM_ASIDES, 1);
}

static void drop_aside(struct sim_tunnel *t)
{
    free(t->aside);
    t->aside = NULL;
}

/* 0 when nothing is left. */
static ssize_t send_some(struct sim_tunnel *t)
{
    const uint8_t *data;
    size_t len = cv_link_output(t->link, &data), aside = cv_link_aside(t->link);
    ssize_t n;

    if (len > 0) {
        n = sim_pipe_write(t->out, data, len);
        if (n > 0)
            cv_link_sent(t->link, (size_t)n);
        return n;
    }
    if (aside == 0)
        return 0;
    n = sim_pipe_write(t->out, t->aside + t->aside_sent, aside);
    if (n <= 0)
        return n;
    t->aside_sent += (size_t)n;
    cv_link_aside_sent(t->link, (size_t)n);
    if (cv_link_aside(t->link) == 0)
        drop_aside(t);
    return n;
}

static int send_output(struct sim_tunnel *t)
{
    ssize_t n;

    while ((n = send_some(t)) > 0)
        ;
    if (n < 0)
        return n == -EAGAIN ? 0 : (int)n;
    cv_link_sent(t->link, 0);
    return 1;
}

static int flush(struct sim_tunnel *t)
{
    for (int i = 0; i < SENDS_A_TURN; i++) {
        struct cv_link_turn turn;
        int rc = send_output(t);

        if (rc <= 0)
            return rc;
        while ((rc = cv_link_fill(t->link, t->w->now, &turn)) > 0)
            sim_relay_turn(turn.user, &turn);
        if (rc < 0)
            return rc;
        if (!cv_link_pending(t->link))
            return 1;
    }
    sim_tunnel_touch(t);
    return send_output(t) < 0 ? -EPIPE : 0;
}

static int feed(struct sim_tunnel *t, const uint8_t *data, size_t len)
{
    /* of its own size, so that ASan sees every byte read beside it */
    uint8_t *copy = malloc(len > 0 ? len : 1);
    int n = 0;

    if (!copy)
        abort();
    memcpy(copy, data, len);
    for (size_t at = 0; at < len && n >= 0; at += (size_t)n) {
        n = cv_link_recv(t->link, copy + at, len - at, t->w->now);
        give_events(t);
        if (n == 0)
            sim_fail(t->w, "cv_link_recv() took nothing");
    }
    free(copy);
    return n < 0 ? n : 0;
}

static bool read_once(struct sim_tunnel *t)
{
    uint8_t buf[READ_SIZE];
    void *user;
    size_t passing = cv_link_passing(t->link, &user), passed;
    ssize_t n;
    int rc;

    /* as with bytes aside: every other length, by no random number */
    passing = passing % 2 == 0 ? passing : 0;
    n = sim_pipe_read(t->in, buf, passing ? cv_min_size(passing, sizeof(buf)) : sizeof(buf));

    if (n == -EAGAIN)
        return false;
    if (n <= 0) {
        fail(t, n == 0 ? -ECONNRESET : (int)n);
        t->give_up = 0;
        return false;
    }
    if (t->error)
        return true;
    passed = passing ? sim_relay_pass(user, buf, (size_t)n) : 0;
    if (passed > 0)
        cv_link_passed(t->link, passed, t->w->now);
    give_events(t);
    rc = feed(t, buf + passed, (size_t)n - passed);
    if (rc < 0)
        fail(t, rc);
    return true;
}

static void shut_when_done(struct sim_tunnel *t)
{
    if (t->error && t->give_up == CV_NEVER)
        t->give_up = t->w->now + CLOSE_WAIT;
    if (t->shut || !cv_link_done(t->link))
        return;
    t->shut = true;
    if (t->error)
        sim_pipe_finish(t->out);
}

/* The other end hears of it when a word of this one can reach it. */
static void cut(struct sim_tunnel *t)
{
    uint64_t now = t->w->now, heard = t->out->stall_until > now ? t->out->stall_until : now;

    if (t->out == &t->wire->pipe[0])
        sim_wire_cut(t->wire, now, heard);
    else
        sim_wire_cut(t->wire, heard, now);
}

static void go(struct sim_tunnel *t)
{
    sim_trace(t->w, "%s: the link with %s is gone", t->node->name, t->key);
    cut(t);
    drop_aside(t);
    cv_session_cut(sim_tunnel_session(t));
    t->gone = true;
    t->owner.closed(t->owner.ctx, t);
}

static void count_session(struct sim_tunnel *t)
{
    const struct cv_session_stats *stats = cv_session_stats(sim_tunnel_session(t));

    sim_count(t->w, SIM_PAUSES_OUT, stats->pauses_out);
    sim_count(t->w, SIM_RESUMES_OUT, stats->resumes_out);
    sim_count(t->w, SIM_PAUSES_IN, stats->pauses_in);
    sim_count(t->w, SIM_RESUMES_IN, stats->resumes_in);
}

/* Once the end is decided the session's own deadlines mean nothing, until it is cut. */
static void arm(struct sim_tunnel *t)
{
    if (t->error && !t->gone)
        sim_wake(&t->actor, t->give_up);
    else
        sim_wake(&t->actor, cv_min_time(cv_link_deadline(t->link), t->retry_at));
}

static void settle(struct sim_tunnel *t)
{
    int rc;

    give_events(t);
    if (!t->gone) {
        rc = flush(t);
        give_events(t);
        shut_when_done(t);
        if (rc == -ENOMEM) {
            t->retry_at = t->w->now + RETRY_AFTER;
        } else if (rc < 0) {
            fail(t, rc);
            t->give_up = 0;
        }
        if (t->w->now >= t->give_up) {
            go(t);
            give_events(t);
        }
    }
    if (t->gone && cv_session_conns(sim_tunnel_session(t)) == 0) {
        count_session(t);
        cv_link_free(t->link);
        t->link = NULL;
        cv_list_remove(&t->link_in_world);
        cv_list_remove(&t->actor.link);
    } else {
        arm(t);
    }
}

static void tick(struct sim_tunnel *t)
{
    bool ending = t->error && !t->gone;
    int rc;

    if (t->w->now >= t->retry_at)
        t->retry_at = CV_NEVER;
    if (ending || cv_link_deadline(t->link) > t->w->now)
        return;
    rc = cv_link_tick(t->link, t->w->now);
    if (rc < 0 && !t->gone)
        fail(t, rc);
}

static void tunnel_run(struct sim_actor *actor)
{
    struct sim_tunnel *t = cv_container_of(actor, struct sim_tunnel, actor);

    if (!t->link)
        return;
    if (t->w->now < t->frozen_until) {
        sim_wake(&t->actor, t->frozen_until);
        return;
    }
    for (int i = 0; !t->gone && i < READS_A_TURN && read_once(t); i++)
        ;
    tick(t);
    settle(t);
}

struct sim_tunnel *sim_tunnel_new(struct sim_node *node, struct sim_wire *wire,
                                  const struct sim_tunnel_plan *plan,
                                  const struct sim_tunnel_owner *owner)
{
    struct cv_session_config config = plan->config;
    struct cv_session *session;
    struct cv_link *link;
    struct sim_tunnel *t;

    config.parent = &node->budget;
    if (cv_session_new(&session, &config, &node->memory.alloc, &node->random, node->w->now) < 0)
        return NULL;
    if (cv_link_new(&link, session, &node->memory.alloc, &node->memory.alloc, &node->random) < 0) {
        cv_session_free(session);
        return NULL;
    }
    t = sim_new(node->w, sizeof(*t));
    t->w = node->w;
    t->opened_at = t->w->now;
    t->node = node;
    t->wire = wire;
    t->out = &wire->pipe[config.role == CV_SESSION_DIALLER ? 0 : 1];
    t->in = &wire->pipe[config.role == CV_SESSION_DIALLER ? 1 : 0];
    t->out->writer = t->in->reader = &t->actor;
    t->link = link;
    t->owner = *owner;
    t->give_up = t->retry_at = CV_NEVER;
    snprintf(t->key, sizeof(t->key), "%s", plan->key);
    sim_actor_init(t->w, &t->actor, tunnel_run);
    cv_list_push_back(&t->w->tunnels, &t->link_in_world);
    sim_tunnel_touch(t);
    return t;
}

void sim_tunnel_freeze(struct sim_tunnel *t, uint64_t until)
{
    t->frozen_until = until;
    sim_wake(&t->actor, until);
}

void sim_tunnel_close(struct sim_tunnel *t)
{
    if (t->gone)
        return;
    cv_link_close(t->link, CV_ENDING_LEAVES);
    fail(t, CV_ECLOSED);
    sim_tunnel_touch(t);
}

/* Every Resume of ours is tied to a Pause that went one way or the other since the one before it.
 * Between Culvert ends only to a Pause of ours; with credit there is none. */
static void check_resumes(struct sim_tunnel *t)
{
    const struct cv_session_config *config = cv_session_config(sim_tunnel_session(t));
    const struct cv_session_stats *s = cv_session_stats(sim_tunnel_session(t));
    uint64_t allowed = s->pauses_out + (config->culvert ? 0 : s->pauses_in);

    if (config->features & CV_FEATURE_CREDIT)
        allowed = 0;
    if (s->resumes_out > allowed)
        sim_fail(t->w, "%s: %llu Resumes said to %s, %llu allowed", t->node->name,
                 (unsigned long long)s->resumes_out, t->key, (unsigned long long)allowed);
}

/* What the sessions may keep at most, blocks apart: a cap each, or with credit the window, which
 * grows only by what was consumed. */
static size_t stored_limit(const struct cv_session *session)
{
    const struct cv_session_config *config = cv_session_config(session);
    size_t stored = cv_session_buffered(session), came = cv_session_stats(session)->bytes_in;

    if (!(config->features & CV_FEATURE_CREDIT))
        return cv_session_conns(session) * config->rx_cap;
    return cv_session_conns(session) * CV_WINDOW_INITIAL + 4 * (came > stored ? came - stored : 0);
}

static void check_stored(struct sim_tunnel *t)
{
    const struct cv_session *session = sim_tunnel_session(t);
    size_t limit = stored_limit(session);

    if (cv_session_buffered(session) >
        limit + limit / 8 + 65536 * (size_t)cv_session_conns(session))
        sim_fail(t->w, "%s: %zu bytes are stored for %u connections with %s", t->node->name,
                 cv_session_buffered(session), cv_session_conns(session), t->key);
}

static void check_queues(struct sim_tunnel *t)
{
    const struct cv_session_config *config = cv_session_config(sim_tunnel_session(t));
    size_t output_max = CV_LINK_BUFFER;
    const uint8_t *data;

    if (cv_session_buffered(sim_tunnel_session(t)) > config->budget)
        sim_fail(t->w, "%s: the session with %s is over its budget", t->node->name, t->key);
    if (t->node->budget.used > t->node->budget.limit)
        sim_fail(t->w, "%s: the process is over its budget", t->node->name);
    if (cv_link_output(t->link, &data) > output_max)
        sim_fail(t->w, "%s: %zu bytes wait to be sent to %s", t->node->name,
                 cv_link_output(t->link, &data), t->key);
}

/* Silence and broken protocols end a link in their time. */
static void check_times(struct sim_tunnel *t)
{
    const struct cv_session *session = sim_tunnel_session(t);
    uint64_t dead = cv_session_config(session)->culvert ? CV_DEAD_AFTER : CV_DEAD_AFTER_FOREIGN;

    if (t->gone || t->w->now < t->frozen_until + SLACK)
        return;
    if (t->error && t->w->now > t->error_at + SLACK)
        sim_fail(t->w, "%s: the broken link with %s is still there", t->node->name, t->key);
    if (t->w->now > cv_session_heard_at(session) + dead + 2 * SLACK)
        sim_fail(t->w, "%s: the silent link with %s is still there", t->node->name, t->key);
}

void sim_tunnel_check(struct sim_tunnel *t)
{
    if (!t->link)
        return;
    check_resumes(t);
    check_queues(t);
    check_stored(t);
    check_times(t);
}
