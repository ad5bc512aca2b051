/* Small requests: one at a time on each connection, the next as soon as the response is whole. */

#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FAILURES_MAX = 1000 };

struct visitor {
    int fd;
    bool connecting;
    size_t got;          /* bytes of the response so far */
    uint64_t started_at; /* when the request, or with fresh connections the connect, began */
};

struct web {
    const struct cv_load_options *options;
    int epoll;
    unsigned dialled; /* connections so far: spreads their source addresses */
    unsigned failures;
    uint64_t counts_from; /* requests that began earlier are warm-up */
    struct cv_load_histogram latencies;
    struct visitor visitors[CV_LOAD_CONNS_MAX];
    char scratch[16384];
};

static const char kept_request[] = "GET /kept HTTP/1.1\r\nHost: bench\r\n\r\n";
static const char fresh_request[] =
    "GET /close HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";

static int start_connection(struct web *web, struct visitor *visitor)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = visitor};

    visitor->started_at = cv_load_now();
    visitor->connecting = true;
    visitor->got = 0;
    visitor->fd = cv_load_connect_start(web->options->port, web->dialled++);
    if (visitor->fd < 0)
        return -1;
    return epoll_ctl(web->epoll, EPOLL_CTL_ADD, visitor->fd, &event);
}

static int send_request(struct web *web, struct visitor *visitor)
{
    const char *text = web->options->fresh ? fresh_request : kept_request;
    size_t len = web->options->fresh ? sizeof(fresh_request) - 1 : sizeof(kept_request) - 1;

    visitor->got = 0;
    return send(visitor->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

/* A whole response: counts it and goes on to the next request. */
static int finish(struct web *web, struct visitor *visitor)
{
    uint64_t now = cv_load_now();

    if (visitor->started_at >= web->counts_from)
        cv_load_histogram_add(&web->latencies, now - visitor->started_at);
    if (web->options->fresh) {
        close(visitor->fd);
        return start_connection(web, visitor);
    }
    visitor->started_at = now;
    return send_request(web, visitor);
}

/* Reads what there is. Edge-triggered: a short read shows that nothing is left. */
static int take_response(struct web *web, struct visitor *visitor)
{
    ssize_t got = recv(visitor->fd, web->scratch, sizeof(web->scratch), 0);

    if (got <= 0)
        return got < 0 && errno == EAGAIN ? 0 : -1;
    if (visitor->got == 0 && memcmp(web->scratch, "HTTP/1.1 200", got < 12 ? (size_t)got : 12) != 0)
        return -1;
    visitor->got += (size_t)got;
    if (visitor->got > cv_load_response_length())
        return -1;
    return visitor->got == cv_load_response_length() ? finish(web, visitor) : 0;
}

static int step(struct web *web, struct visitor *visitor, uint32_t events)
{
    if (visitor->connecting) {
        if ((events & (EPOLLERR | EPOLLHUP)) != 0)
            return -1;
        if ((events & EPOLLOUT) == 0)
            return 0;
        visitor->connecting = false;
        if (!web->options->fresh)
            visitor->started_at = cv_load_now();
        return send_request(web, visitor);
    }
    return (events & EPOLLIN) != 0 ? take_response(web, visitor) : 0;
}

/* A failed request is counted and its connection replaced; too many, and the measurement has
 * failed. */
static int replace(struct web *web, struct visitor *visitor)
{
    web->failures++;
    if (visitor->fd >= 0)
        close(visitor->fd);
    return web->failures <= FAILURES_MAX ? start_connection(web, visitor) : -1;
}

static int run_until(struct web *web, uint64_t deadline)
{
    struct epoll_event events[CV_LOAD_EVENTS];
    uint64_t now;

    while ((now = cv_load_now()) < deadline) {
        int count = epoll_wait(web->epoll, events, CV_LOAD_EVENTS, cv_load_wait_ms(now, deadline));

        for (int i = 0; i < count; i++) {
            struct visitor *visitor = events[i].data.ptr;

            if (step(web, visitor, events[i].events) != 0 && replace(web, visitor) != 0)
                return -1;
        }
    }
    return 0;
}

static int measure(struct web *web)
{
    uint64_t start = cv_load_now();
    double seconds = web->options->seconds;

    web->counts_from = start + (uint64_t)(web->options->warm * (double)CV_LOAD_NS);
    for (unsigned i = 0; i < web->options->conns; i++) {
        if (start_connection(web, &web->visitors[i]) != 0)
            return -1;
    }
    if (run_until(web, web->counts_from + (uint64_t)(seconds * (double)CV_LOAD_NS)) != 0)
        return -1;
    printf("{\"requests\": %llu, \"seconds\": %.6f, \"p50_ns\": %llu, \"p99_ns\": %llu, "
           "\"failures\": %u}\n",
           (unsigned long long)web->latencies.count, seconds,
           (unsigned long long)cv_load_histogram_at(&web->latencies, 0.5),
           (unsigned long long)cv_load_histogram_at(&web->latencies, 0.99), web->failures);
    return web->latencies.count > 0 ? 0 : -1;
}

int cv_load_web(const struct cv_load_options *options)
{
    static struct web web;

    web.options = options;
    web.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (web.epoll < 0 || measure(&web) != 0) {
        fprintf(stderr, "load: web: %u requests failed, last error: %s\n", web.failures,
                strerror(errno));
        return 1;
    }
    return 0;
}
