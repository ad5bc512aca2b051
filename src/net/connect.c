#include "net/connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "net/address.h"
#include "net/keepalive.h"

/* Addresses of one name that are tried; a name with more is made for load sharing, where any of
 * them will do. */
#define ATTEMPTS_MAX 16

/* The lead of one address over the next (RFC 8305, 5: 250 ms is recommended). */
#define STAGGER_MS 250

struct attempt {
    struct cv_watch watch;
    struct cv_connecting *owner;
    struct sockaddr_storage address;
    int fd; /* -1: not under way */
};

struct cv_connecting {
    struct cv_loop *loop; /* borrowed */
    cv_connect_allow *allow;
    cv_connect_done *done;
    void *ctx;
    uv_getaddrinfo_t request;
    uv_timer_t deadline, next; /* overall; start of the next address */
    struct attempt *attempts;  /* of the allowed addresses, in order; NULL while resolving */
    size_t count, started;
    size_t running;
    int error; /* of the last attempt that failed; 0: none did */
    int pins;  /* handles to close and the request to end before the memory may go */
    bool is_udp;
    bool is_unix; /* the target is a path: asked about with NULL */
    bool resolving;
    bool finished;
};

static void unpin(struct cv_connecting *c)
{
    struct cv_loop *loop = c->loop;

    if (--c->pins > 0)
        return;
    cv_free(&loop->alloc, c->attempts);
    cv_free(&loop->alloc, c);
    cv_loop_let_go(loop);
}

static void on_timer_closed(uv_handle_t *handle)
{
    unpin(handle->data);
}

/* Lets go of the attempt's socket, which is the caller's from then on. */
static int attempt_release(struct attempt *attempt)
{
    int fd = attempt->fd;

    (void)!cv_poll_set(&attempt->owner->loop->poll, &attempt->watch, 0, false); /* cannot fail */
    cv_poll_drop(&attempt->owner->loop->poll, &attempt->watch);
    attempt->fd = -1;
    return fd;
}

static void attempt_stop(struct attempt *attempt)
{
    int fd = attempt_release(attempt);

    if (fd >= 0)
        close(fd);
}

static void stop(struct cv_connecting *c)
{
    c->finished = true;
    for (size_t i = 0; i < c->started; i++)
        attempt_stop(&c->attempts[i]);
    /* A lookup that a thread works on cannot be cancelled: its memory stays until it comes back. */
    if (c->resolving)
        uv_cancel((uv_req_t *)&c->request);
    uv_close((uv_handle_t *)&c->deadline, on_timer_closed);
    uv_close((uv_handle_t *)&c->next, on_timer_closed);
}

static void finish(struct cv_connecting *c, int fd, int error)
{
    cv_connect_done *done = c->done;
    void *ctx = c->ctx;

    stop(c);
    done(ctx, fd, error);
}

/* Within the machine nobody vanishes without a word: three system calls are saved there. */
static void tune(int fd, const struct sockaddr *address)
{
    const int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (!cv_address_is_loopback(address))
        cv_keepalive(fd);
}

static void succeed(struct attempt *attempt)
{
    int fd = attempt_release(attempt);

    if (attempt->address.ss_family != AF_UNIX && !attempt->owner->is_udp)
        tune(fd, (struct sockaddr *)&attempt->address);
    finish(attempt->owner, fd, 0);
}

static void start_next(struct cv_connecting *c);

static void fail(struct attempt *attempt, int error)
{
    struct cv_connecting *c = attempt->owner;

    attempt_stop(attempt);
    c->error = error;
    c->running--;
    if (c->started < c->count)
        start_next(c);
    else if (c->running == 0)
        finish(c, -1, c->error);
}

static void on_connected(struct cv_watch *watch, uint32_t events)
{
    struct attempt *attempt = cv_container_of(watch, struct attempt, watch);
    int error = 0;
    socklen_t len = sizeof(error);

    (void)events;
    if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error)
        fail(attempt, -error);
    else
        succeed(attempt);
}

/* Returns 1 when connected at once, 0 when under way, or what went wrong. */
static int attempt_start(struct attempt *attempt)
{
    const struct sockaddr *address = (struct sockaddr *)&attempt->address;
    struct cv_connecting *c = attempt->owner;
    int rc;

    attempt->fd = socket(address->sa_family,
                         (c->is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (attempt->fd < 0)
        return -errno;
    cv_address_unpace(attempt->fd, address);
    do
        rc = connect(attempt->fd, address, cv_address_len(address));
    while (rc < 0 && errno == EINTR);
    /* within the machine it is done already, though the first call does not say so */
    if (rc < 0 && errno == EINPROGRESS && cv_address_is_loopback(address))
        rc = connect(attempt->fd, address, cv_address_len(address));
    if (rc == 0)
        return 1;
    if (errno != EINPROGRESS && errno != EALREADY)
        return -errno;
    attempt->watch = (struct cv_watch){.fd = attempt->fd, .ready = on_connected};
    return cv_poll_set(&c->loop->poll, &attempt->watch, EPOLLOUT, false);
}

static void on_next(uv_timer_t *timer)
{
    start_next(timer->data);
}

/* Starts the next address, and goes on to the one after it when that fails at once. */
static void start_next(struct cv_connecting *c)
{
    struct attempt *attempt = &c->attempts[c->started++];
    int rc;

    c->running++;
    rc = attempt_start(attempt);
    if (rc == 1)
        succeed(attempt);
    else if (rc < 0)
        fail(attempt, rc);
    else if (c->started < c->count)
        uv_timer_start(&c->next, on_next, STAGGER_MS, 0);
    else
        uv_timer_stop(&c->next);
}

static bool is_allowed(const struct cv_connecting *c, const struct sockaddr *address)
{
    return !c->allow || c->allow(c->ctx, c->is_unix ? NULL : address);
}

/* Keeps the addresses of @list that may be dialled. Returns 0, -ENOMEM, or CV_EDENIED when none is
 * left. */
static int take_addresses(struct cv_connecting *c, const struct addrinfo *list)
{
    size_t room = 0;

    for (const struct addrinfo *info = list; info && room < ATTEMPTS_MAX; info = info->ai_next)
        room++;
    c->attempts = cv_alloc_zero(&c->loop->alloc, room * sizeof(*c->attempts));
    if (!c->attempts)
        return -ENOMEM;
    for (const struct addrinfo *info = list; info && c->count < room; info = info->ai_next) {
        struct attempt *attempt = &c->attempts[c->count];

        attempt->owner = c;
        attempt->fd = -1;
        memcpy(&attempt->address, info->ai_addr, info->ai_addrlen);
        if (is_allowed(c, info->ai_addr))
            c->count++;
    }
    return c->count ? 0 : CV_EDENIED;
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct cv_connecting *c = cv_container_of(request, struct cv_connecting, request);
    int rc = status;

    c->resolving = false;
    if (!c->finished && rc == 0)
        rc = list ? take_addresses(c, list) : UV_EAI_NONAME;
    uv_freeaddrinfo(list);
    if (!c->finished) {
        if (rc < 0)
            finish(c, -1, rc);
        else
            start_next(c);
    }
    unpin(c);
}

static void on_deadline(uv_timer_t *timer)
{
    finish(timer->data, -1, -ETIMEDOUT);
}

/* The target needs no lookup; its one address is asked about and dialled from the loop, so that
 * `done` never comes before cv_connect_start() has returned. */
static void on_direct(uv_timer_t *timer)
{
    struct cv_connecting *c = timer->data;

    if (is_allowed(c, (struct sockaddr *)&c->attempts[0].address))
        start_next(c);
    else
        finish(c, -1, CV_EDENIED);
}

static int start_direct(struct cv_connecting *c, const struct sockaddr_storage *address)
{
    c->attempts = cv_alloc_zero(&c->loop->alloc, sizeof(*c->attempts));
    if (!c->attempts)
        return -ENOMEM;
    c->attempts[0] = (struct attempt){.owner = c, .address = *address, .fd = -1};
    c->count = 1;
    return uv_timer_start(&c->next, on_direct, 0, 0);
}

static int start_lookup(struct cv_connecting *c, const struct cv_connect_options *options)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char port[8];
    int rc;

    snprintf(port, sizeof(port), "%u", (unsigned)options->port);
    rc = uv_getaddrinfo(c->loop->uv, &c->request, on_resolved, options->host, port, &hints);
    if (rc < 0)
        return rc;
    c->resolving = true;
    c->pins++;
    return 0;
}

/* Returns 1 with the address when no lookup is needed, 0 when one is, or -ENAMETOOLONG. */
static int direct_address(struct sockaddr_storage *out, const struct cv_connect_options *options)
{
    struct sockaddr_un *path = (struct sockaddr_un *)out;

    if (!options->is_unix)
        return cv_address_parse(out, options->host, options->port) == 0;
    if (strlen(options->host) >= sizeof(path->sun_path))
        return -ENAMETOOLONG;
    memset(out, 0, sizeof(*out));
    path->sun_family = AF_UNIX;
    memcpy(path->sun_path, options->host, strlen(options->host));
    return 1;
}

int cv_connect_start(struct cv_connecting **out, struct cv_loop *loop,
                     const struct cv_connect_options *options)
{
    struct sockaddr_storage address;
    struct cv_connecting *c;
    int direct = direct_address(&address, options);
    int rc;

    if (direct < 0)
        return direct;
    c = cv_alloc_zero(&loop->alloc, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->loop = loop;
    c->allow = options->allow;
    c->done = options->done;
    c->ctx = options->ctx;
    c->is_unix = options->is_unix;
    c->is_udp = options->is_udp;
    cv_loop_hold(loop);
    uv_timer_init(loop->uv, &c->deadline);
    uv_timer_init(loop->uv, &c->next);
    c->deadline.data = c->next.data = c;
    c->pins = 2;
    uv_update_time(loop->uv); /* timers count from the loop's last wake, which may be long ago */
    uv_timer_start(&c->deadline, on_deadline, cv_loop_delay(0, options->timeout), 0);
    rc = direct ? start_direct(c, &address) : start_lookup(c, options);
    if (rc < 0) {
        uv_close((uv_handle_t *)&c->deadline, on_timer_closed);
        uv_close((uv_handle_t *)&c->next, on_timer_closed);
        return rc;
    }
    *out = c;
    return 0;
}

void cv_connect_cancel(struct cv_connecting *connecting)
{
    stop(connecting);
}

int cv_connect_pair(int pair[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0 ? -errno
                                                                                        : 0;
}

int cv_connect_pair_messages(int pair[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0 ? -errno
                                                                                           : 0;
}
