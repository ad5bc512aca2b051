/* Small requests: one at a time on each connection, the next as soon as the response is whole. Or
 * in turn: a few at once, each on the connection after the last one's. */

#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    FAILURES_MAX = 1000,
    TURN_PATIENCE_S = 60 /* each connection must have answered once by then */
};

struct visitor {
    int fd;
    bool connecting;
    bool busy;           /* a request is under way */
    size_t got;          /* bytes of the response so far */
    uint64_t started_at; /* when the request, or with fresh connections the connect, began */
};

struct web {
    const struct cv_load_options *options;
    int epoll;
    unsigned dialled; /* connections so far: spreads their source addresses */
    unsigned failures;
    unsigned turn;        /* in turn: the connection that is next */
    uint64_t answered;    /* responses, warm-up and all */
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
    visitor->busy = true;
    return send(visitor->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

/* A request on the next connection that has none under way; there must be one. */
static int send_in_turn(struct web *web, uint64_t now)
{
    struct visitor *visitor;

    do {
        visitor = &web->visitors[web->turn];
        web->turn = (web->turn + 1) % web->options->conns;
    } while (visitor->busy);
    visitor->started_at = now;
    return send_request(web, visitor);
}

/* A whole response: counts it and goes on to the next request. */
static int finish(struct web *web, struct visitor *visitor)
{
    uint64_t now = cv_load_now();

    web->answered++;
    visitor->busy = false;
    if (visitor->started_at >= web->counts_from)
        cv_load_histogram_add(&web->latencies, now - visitor->started_at);
    if (web->options->fresh) {
        close(visitor->fd);
        return start_connection(web, visitor);
    }
    if (web->options->active > 0)
        return send_in_turn(web, now);
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
 * failed, as it has when one of many that are held is lost. */
static int replace(struct web *web, struct visitor *visitor)
{
    web->failures++;
    if (web->options->active > 0)
        return -1;
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

static int start_each(struct web *web)
{
    for (unsigned i = 0; i < web->options->conns; i++) {
        if (start_connection(web, &web->visitors[i]) != 0)
            return -1;
    }
    return 0;
}

/* Opens all connections one by one, since thousands at once would overrun a backlog, and then
 * starts the requests that are to be under way at once. */
static int start_turns(struct web *web)
{
    for (unsigned i = 0; i < web->options->conns; i++) {
        struct visitor *visitor = &web->visitors[i];
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = visitor};

        visitor->fd = cv_load_connect(web->options->port);
        if (visitor->fd < 0 || cv_load_set_nonblocking(visitor->fd) != 0 ||
            epoll_ctl(web->epoll, EPOLL_CTL_ADD, visitor->fd, &event) != 0)
            return -1;
    }
    for (unsigned i = 0; i < web->options->active; i++) {
        if (send_in_turn(web, cv_load_now()) != 0)
            return -1;
    }
    return 0;
}

/* In turn, the warm-up goes on until every connection has carried a request. The line tells the
 * benchmark to read what the processes have spent so far. */
static int finish_first_turn(struct web *web)
{
    uint64_t deadline = cv_load_now() + TURN_PATIENCE_S * CV_LOAD_NS;

    while (web->answered < web->options->conns) {
        uint64_t now = cv_load_now();

        if (now > deadline || run_until(web, now + CV_LOAD_NS / 100) != 0)
            return -1;
    }
    printf("{\"open\": %u}\n", web->options->conns);
    fflush(stdout);
    return 0;
}

static int measure(struct web *web)
{
    double seconds = web->options->seconds;
    bool in_turn = web->options->active > 0;
    uint64_t warm = (uint64_t)(web->options->warm * (double)CV_LOAD_NS);

    web->counts_from = UINT64_MAX;
    if ((in_turn ? start_turns(web) : start_each(web)) != 0 ||
        run_until(web, cv_load_now() + warm) != 0 || (in_turn && finish_first_turn(web) != 0))
        return -1;
    web->counts_from = cv_load_now();
    if (run_until(web, web->counts_from + (uint64_t)(seconds * (double)CV_LOAD_NS)) != 0)
        return -1;
    printf("{\"requests\": %llu, \"seconds\": %.6f, \"p50_ns\": %llu, \"p99_ns\": %llu, "
           "\"failures\": %u}\n",
           (unsigned long long)web->latencies.count, seconds,
           (unsigned long long)cv_load_histogram_at(&web->latencies, 0.5),
           (unsigned long long)cv_load_histogram_at(&web->latencies, 0.99), web->failures);
    if (in_turn) {
        fflush(stdout);
        cv_load_wait_for_end();
    }
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
