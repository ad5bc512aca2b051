#include "sim/sock.h"

#include <errno.h>
#include <string.h>

/* Bytes that a source's socket holds before they are read. */
#define SOURCE_BUFFER UINT64_C(131072)

static uint64_t pattern_word(uint64_t key, uint64_t index)
{
    uint64_t x = (key + index) * UINT64_C(0x9e3779b97f4a7c15);

    x ^= x >> 29;
    return x * UINT64_C(0xbf58476d1ce4e5b9);
}

void sim_pattern_fill(const struct sim_flow *flow, uint64_t position, uint8_t *out, size_t len)
{
    for (; position % 8 == 0 && len >= 8; position += 8, out += 8, len -= 8) {
        uint64_t word = pattern_word(flow->key, position / 8);

        memcpy(out, &word, 8);
    }
    while (len) {
        uint64_t word = pattern_word(flow->key, position / 8);
        size_t skip = position % 8;
        size_t n = cv_min_size(len, 8 - skip);

        memcpy(out, (uint8_t *)&word + skip, n);
        out += n;
        len -= n;
        position += n;
        if (position % 8 == 0 && len >= 8) {
            sim_pattern_fill(flow, position, out, len);
            return;
        }
    }
}

/* Each byte that reaches a sink is the one that its position asks for. */
static void check_bytes(struct sim_sock *sock, const uint8_t *data, size_t len)
{
    struct sim_flow *flow = sock->in;
    uint8_t want[1024];

    if (flow->unchecked)
        return;
    if (flow->got + len > flow->sent)
        sim_fail(sock->w, "a sink got %llu bytes, more than its source gave",
                 (unsigned long long)(flow->got + len));
    for (size_t done = 0; done < len;) {
        size_t n = cv_min_size(sizeof(want), len - done);

        sim_pattern_fill(flow, flow->got + done, want, n);
        if (memcmp(want, data + done, n) != 0)
            sim_fail(sock->w, "a sink got wrong bytes after position %llu",
                     (unsigned long long)(flow->got + done));
        done += n;
    }
}

/* How much the source may have offered by now. */
static uint64_t source_limit(const struct sim_sock *sock)
{
    uint64_t limit = cv_min_time(sock->plan.total, sock->out->sent + SOURCE_BUFFER);

    return sock->plan.echo ? cv_min_time(limit, sock->in->got) : limit;
}

static bool source_is_over(const struct sim_sock *sock)
{
    const struct sim_sock_plan *plan = &sock->plan;

    if (plan->echo)
        return sock->in_ended && sock->out->sent == cv_min_time(plan->total, sock->in->got);
    if (plan->end == SIM_END_HOLD)
        return sock->in_ended && sock->out->sent == plan->total;
    return sock->out->sent == plan->total && (sock->in->got >= plan->need || sock->in_ended);
}

bool sim_sock_readable(const struct sim_sock *sock)
{
    if (sock->closed || sock->out->ended)
        return false;
    return sock->offered > sock->out->sent || source_is_over(sock);
}

static void source_step(struct sim_sock *sock)
{
    struct sim_world *w = sock->w;
    uint64_t limit = source_limit(sock);

    if (sock->offered >= limit)
        return;
    if (w->now >= sock->burst_at || w->healed) {
        uint64_t burst = w->healed || sock->plan.echo ? limit : sock->plan.burst;

        sock->offered = cv_min_time(limit, sock->offered + burst);
        sock->burst_at = w->now + sock->plan.burst_every;
    }
    if (sock->offered < limit)
        sim_wake(&sock->actor, sock->burst_at);
}

static void sink_step(struct sim_sock *sock)
{
    struct sim_world *w = sock->w;
    struct sim_sock_plan *plan = &sock->plan;

    if (sock->held == 0)
        return;
    if (w->healed) {
        sock->held = 0;
        return;
    }
    if (!sock->stalled && sock->in->got >= plan->stall_at) {
        sock->stalled = true;
        sock->drain_at = w->now + plan->stall_for;
    }
    if (w->now >= sock->drain_at) {
        sock->held -= cv_min_time(sock->held, plan->drain);
        sock->drain_at = w->now + plan->drain_every;
    }
    if (sock->held)
        sim_wake(&sock->actor, sock->drain_at);
}

static uint64_t sink_room(const struct sim_sock *sock)
{
    uint64_t used = sock->held, room = sock->plan.room;

    if (sock->plan.echo && sock->in->got > sock->out->sent &&
        sock->in->got - sock->out->sent > used)
        used = sock->in->got - sock->out->sent;
    if (sock->w->healed && room < SOURCE_BUFFER)
        room = SOURCE_BUFFER;
    return used < room ? room - used : 0;
}

static void sock_run(struct sim_actor *actor)
{
    struct sim_sock *sock = cv_container_of(actor, struct sim_sock, actor);

    if (sock->closed)
        return;
    source_step(sock);
    sink_step(sock);
    sock->ready(sock->ctx, sock);
}

static void no_owner(void *ctx, struct sim_sock *sock)
{
    (void)ctx;
    (void)sock;
}

struct sim_sock *sim_sock_new(struct sim_world *w, const struct sim_sock_plan *plan,
                              struct sim_flow *out, struct sim_flow *in)
{
    struct sim_sock *sock = sim_new(w, sizeof(*sock));

    sock->w = w;
    sock->plan = *plan;
    sock->out = out;
    sock->in = in;
    sock->ready = no_owner;
    sim_actor_init(w, &sock->actor, sock_run);
    sim_wake(&sock->actor, w->now);
    return sock;
}

ssize_t sim_sock_read(struct sim_sock *sock, uint8_t *into, size_t max)
{
    size_t n = cv_min_size(max, (size_t)(sock->offered - sock->out->sent));

    if (sock->closed)
        return -ECONNRESET;
    if (n) {
        if (n > 1 && sim_chance(sock->w, 10))
            n = (size_t)sim_between(sock->w, 1, n);
        sim_pattern_fill(sock->out, sock->out->sent, into, n);
        sock->out->sent += n;
        sim_wake(&sock->actor, sock->w->now);
        return (ssize_t)n;
    }
    if (!source_is_over(sock) || sock->out->ended)
        return -EAGAIN;
    if (sock->plan.end == SIM_END_RESET) {
        sim_count(sock->w, SIM_FAULT_SOURCE, 1);
        return -ECONNRESET;
    }
    sock->out->ended = true;
    return 0;
}

ssize_t sim_sock_write(struct sim_sock *sock, const uint8_t *data, size_t len)
{
    size_t n = cv_min_size(len, (size_t)sink_room(sock));

    if (sock->closed)
        return -ECONNRESET;
    if (sock->in->got >= sock->plan.sink_fails_at) {
        sim_count(sock->w, SIM_FAULT_SINK, 1);
        return -ECONNRESET;
    }
    if (sock->in_ended)
        sim_fail(sock->w, "bytes came to a sink after its end");
    if (n == 0)
        return -EAGAIN;
    if (n > 1 && sim_chance(sock->w, 10))
        n = (size_t)sim_between(sock->w, 1, n);
    check_bytes(sock, data, n);
    sock->in->got += n;
    sock->held += n;
    sim_count(sock->w, SIM_BYTES, n);
    sim_wake(&sock->actor, sock->w->now);
    return (ssize_t)n;
}

void sim_sock_shutdown(struct sim_sock *sock)
{
    sock->in_ended = true;
    sim_wake(&sock->actor, sock->w->now);
}

void sim_sock_close(struct sim_sock *sock)
{
    sock->closed = true;
    sock->in_ended = true;
}
