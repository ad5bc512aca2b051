#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/bind.h"
#include "net/log.h"
#include "net/passed.h"

/* Visitors taken in one wake, so that a flood of them leaves room for those that are in. */
#define BATCH 64

/* The pause between two visitors turned away: doubles from the first to the second while it goes
 * on. */
#define PAUSE_MIN_MS 50
#define PAUSE_MAX_MS 1000

#define LOG_INTERVAL (60 * CV_SEC)

struct cv_listener {
    struct cv_loop *loop; /* borrowed */
    cv_listener_accepted *accepted;
    void *ctx; /* borrowed */
    uv_poll_t poll;
    uv_timer_t pause;
    struct cv_bound bound;
    int spare;   /* a descriptor to give up when there is no other; -1 when it could not be had back
                  */
    int handles; /* not yet closed; the memory goes with the last one */
    uint64_t pause_ms;  /* of the next pause */
    uint64_t log_after; /* the next complaint may be logged from then on */
    bool held;          /* cv_listener_hold() */
    bool closed;
};

static int spare_open(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_pause_end(uv_timer_t *timer)
{
    struct cv_listener *listener = timer->data;

    listener->held = false;
    if (listener->spare < 0)
        listener->spare = spare_open();
    uv_poll_start(&listener->poll, UV_READABLE, on_readable); /* it worked before */
}

/* The visitor at the head of the queue would else wait for nothing, and its queue's readiness spin
 * the loop. */
static void shed(struct cv_listener *listener)
{
    int fd;

    if (listener->spare < 0)
        return;
    close(listener->spare);
    fd = accept4(listener->bound.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        cv_shed(listener->loop, -EMFILE);
    }
    listener->spare = spare_open();
}

static void exhausted(struct cv_listener *listener, int error)
{
    uint64_t now = cv_loop_now(listener->loop);

    if (now >= listener->log_after) {
        cv_log(&listener->loop->log, CV_LOG_WARN, "%s: turning visitors away: %s",
               listener->bound.text, cv_strerror(error));
        listener->log_after = now + LOG_INTERVAL;
    }
    shed(listener);
    uv_poll_stop(&listener->poll);
    uv_timer_start(&listener->pause, on_pause_end, listener->pause_ms, 0);
    listener->pause_ms *= 2;
    if (listener->pause_ms > PAUSE_MAX_MS)
        listener->pause_ms = PAUSE_MAX_MS;
}

/* Errors of accept() that belong to the one visitor, or to nobody (accept(2), "Error handling"). */
static bool is_passing(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

static void welcome(struct cv_listener *listener, int fd, const struct sockaddr *address)
{
    char peer[CV_ADDRESS_SIZE];

    listener->pause_ms = PAUSE_MIN_MS;
    cv_address_text(peer, address);
    listener->accepted(listener->ctx, fd, peer);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct cv_listener *listener = poll->data;

    (void)events;
    if (status < 0) {
        exhausted(listener, status);
        return;
    }
    for (int i = 0; i < BATCH && !listener->closed && !listener->held; i++) {
        struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
        socklen_t len = sizeof(address);
        int fd = accept4(listener->bound.fd, (struct sockaddr *)&address, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            welcome(listener, fd, (struct sockaddr *)&address);
        } else if (errno == EAGAIN) {
            return;
        } else if (!is_passing(errno)) {
            exhausted(listener, -errno);
            return;
        }
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct cv_listener *listener = handle->data;
    struct cv_loop *loop = listener->loop;

    if (--listener->handles > 0)
        return;
    cv_free(&loop->alloc, listener);
    cv_loop_let_go(loop);
}

static int start(struct cv_listener *listener)
{
    int rc = uv_poll_init(listener->loop->uv, &listener->poll, listener->bound.fd);

    if (rc < 0)
        return rc;
    cv_loop_hold(listener->loop);
    uv_timer_init(listener->loop->uv, &listener->pause);
    listener->poll.data = listener->pause.data = listener;
    listener->handles = 2;
    listener->pause_ms = PAUSE_MIN_MS;
    listener->spare = spare_open();
    return uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

/* Takes @bound, also on failure. */
static int open_at(struct cv_listener **out, struct cv_loop *loop, struct cv_bound *bound,
                   cv_listener_accepted *accepted, void *ctx)
{
    struct cv_listener *listener = cv_alloc_zero(&loop->alloc, sizeof(*listener));
    int rc;

    if (!listener) {
        cv_unbind(bound);
        return -ENOMEM;
    }
    listener->loop = loop;
    listener->accepted = accepted;
    listener->ctx = ctx;
    listener->bound = *bound;
    rc = start(listener);
    if (rc < 0) {
        cv_unbind(bound);
        cv_free(&loop->alloc, listener);
        return rc;
    }
    *out = listener;
    return 0;
}

int cv_listener_new(struct cv_listener **out, struct cv_loop *loop, const char *address,
                    cv_listener_accepted *accepted, void *ctx)
{
    struct cv_bound bound;
    int rc = cv_bind(&bound, loop, address);

    return rc < 0 ? rc : open_at(out, loop, &bound, accepted, ctx);
}

int cv_listener_new_shared(struct cv_listener **out, struct cv_loop *loop, const char *address,
                           cv_listener_accepted *accepted, void *ctx)
{
    struct cv_bound bound;
    int rc = cv_bind_shared(&bound, loop, address);

    return rc < 0 ? rc : open_at(out, loop, &bound, accepted, ctx);
}

int cv_listener_new_beside(struct cv_listener **out, struct cv_loop *loop,
                           const struct cv_listener *first, cv_listener_accepted *accepted,
                           void *ctx)
{
    struct cv_bound bound;
    int rc = cv_bind_beside(&bound, &first->bound);

    return rc < 0 ? rc : open_at(out, loop, &bound, accepted, ctx);
}

int cv_listener_beside(const struct cv_listener *first)
{
    struct cv_bound bound;
    int rc = cv_bind_beside(&bound, &first->bound);

    return rc < 0 ? rc : bound.fd;
}

int cv_listener_new_on(struct cv_listener **out, struct cv_loop *loop, int fd,
                       cv_listener_accepted *accepted, void *ctx)
{
    struct cv_bound bound = {.type = SOCK_STREAM, .fd = fd};
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(address);

    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    cv_address_text(bound.text, (struct sockaddr *)&address);
    return open_at(out, loop, &bound, accepted, ctx);
}

bool cv_listener_is_single(struct cv_loop *loop, const char *address)
{
    return strncmp(address, "unix:", 5) == 0 ||
           cv_passed_has(loop->passed, loop->uv, address, SOCK_STREAM);
}

int cv_listener_check(const char *address)
{
    struct cv_bind_target target;

    return cv_bind_parse(&target, address);
}

const char *cv_listener_address(const struct cv_listener *listener)
{
    return listener->bound.text;
}

void cv_listener_hold(struct cv_listener *listener, uint64_t time)
{
    listener->held = true;
    uv_poll_stop(&listener->poll);
    uv_timer_start(&listener->pause, on_pause_end, (time + CV_MSEC - 1) / CV_MSEC, 0);
}

void cv_listener_close(struct cv_listener *listener)
{
    if (!listener)
        return;
    listener->closed = true;
    uv_close((uv_handle_t *)&listener->poll, on_handle_closed);
    uv_close((uv_handle_t *)&listener->pause, on_handle_closed);
    cv_unbind(&listener->bound);
    if (listener->spare >= 0)
        close(listener->spare);
}
