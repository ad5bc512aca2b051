#include "sim/stream.h"

#include <errno.h>
#include <string.h>

/* A scripted socket. */

struct sock_stream {
    struct sim_stream base;
    struct sim_sock *sock;
};

static struct sim_sock *sock_of(const struct sim_stream *stream)
{
    return ((const struct sock_stream *)(const void *)stream)->sock;
}

static ssize_t sock_stream_read(struct sim_stream *stream, uint8_t *into, size_t max)
{
    return sim_sock_read(sock_of(stream), into, max);
}

static ssize_t sock_stream_write(struct sim_stream *stream, const uint8_t *data, size_t len)
{
    return sim_sock_write(sock_of(stream), data, len);
}

static void sock_stream_shutdown(struct sim_stream *stream)
{
    sim_sock_shutdown(sock_of(stream));
}

static void sock_stream_close(struct sim_stream *stream, bool error)
{
    (void)error;
    sim_sock_close(sock_of(stream));
}

static bool sock_stream_readable(const struct sim_stream *stream)
{
    return sim_sock_readable(sock_of(stream));
}

static void sock_stream_kick(struct sim_stream *stream)
{
    sim_wake(&sock_of(stream)->actor, sock_of(stream)->w->now);
}

static const struct sim_stream_ops sock_ops = {
    .read = sock_stream_read,
    .write = sock_stream_write,
    .shutdown = sock_stream_shutdown,
    .close = sock_stream_close,
    .readable = sock_stream_readable,
    .kick = sock_stream_kick,
};

static void sock_ready(void *ctx, struct sim_sock *sock)
{
    struct sock_stream *s = ctx;

    (void)sock;
    s->base.ready(s->base.ctx);
}

struct sim_stream *sim_stream_of_sock(struct sim_world *w, struct sim_sock *sock)
{
    struct sock_stream *s = sim_new(w, sizeof(*s));

    s->base.ops = &sock_ops;
    s->sock = sock;
    sock->ready = sock_ready;
    sock->ctx = s;
    sim_wake(&sock->actor, w->now);
    return &s->base;
}

/* A pair. */

#define PAIR_ROOM ((size_t)65536)

struct pair_end {
    struct sim_stream base;
    struct sim_actor actor;
    struct sim_world *w;
    struct pair_end *mate;
    uint8_t data[PAIR_ROOM]; /* to be read here */
    size_t start, len;
    bool over, reset; /* the mate will write no more */
    bool closed, ended;
};

static struct pair_end *pair_of(struct sim_stream *stream)
{
    return (struct pair_end *)(void *)stream;
}

static void pair_kick(struct sim_stream *stream)
{
    struct pair_end *end = pair_of(stream);

    sim_wake(&end->actor, end->w->now);
}

static bool pair_readable(const struct sim_stream *stream)
{
    const struct pair_end *end = (const struct pair_end *)(const void *)stream;

    return !end->closed && !end->ended && (end->len || end->over || end->reset);
}

static ssize_t pair_read(struct sim_stream *stream, uint8_t *into, size_t max)
{
    struct pair_end *end = pair_of(stream);
    size_t n = cv_min_size(max, end->len);

    if (end->reset)
        return -ECONNRESET;
    if (n == 0) {
        end->ended = end->over;
        return end->over ? 0 : -EAGAIN;
    }
    memcpy(into, end->data + end->start, n);
    end->start += n;
    end->len -= n;
    pair_kick(&end->mate->base);
    return (ssize_t)n;
}

static ssize_t pair_write(struct sim_stream *stream, const uint8_t *data, size_t len)
{
    struct pair_end *mate = pair_of(stream)->mate;
    size_t n;

    if (mate->closed)
        return -ECONNRESET;
    memmove(mate->data, mate->data + mate->start, mate->len);
    mate->start = 0;
    n = cv_min_size(len, PAIR_ROOM - mate->len);
    if (n == 0)
        return -EAGAIN;
    memcpy(mate->data + mate->len, data, n);
    mate->len += n;
    pair_kick(&mate->base);
    return (ssize_t)n;
}

static void pair_shutdown(struct sim_stream *stream)
{
    struct pair_end *mate = pair_of(stream)->mate;

    mate->over = true;
    pair_kick(&mate->base);
}

static void pair_close(struct sim_stream *stream, bool error)
{
    struct pair_end *end = pair_of(stream);

    end->closed = true;
    end->mate->over = true;
    end->mate->reset = end->mate->reset || error;
    pair_kick(&end->mate->base);
}

static const struct sim_stream_ops pair_ops = {
    .read = pair_read,
    .write = pair_write,
    .shutdown = pair_shutdown,
    .close = pair_close,
    .readable = pair_readable,
    .kick = pair_kick,
};

static void pair_run(struct sim_actor *actor)
{
    struct pair_end *end = cv_container_of(actor, struct pair_end, actor);

    if (!end->closed && end->base.ready)
        end->base.ready(end->base.ctx);
}

void sim_stream_pair(struct sim_world *w, struct sim_stream *out[2])
{
    struct pair_end *ends[2];

    for (int i = 0; i < 2; i++) {
        ends[i] = sim_new(w, sizeof(*ends[i]));
        ends[i]->w = w;
        ends[i]->base.ops = &pair_ops;
        sim_actor_init(w, &ends[i]->actor, pair_run);
        out[i] = &ends[i]->base;
    }
    ends[0]->mate = ends[1];
    ends[1]->mate = ends[0];
}
