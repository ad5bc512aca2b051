#include "net/stream.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "net/stream_kind.h"

/* What the poll handle has to watch for the owner's wish, and for a goodbye that is still to be
 * sent. */
static int poll_events(const struct cv_stream *stream)
{
    int events = stream->goodbye_owed ? UV_WRITABLE : 0;

    if (stream->wanted & CV_READABLE)
        events |= stream->recv_waits;
    if (stream->wanted & CV_WRITABLE)
        events |= stream->send_waits;
    if (stream->wanted & CV_HANGUP)
        events |= UV_DISCONNECT;
    return events;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static int update_poll(struct cv_stream *stream)
{
    int events = poll_events(stream);
    int rc;

    if (events == stream->polled)
        return 0;
    rc = events ? uv_poll_start(&stream->poll, events, on_poll) : uv_poll_stop(&stream->poll);
    stream->polled = rc < 0 ? 0 : events;
    return rc;
}

static void on_idle(uv_idle_t *idle)
{
    struct cv_stream *stream = idle->data;

    stream->ready(stream->ctx, CV_READABLE);
    if (!stream->closed)
        (void)!cv_stream_watch(stream, stream->wanted); /* worked a moment ago */
}

/* Level-triggered reading also holds for bytes that were decrypted already: an owner that stopped
 * halfway and comes back would else wait for a kernel that has nothing more to say. */
static int update_idle(struct cv_stream *stream)
{
    bool needed =
        (stream->wanted & CV_READABLE) && stream->kind->buffered && stream->kind->buffered(stream);

    if (needed == stream->idling)
        return 0;
    if (!stream->idle) {
        stream->idle = cv_alloc_zero(&stream->loop->alloc, sizeof(*stream->idle));
        if (!stream->idle)
            return -ENOMEM;
        uv_idle_init(&stream->loop->uv, stream->idle);
        stream->idle->data = stream;
        stream->handles++;
    }
    if (needed)
        uv_idle_start(stream->idle, on_idle);
    else
        uv_idle_stop(stream->idle);
    stream->idling = needed;
    return 0;
}

/* Which of the owner's events @events of the socket, or an error of it, stand for. */
static int owner_events(const struct cv_stream *stream, int status, int events)
{
    int out = 0;

    if (status < 0 && stream->wanted)
        return CV_READABLE | CV_WRITABLE | CV_HANGUP;
    if ((stream->wanted & CV_HANGUP) && (events & UV_DISCONNECT))
        out |= CV_HANGUP;
    if ((stream->wanted & CV_READABLE) && (events & stream->recv_waits))
        out |= CV_READABLE;
    if ((stream->wanted & CV_WRITABLE) && (events & stream->send_waits))
        out |= CV_WRITABLE;
    return out;
}

static void finish_shutdown(struct cv_stream *stream)
{
    if (stream->kind->goodbye && stream->kind->goodbye(stream) == -EAGAIN) {
        stream->goodbye_owed = true;
        return;
    }
    stream->goodbye_owed = false;
    shutdown(stream->fd, SHUT_WR);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct cv_stream *stream = poll->data;
    int out = owner_events(stream, status, events);

    if (status < 0)
        stream->polled = 0; /* libuv stops the handle when the socket has an error */
    if (stream->goodbye_owed)
        finish_shutdown(stream);
    if (out)
        stream->ready(stream->ctx, out);
    if (!stream->closed)
        (void)!cv_stream_watch(stream,
                               stream->wanted); /* restarts a stopped one: level-triggered */
}

static void name_peer(struct cv_stream *stream)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(address);

    getpeername(stream->fd, (struct sockaddr *)&address, &len);
    cv_address_text(stream->peer, (struct sockaddr *)&address);
}

int cv_stream_start(struct cv_stream *stream, const struct cv_stream_kind *kind,
                    struct cv_loop *loop, int fd)
{
    int rc = uv_poll_init(&loop->uv, &stream->poll, fd);

    if (rc < 0)
        return rc;
    stream->poll.data = stream;
    stream->kind = kind;
    stream->loop = loop;
    stream->fd = fd;
    stream->handles = 1;
    stream->recv_waits = UV_READABLE;
    stream->send_waits = UV_WRITABLE;
    name_peer(stream);
    return 0;
}

void cv_stream_waits(struct cv_stream *stream, int recv_direction, int send_direction)
{
    stream->recv_waits = recv_direction;
    stream->send_waits = send_direction;
    (void)!update_poll(stream); /* only fails when the socket is gone, as the next call will say */
}

static ssize_t plain_recv(struct cv_stream *stream, void *buf, size_t len)
{
    ssize_t n;

    do
        n = recv(stream->fd, buf, len, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t plain_send(struct cv_stream *stream, const void *buf, size_t len)
{
    ssize_t n;

    do
        n = send(stream->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static void plain_close(struct cv_stream *stream)
{
    close(stream->fd);
}

static const struct cv_stream_kind plain_kind = {
    .recv = plain_recv,
    .send = plain_send,
    .close = plain_close,
};

int cv_stream_new(struct cv_stream **out, struct cv_loop *loop, int fd)
{
    struct cv_stream *stream = cv_alloc_zero(&loop->alloc, sizeof(*stream));
    int rc;

    if (!stream)
        return -ENOMEM;
    rc = cv_stream_start(stream, &plain_kind, loop, fd);
    if (rc < 0) {
        cv_free(&loop->alloc, stream);
        return rc;
    }
    *out = stream;
    return 0;
}

void cv_stream_owner(struct cv_stream *stream, cv_stream_ready *ready, void *ctx)
{
    stream->ready = ready;
    stream->ctx = ctx;
    if (!ready)
        (void)!cv_stream_watch(stream, 0); /* stopping does not fail */
}

int cv_stream_watch(struct cv_stream *stream, int events)
{
    int rc;

    stream->wanted = stream->ready ? events : 0;
    rc = update_poll(stream);
    return rc < 0 ? rc : update_idle(stream);
}

ssize_t cv_stream_recv(struct cv_stream *stream, void *buf, size_t len)
{
    return stream->kind->recv(stream, buf, len);
}

ssize_t cv_stream_send(struct cv_stream *stream, const void *buf, size_t len)
{
    return stream->kind->send(stream, buf, len);
}

void cv_stream_shutdown(struct cv_stream *stream)
{
    finish_shutdown(stream);
    (void)!update_poll(stream);
}

void cv_stream_reset(struct cv_stream *stream)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};

    stream->reset = true;
    setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void handle_closed(struct cv_stream *stream)
{
    const struct cv_alloc *alloc = &stream->loop->alloc;

    if (--stream->handles > 0)
        return;
    cv_free(alloc, stream->idle);
    cv_free(alloc, stream);
}

static void on_poll_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

static void on_idle_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

int cv_stream_error(const struct cv_stream *stream)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -errno;
    return -error;
}

size_t cv_stream_unread(const struct cv_stream *stream)
{
    int bytes = 0;

    return ioctl(stream->fd, FIONREAD, &bytes) < 0 ? 0 : (size_t)bytes;
}

size_t cv_stream_unsent(const struct cv_stream *stream)
{
    int bytes = 0;

    return ioctl(stream->fd, SIOCOUTQ, &bytes) < 0 ? 0 : (size_t)bytes;
}

void cv_stream_limit_unsent(struct cv_stream *stream, int bytes)
{
    setsockopt(stream->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
}

void cv_stream_close(struct cv_stream *stream)
{
    if (!stream)
        return;
    stream->closed = true;
    stream->ready = NULL;
    stream->wanted = 0;
    if (stream->idle)
        uv_close((uv_handle_t *)stream->idle, on_idle_closed);
    /* From here on the loop has forgotten the socket, so its number may be used anew at once. */
    uv_close((uv_handle_t *)&stream->poll, on_poll_closed);
    stream->kind->close(stream);
}

int cv_stream_fd(const struct cv_stream *stream)
{
    return stream->fd;
}

bool cv_stream_is_tls(const struct cv_stream *stream)
{
    return stream->kind->tls;
}

const char *cv_stream_peer(const struct cv_stream *stream)
{
    return stream->peer;
}
