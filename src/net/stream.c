#include "net/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "net/stream_kind.h"

/* libuv's names of a socket's directions in those of epoll. */
static uint32_t direction(int uv_direction)
{
    return uv_direction == UV_READABLE ? EPOLLIN : EPOLLOUT;
}

/* What to watch for the owner's wish, and for a goodbye that is still to be sent. */
static uint32_t poll_events(const struct cv_stream *stream)
{
    uint32_t events = stream->goodbye_owed ? EPOLLOUT : 0;

    if (stream->wanted & CV_READABLE)
        events |= direction(stream->recv_waits);
    if (stream->wanted & CV_WRITABLE)
        events |= direction(stream->send_waits);
    if (stream->wanted & CV_HANGUP)
        events |= EPOLLRDHUP;
    return events;
}

static int update_poll(struct cv_stream *stream)
{
    bool rests = stream->wanted == (CV_READABLE | CV_REST) && !stream->goodbye_owed;

    return cv_poll_set(&stream->loop->poll, &stream->watch, poll_events(stream), rests);
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
        cv_loop_hold(stream->loop);
        uv_idle_init(stream->loop->uv, stream->idle);
        stream->idle->data = stream;
    }
    if (needed)
        uv_idle_start(stream->idle, on_idle);
    else
        uv_idle_stop(stream->idle);
    stream->idling = needed;
    return 0;
}

/* Which of the owner's events @events of the socket stand for; an error shows as all there are. */
static int owner_events(const struct cv_stream *stream, uint32_t events)
{
    int all = stream->wanted & (CV_READABLE | CV_WRITABLE | CV_HANGUP);
    int out = 0;

    if (events & EPOLLERR)
        return all ? CV_READABLE | CV_WRITABLE | CV_HANGUP : 0;
    if (events & EPOLLHUP)
        return all;
    if (events & EPOLLRDHUP)
        out |= CV_HANGUP;
    if (events & direction(stream->recv_waits))
        out |= CV_READABLE;
    if (events & direction(stream->send_waits))
        out |= CV_WRITABLE;
    return out & all;
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

static void on_poll(struct cv_watch *watch, uint32_t events)
{
    struct cv_stream *stream = cv_container_of(watch, struct cv_stream, watch);
    int out = owner_events(stream, events);

    if (stream->goodbye_owed) {
        finish_shutdown(stream);
        (void)!update_poll(stream); /* taking a wish back does not fail */
    }
    if (out)
        stream->ready(stream->ctx, out);
    if (!stream->closed)
        (void)!update_idle(stream);
}

/* The memory goes at the end of the turn: whoever closes a stream may be called by it. */
static void on_end(struct cv_turn_job *job)
{
    struct cv_stream *stream = cv_container_of(job, struct cv_stream, end);

    cv_free(&stream->loop->alloc, stream);
}

void cv_stream_start(struct cv_stream *stream, const struct cv_stream_kind *kind,
                     struct cv_loop *loop, int fd)
{
    stream->kind = kind;
    stream->loop = loop;
    stream->fd = fd;
    stream->watch = (struct cv_watch){.fd = fd, .ready = on_poll};
    stream->recv_waits = UV_READABLE;
    stream->send_waits = UV_WRITABLE;
    cv_turn_job_init(&stream->end, on_end);
}

void cv_stream_waits(struct cv_stream *stream, int recv_direction, int send_direction)
{
    stream->recv_waits = recv_direction;
    stream->send_waits = send_direction;
    (void)!update_poll(stream); /* only fails when the socket is gone, as the next call will say */
}

ssize_t cv_socket_recv(int fd, void *buf, size_t len)
{
    ssize_t n;

    do
        n = recv(fd, buf, len, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t send_by(int fd, const void *buf, size_t len, int flags)
{
    ssize_t n;

    do
        n = send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL | flags);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

ssize_t cv_socket_send(int fd, const void *buf, size_t len)
{
    return send_by(fd, buf, len, 0);
}

static ssize_t plain_recv(struct cv_stream *stream, void *buf, size_t len)
{
    return cv_socket_recv(stream->fd, buf, len);
}

static ssize_t plain_send(struct cv_stream *stream, const void *buf, size_t len)
{
    return cv_socket_send(stream->fd, buf, len);
}

static void plain_close(struct cv_stream *stream)
{
    close(stream->fd);
}

static void plain_forget(struct cv_stream *stream)
{
    (void)stream; /* the socket is somebody else's */
}

static const struct cv_stream_kind plain_kind = {
    .plain = true,
    .recv = plain_recv,
    .send = plain_send,
    .close = plain_close,
};

static const struct cv_stream_kind released_kind = {
    .recv = plain_recv,
    .send = plain_send,
    .close = plain_forget,
};

int cv_stream_new(struct cv_stream **out, struct cv_loop *loop, int fd)
{
    struct cv_stream *stream = cv_alloc_zero(&loop->alloc, sizeof(*stream));

    if (!stream)
        return -ENOMEM;
    cv_stream_start(stream, &plain_kind, loop, fd);
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

static ssize_t count_received(struct cv_stream *stream, ssize_t n)
{
    if (n >= CV_EAGER_MESSAGE)
        cv_poll_bulk(&stream->loop->poll);
    return n;
}

ssize_t cv_stream_recv(struct cv_stream *stream, void *buf, size_t len)
{
    return count_received(stream, stream->kind->recv(stream, buf, len));
}

ssize_t cv_stream_peek(struct cv_stream *stream, void *buf, size_t len)
{
    ssize_t n;

    do
        n = recv(stream->fd, buf, len, MSG_DONTWAIT | MSG_PEEK);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* Who has taken so much reads: the limit of a socket that was accepted (net/bind.h) ends. */
static void end_trial(struct cv_stream *stream)
{
    const int as_the_kernel_does = 0;

    stream->trial_over = true;
    setsockopt(stream->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &as_the_kernel_does,
               sizeof(as_the_kernel_does));
}

static ssize_t count_sent(struct cv_stream *stream, ssize_t n)
{
    if (n > 0 && !stream->trial_over && (stream->sent += (size_t)n) >= CV_STREAM_TRIAL)
        end_trial(stream);
    return n;
}

ssize_t cv_stream_send(struct cv_stream *stream, const void *buf, size_t len)
{
    return count_sent(stream, stream->kind->send(stream, buf, len));
}

bool cv_stream_pours(const struct cv_stream *stream)
{
    return stream->kind->plain;
}

bool cv_stream_cannot_pour(ssize_t error)
{
    return error == -EINVAL || error == -EPERM || error == -ENOSYS;
}

static ssize_t pour(int from, int to, size_t len)
{
    ssize_t n;

    do
        n = splice(from, NULL, to, NULL, len, SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

ssize_t cv_stream_pour_to(struct cv_stream *stream, int pipe, size_t len)
{
    return count_received(stream, pour(stream->fd, pipe, len));
}

ssize_t cv_stream_pour_from(struct cv_stream *stream, int pipe, size_t len)
{
    return count_sent(stream, pour(pipe, stream->fd, len));
}

ssize_t cv_stream_send_more(struct cv_stream *stream, const void *buf, size_t len)
{
    return count_sent(stream, send_by(stream->fd, buf, len, MSG_MORE));
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

static void on_idle_closed(uv_handle_t *handle)
{
    struct cv_loop *loop = handle->data;

    cv_free(&loop->alloc, handle);
    cv_loop_let_go(loop);
}

int cv_stream_error(const struct cv_stream *stream)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -errno;
    return -error;
}

bool cv_stream_gone(const struct cv_stream *stream)
{
    struct pollfd socket = {.fd = stream->fd};

    return poll(&socket, 1, 0) > 0 && socket.revents & (POLLHUP | POLLERR);
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
    stream->trial_over = true;
    setsockopt(stream->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
}

void cv_stream_close(struct cv_stream *stream)
{
    if (!stream)
        return;
    stream->closed = true;
    stream->ready = NULL;
    stream->wanted = 0;
    if (stream->idle) {
        stream->idle->data = stream->loop;
        uv_close((uv_handle_t *)stream->idle, on_idle_closed);
    }
    cv_poll_drop(&stream->loop->poll, &stream->watch);
    cv_turn_add(&stream->loop->turn, &stream->end);
    stream->kind->close(stream);
}

int cv_stream_release(struct cv_stream *stream)
{
    int fd = stream->fd;

    cv_stream_owner(stream, NULL, NULL); /* out of the set: the socket goes on */
    stream->kind = &released_kind;
    cv_stream_close(stream);
    return fd;
}

int cv_stream_fd(const struct cv_stream *stream)
{
    return stream->fd;
}

bool cv_stream_is_tls(const struct cv_stream *stream)
{
    return stream->kind->tls;
}

const char *cv_stream_peer(struct cv_stream *stream)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(address);

    if (!stream->peer[0]) {
        getpeername(stream->fd, (struct sockaddr *)&address, &len);
        cv_address_text(stream->peer, (struct sockaddr *)&address);
    }
    return stream->peer;
}

void cv_stream_name_peer(struct cv_stream *stream, const char *peer)
{
    struct cv_text text;

    cv_text_init(&text, stream->peer, sizeof(stream->peer));
    cv_text_str(&text, peer);
}
