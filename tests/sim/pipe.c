#include "sim/pipe.h"

#include <errno.h>
#include <string.h>

#define SEGMENTS_MAX 1024

struct sim_segment {
    uint64_t at; /* when it arrives */
    size_t len;
};

static void pipe_init(struct sim_world *w, struct sim_pipe *p, const struct sim_wire_plan *plan)
{
    p->w = w;
    p->cap = plan->cap;
    p->delay = plan->delay;
    p->bandwidth = plan->bandwidth;
    p->ring = sim_new(w, plan->cap);
    p->segments = sim_new(w, SEGMENTS_MAX * sizeof(*p->segments));
    p->lost_at = p->writer_knows = p->reader_knows = CV_NEVER;
}

struct sim_wire *sim_wire_new(struct sim_world *w, const struct sim_wire_plan *plan)
{
    struct sim_wire *wire = sim_new(w, sizeof(*wire));

    pipe_init(w, &wire->pipe[0], plan);
    pipe_init(w, &wire->pipe[1], plan);
    return wire;
}

static void wake(struct sim_actor *actor, uint64_t at)
{
    if (actor)
        sim_wake(actor, at);
}

static void ring_put(struct sim_pipe *p, const uint8_t *data, size_t len)
{
    size_t at = (p->head + p->len) % p->cap;
    size_t here = cv_min_size(len, p->cap - at);

    memcpy(p->ring + at, data, here);
    memcpy(p->ring, data + here, len - here);
    p->len += len;
}

static void ring_get(struct sim_pipe *p, uint8_t *out, size_t len)
{
    size_t here = cv_min_size(len, p->cap - p->head);

    memcpy(out, p->ring + p->head, here);
    memcpy(out + here, p->ring, len - here);
    p->head = (p->head + len) % p->cap;
    p->len -= len;
}

/* Now and then a socket takes or gives less than it could: every such cut must be harmless. */
static size_t cut_anywhere(struct sim_world *w, size_t len)
{
    return len > 1 && sim_chance(w, 15) ? (size_t)sim_between(w, 1, len) : len;
}

ssize_t sim_pipe_write(struct sim_pipe *p, const uint8_t *data, size_t len)
{
    struct sim_world *w = p->w;
    size_t n = cv_min_size(len, p->cap - p->len);
    struct sim_segment *segment;

    if (w->now >= p->writer_knows || p->fin)
        return -EPIPE;
    /* as sockets do it: a full one takes more only when a good part of it is free again */
    if (n == 0 || (n < len && p->cap - p->len < p->cap / 3) || p->segment_count == SEGMENTS_MAX)
        return -EAGAIN;
    n = cut_anywhere(w, n);
    ring_put(p, data, n);
    p->free_at = (p->free_at > w->now ? p->free_at : w->now) + n * CV_SEC / p->bandwidth;
    segment = &p->segments[(p->first_segment + p->segment_count++) % SEGMENTS_MAX];
    *segment = (struct sim_segment){.at = p->free_at + p->delay, .len = n};
    wake(p->reader, segment->at);
    return (ssize_t)n;
}

static void arrive(struct sim_pipe *p)
{
    struct sim_world *w = p->w;

    if (w->now < p->stall_until) {
        wake(p->reader, p->stall_until);
        return;
    }
    while (p->segment_count) {
        const struct sim_segment *segment = &p->segments[p->first_segment];

        if (segment->at >= p->lost_at)
            return;
        if (segment->at > w->now) {
            wake(p->reader, segment->at);
            return;
        }
        p->arrived += segment->len;
        p->first_segment = (p->first_segment + 1) % SEGMENTS_MAX;
        p->segment_count--;
    }
}

/* A reader that has not met EAGAIN is told of what is still to come. */
static void wake_for_more(struct sim_pipe *p)
{
    if (p->arrived || p->fin)
        wake(p->reader, p->w->now);
    else if (p->segment_count)
        wake(p->reader, p->segments[p->first_segment].at);
}

ssize_t sim_pipe_read(struct sim_pipe *p, uint8_t *out, size_t max)
{
    size_t n;

    if (p->w->now >= p->reader_knows)
        return -ECONNRESET;
    arrive(p);
    n = cv_min_size(max, p->arrived);
    if (n == 0)
        return p->fin && p->len == 0 && p->lost_at == CV_NEVER ? 0 : -EAGAIN;
    n = cut_anywhere(p->w, n);
    ring_get(p, out, n);
    p->arrived -= n;
    if (p->cap - p->len >= p->cap / 3)
        wake(p->writer, p->w->now);
    wake_for_more(p);
    return (ssize_t)n;
}

void sim_pipe_finish(struct sim_pipe *p)
{
    p->fin = true;
    wake(p->reader, p->w->now + p->delay);
}

void sim_wire_stall(struct sim_wire *wire, uint64_t until)
{
    for (int i = 0; i < 2; i++)
        wire->pipe[i].stall_until = until;
}

static void tell_cut(uint64_t *knows, struct sim_actor *actor, uint64_t at)
{
    *knows = at;
    wake(actor, at);
}

void sim_wire_cut(struct sim_wire *wire, uint64_t dialler_knows, uint64_t acceptor_knows)
{
    for (int i = 0; i < 2; i++)
        wire->pipe[i].lost_at = wire->pipe[i].w->now;
    tell_cut(&wire->pipe[0].writer_knows, wire->pipe[0].writer, dialler_knows);
    tell_cut(&wire->pipe[1].reader_knows, wire->pipe[1].reader, dialler_knows);
    tell_cut(&wire->pipe[1].writer_knows, wire->pipe[1].writer, acceptor_knows);
    tell_cut(&wire->pipe[0].reader_knows, wire->pipe[0].reader, acceptor_knows);
}

void sim_wire_heal(struct sim_wire *wire)
{
    for (int i = 0; i < 2; i++) {
        struct sim_pipe *p = &wire->pipe[i];

        p->stall_until = 0;
        p->bandwidth = 100000000;
        p->delay = cv_min_time(p->delay, CV_MSEC);
        wake(p->reader, p->w->now);
    }
}
