#include "net/datagrams.h"

#include <errno.h>
#include <unistd.h>

#include "net/log.h"
#include "net/timer.h"

#define DROPS_A_READ 16 /* empty or too long datagrams that one read passes over */

struct datagrams {
    struct cv_endpoint endpoint;
    struct cv_tunnel *tunnel; /* borrowed: it outlives its connections */
    int64_t conn_id;
    struct cv_stream *stream; /* owned: of datagrams, a recv or send each */
    struct cv_timer *timer;   /* owned */
    uint64_t idle, used_at;
    bool is_pair; /* a recv of nothing is the end; else an empty datagram */
    cv_relay_ended *ended;
    void *ctx; /* borrowed */
    uint64_t bytes_in, bytes_out;
};

static struct datagrams *of(struct cv_endpoint *endpoint)
{
    return cv_container_of(endpoint, struct datagrams, endpoint);
}

static uint64_t now(const struct datagrams *d)
{
    return cv_loop_now(cv_tunnel_loop(d->tunnel));
}

static void end(struct datagrams *d, enum cv_reason reason, const char *text)
{
    cv_tunnel_abort(d->tunnel, d->conn_id, reason, text);
}

static void on_timer(void *ctx)
{
    struct datagrams *d = ctx;
    uint64_t quiet = now(d) - d->used_at;

    if (quiet >= d->idle)
        end(d, CV_REASON_EOF, "EOF");
    else
        cv_timer_set(d->timer, d->idle - quiet);
}

/* One datagram a turn; the socket is asked again in the next. */
static void on_ready(void *ctx, int events)
{
    struct datagrams *d = ctx;

    (void)events;
    if (cv_stream_watch(d->stream, 0) < 0)
        return;
    if (cv_session_ready(cv_tunnel_session(d->tunnel), d->conn_id, true) == 0)
        cv_tunnel_touch(d->tunnel);
}

static ssize_t datagrams_data(struct cv_endpoint *endpoint, const uint8_t *data, size_t len)
{
    struct datagrams *d = of(endpoint);
    ssize_t n = cv_stream_send(d->stream, data, len);

    d->used_at = now(d);
    if (n > 0)
        d->bytes_in += (uint64_t)n;
    return n >= 0 || n == -EAGAIN || n == -ENOBUFS || n == -EMSGSIZE ? (ssize_t)len : n;
}

static ssize_t datagrams_read(struct cv_endpoint *endpoint, uint8_t *into, size_t max)
{
    struct datagrams *d = of(endpoint);
    ssize_t n = -EAGAIN;

    for (int i = 0; i < DROPS_A_READ; i++) {
        n = cv_stream_recv(d->stream, into, max);
        if (n < 0 || (n == 0 && d->is_pair))
            break;
        if (n > 0 && (size_t)n < max && (size_t)n <= CV_DGRAM_MAX) {
            d->used_at = now(d);
            d->bytes_out += (uint64_t)n;
            break;
        }
        n = -EAGAIN; /* an empty one, or one that was cut */
    }
    if ((n > 0 || n == -EAGAIN) && cv_stream_watch(d->stream, CV_READABLE) < 0)
        return -EIO;
    return n;
}

static void datagrams_fin(struct cv_endpoint *endpoint)
{
    struct datagrams *d = of(endpoint);

    d->used_at = 0; /* nobody sends any more: what is under way has a last moment */
    cv_timer_set(d->timer, CV_SEC);
}

static void datagrams_closed(struct cv_endpoint *endpoint, enum cv_reason reason, const char *text,
                             size_t len)
{
    struct datagrams *d = of(endpoint);

    cv_stream_close(d->stream);
    cv_timer_free(d->timer);
    if (d->ended)
        d->ended(d->ctx, &(struct cv_relay_end){.reason = reason,
                                                .text = text,
                                                .text_len = len,
                                                .bytes_in = d->bytes_in,
                                                .bytes_out = d->bytes_out});
    cv_free(&cv_tunnel_loop(d->tunnel)->alloc, d);
}

static const struct cv_endpoint_ops datagrams_ops = {
    .data = datagrams_data,
    .read = datagrams_read,
    .fin = datagrams_fin,
    .closed = datagrams_closed,
};

static int start(struct datagrams *d, int fd)
{
    struct cv_loop *loop = cv_tunnel_loop(d->tunnel);
    int rc = cv_stream_new(&d->stream, loop, fd);

    if (rc < 0) {
        close(fd);
        return rc;
    }
    rc = cv_timer_new(&d->timer, loop, on_timer, d);
    if (rc < 0)
        return rc;
    cv_timer_set(d->timer, d->idle);
    cv_timer_unref(d->timer);
    cv_stream_owner(d->stream, on_ready, d);
    rc = cv_stream_watch(d->stream, CV_READABLE);
    if (rc == 0)
        rc = cv_session_set_user(cv_tunnel_session(d->tunnel), d->conn_id, &d->endpoint);
    return rc;
}

int cv_datagrams_new(struct cv_tunnel *tunnel, int64_t conn_id, int fd, bool is_pair, uint64_t idle,
                     cv_relay_ended *ended, void *ctx)
{
    struct cv_loop *loop = cv_tunnel_loop(tunnel);
    struct datagrams *d = cv_alloc_zero(&loop->alloc, sizeof(*d));
    int rc;

    if (!d) {
        close(fd);
        return -ENOMEM;
    }
    d->endpoint.ops = &datagrams_ops;
    d->tunnel = tunnel;
    d->conn_id = conn_id;
    d->is_pair = is_pair;
    d->idle = idle;
    d->used_at = now(d);
    rc = start(d, fd);
    if (rc < 0) {
        cv_stream_close(d->stream);
        cv_timer_free(d->timer);
        cv_free(&loop->alloc, d);
        return rc;
    }
    d->ended = ended;
    d->ctx = ctx;
    cv_tunnel_touch(tunnel);
    return 0;
}
