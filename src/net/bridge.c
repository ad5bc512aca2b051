#include "net/bridge.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/linger.h"

#define PIECE ((size_t)16 * 1024) /* bytes of one read, and all that a direction may hold */
#define READS 4                   /* in one go */

/* One direction. */
struct way {
    struct cv_stream *from, *to; /* borrowed from the bridge */
    uint8_t *rest;               /* owned: what `to` did not take; NULL: nothing */
    size_t at, len;              /* of rest */
    bool over;                   /* `from` has ended, and `to` was told */
};

struct bridge {
    struct cv_loop *loop;
    struct cv_stream *outer, *inner; /* owned */
    struct way in, out;
};

static void end(struct bridge *bridge)
{
    cv_free(&bridge->loop->alloc, bridge->in.rest);
    cv_free(&bridge->loop->alloc, bridge->out.rest);
    cv_stream_owner(bridge->outer, NULL, NULL);
    cv_stream_owner(bridge->inner, NULL, NULL);
    if (bridge->out.over)
        cv_linger(bridge->loop, bridge->outer);
    else
        cv_stream_close(bridge->outer);
    cv_stream_close(bridge->inner);
    cv_free(&bridge->loop->alloc, bridge);
}

/* Sends what waits: 0, or -EAGAIN while some of it still does. */
static int send_rest(struct cv_loop *loop, struct way *way)
{
    while (way->rest) {
        ssize_t n = cv_stream_send(way->to, way->rest + way->at, way->len - way->at);

        if (n < 0)
            return (int)n;
        way->at += (size_t)n;
        if (way->at < way->len)
            return -EAGAIN;
        cv_free(&loop->alloc, way->rest);
        way->rest = NULL;
    }
    return 0;
}

static int pass(struct cv_loop *loop, struct way *way, const uint8_t *data, size_t len)
{
    ssize_t n = cv_stream_send(way->to, data, len);

    if (n == -EAGAIN)
        n = 0;
    if (n < 0 || (size_t)n == len)
        return n < 0 ? (int)n : 0;
    way->len = len - (size_t)n;
    way->at = 0;
    way->rest = cv_alloc(&loop->alloc, way->len);
    if (!way->rest)
        return -ENOMEM;
    memcpy(way->rest, data + n, way->len);
    return -EAGAIN;
}

/* 0 or -EAGAIN: to be gone on with; else the bridge is broken. */
static int move(struct cv_loop *loop, struct way *way)
{
    int rc = send_rest(loop, way);

    for (int i = 0; i < READS && rc == 0 && !way->over; i++) {
        ssize_t n = cv_stream_recv(way->from, loop->read_buf, PIECE);

        if (n < 0)
            return (int)n;
        if (n == 0) {
            way->over = true;
            cv_stream_shutdown(way->to);
        } else {
            rc = pass(loop, way, loop->read_buf, (size_t)n);
        }
    }
    return rc;
}

static int watch(struct cv_stream *stream, const struct way *from_it, const struct way *to_it)
{
    return cv_stream_watch(stream, (from_it->rest || from_it->over ? 0 : CV_READABLE) |
                                       (to_it->rest ? CV_WRITABLE : 0));
}

static void on_ready(void *ctx, int events)
{
    struct bridge *bridge = ctx;
    int in = move(bridge->loop, &bridge->in), out = move(bridge->loop, &bridge->out);

    (void)events;
    if ((in < 0 && in != -EAGAIN) || (out < 0 && out != -EAGAIN) ||
        (bridge->out.over && !bridge->out.rest) ||
        watch(bridge->outer, &bridge->in, &bridge->out) < 0 ||
        watch(bridge->inner, &bridge->out, &bridge->in) < 0)
        end(bridge);
}

static int start(struct bridge *bridge)
{
    bridge->in = (struct way){.from = bridge->outer, .to = bridge->inner};
    bridge->out = (struct way){.from = bridge->inner, .to = bridge->outer};
    cv_stream_owner(bridge->outer, on_ready, bridge);
    cv_stream_owner(bridge->inner, on_ready, bridge);
    return cv_stream_watch(bridge->outer, CV_READABLE);
}

int cv_bridge_tls(struct cv_loop *loop, int fd, struct cv_tls *tls, int *plain)
{
    struct bridge *bridge = cv_alloc_zero(&loop->alloc, sizeof(*bridge));
    int pair[2], rc;

    if (!bridge)
        return -ENOMEM;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
        rc = -errno;
        cv_free(&loop->alloc, bridge);
        return rc;
    }
    bridge->loop = loop;
    rc = cv_stream_new(&bridge->inner, loop, pair[0]);
    if (rc == 0)
        rc = cv_stream_new_tls(&bridge->outer, loop, fd, tls);
    else
        close(pair[0]);
    if (rc < 0) {
        cv_stream_close(bridge->inner);
        cv_free(&loop->alloc, bridge);
        close(pair[1]);
        return rc;
    }
    *plain = pair[1];
    if (start(bridge) < 0)
        end(bridge); /* the other end of the pair finds out by itself */
    return 0;
}
