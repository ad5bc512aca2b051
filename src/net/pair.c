#include "net/pair.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "net/connect.h"
#include "net/stream_kind.h"

struct cv_pair {
    struct cv_alloc alloc;
    atomic_uint refs;
    atomic_bool reset[2]; /* by that side */
};

struct pair_stream {
    struct cv_stream stream; /* first */
    struct cv_pair *pair;    /* a reference */
    enum cv_pair_side side;
};

static ssize_t pair_recv(struct cv_stream *stream, void *buf, size_t len)
{
    const struct pair_stream *end = (const struct pair_stream *)stream;
    ssize_t n = cv_socket_recv(stream->fd, buf, len);

    return n == 0 && atomic_load(&end->pair->reset[!end->side]) ? -ECONNRESET : n;
}

static ssize_t pair_send(struct cv_stream *stream, const void *buf, size_t len)
{
    return cv_socket_send(stream->fd, buf, len);
}

static void pair_close(struct cv_stream *stream)
{
    const struct pair_stream *end = (const struct pair_stream *)stream;

    if (stream->reset)
        cv_pair_reset(end->pair, end->side);
    close(stream->fd);
    cv_pair_unref(end->pair);
}

static const struct cv_stream_kind pair_kind = {
    .recv = pair_recv,
    .send = pair_send,
    .close = pair_close,
};

int cv_pair_new(struct cv_pair **out, int fds[2])
{
    struct cv_alloc alloc = cv_heap();
    struct cv_pair *pair = cv_alloc_zero(&alloc, sizeof(*pair));
    int rc = pair ? cv_connect_pair(fds) : -ENOMEM;

    if (rc < 0) {
        cv_free(&alloc, pair);
        return rc;
    }
    pair->alloc = alloc;
    atomic_store(&pair->refs, 2);
    *out = pair;
    return 0;
}

int cv_pair_stream(struct cv_stream **out, struct cv_loop *loop, struct cv_pair *pair,
                   enum cv_pair_side side, int fd)
{
    struct pair_stream *end = cv_alloc_zero(&loop->alloc, sizeof(*end));

    if (!end)
        return -ENOMEM;
    cv_stream_start(&end->stream, &pair_kind, loop, fd);
    end->pair = pair;
    end->side = side;
    *out = &end->stream;
    return 0;
}

int cv_pair_release(struct cv_stream *stream, struct cv_pair **pair)
{
    *pair = stream->kind == &pair_kind ? ((struct pair_stream *)stream)->pair : NULL;
    return cv_stream_release(stream);
}

void cv_pair_reset(struct cv_pair *pair, enum cv_pair_side side)
{
    atomic_store(&pair->reset[side], true);
}

void cv_pair_unref(struct cv_pair *pair)
{
    struct cv_alloc alloc;

    if (!pair || atomic_fetch_sub(&pair->refs, 1) != 1)
        return;
    alloc = pair->alloc;
    cv_free(&alloc, pair);
}
