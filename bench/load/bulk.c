/* Streams that carry as much as they can, one way, over a window of time. */

#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct bulk {
    const struct cv_load_options *options;
    int epoll;
    int control;      /* up: asks the target what has arrived */
    unsigned ended;   /* streams that the far end gave up */
    uint64_t arrived; /* down: bytes read here */
    char block[CV_LOAD_BLOCK_MAX];
};

/* A reading of what has arrived by when. */
struct reading {
    uint64_t bytes;
    uint64_t at;
};

static int open_streams(struct bulk *bulk)
{
    const char *verb = bulk->options->up ? "SINK\n" : "SOURCE\n";

    for (unsigned i = 0; i < bulk->options->conns; i++) {
        struct epoll_event event = {.events = bulk->options->up ? EPOLLOUT : EPOLLIN};
        int fd = cv_load_connect(bulk->options->port);

        event.data.fd = fd;
        if (fd < 0 || cv_load_send_all(fd, verb, strlen(verb)) != 0 ||
            cv_load_set_nonblocking(fd) != 0 ||
            epoll_ctl(bulk->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            return -1;
    }
    return 0;
}

static int read_arrived(struct bulk *bulk, struct reading *out)
{
    char text[32];
    ssize_t got;

    if (bulk->options->up) {
        if (cv_load_send_all(bulk->control, "COUNT\n", 6) != 0)
            return -1;
        got = recv(bulk->control, text, sizeof(text) - 1, 0);
        if (got <= 0)
            return -1;
        text[got] = '\0';
        out->bytes = strtoull(text, NULL, 10);
    } else {
        out->bytes = bulk->arrived;
    }
    out->at = cv_load_now();
    return 0;
}

static void move_some(struct bulk *bulk, int fd)
{
    ssize_t moved = bulk->options->up ? send(fd, bulk->block, bulk->options->block, MSG_NOSIGNAL)
                                      : recv(fd, bulk->block, bulk->options->block, 0);

    if (moved > 0) {
        if (!bulk->options->up)
            bulk->arrived += (uint64_t)moved;
    } else if (moved == 0 || errno != EAGAIN) {
        close(fd);
        bulk->ended++;
    }
}

static void run_until(struct bulk *bulk, uint64_t deadline)
{
    struct epoll_event events[CV_LOAD_EVENTS];
    uint64_t now;

    while ((now = cv_load_now()) < deadline) {
        int count = epoll_wait(bulk->epoll, events, CV_LOAD_EVENTS, cv_load_wait_ms(now, deadline));

        for (int i = 0; i < count; i++)
            move_some(bulk, events[i].data.fd);
    }
}

static int measure(struct bulk *bulk)
{
    uint64_t warm = (uint64_t)(bulk->options->warm * (double)CV_LOAD_NS);
    uint64_t window = (uint64_t)(bulk->options->seconds * (double)CV_LOAD_NS);
    struct reading start, from, to;

    if (read_arrived(bulk, &start) != 0 || open_streams(bulk) != 0)
        return -1;
    run_until(bulk, cv_load_now() + warm);
    if (read_arrived(bulk, &from) != 0)
        return -1;
    run_until(bulk, from.at + window);
    if (read_arrived(bulk, &to) != 0)
        return -1;
    printf("{\"bytes\": %llu, \"seconds\": %.6f, \"total\": %llu, \"ended\": %u}\n",
           (unsigned long long)(to.bytes - from.bytes),
           (double)(to.at - from.at) / (double)CV_LOAD_NS,
           (unsigned long long)(to.bytes - start.bytes), bulk->ended);
    return bulk->ended == 0 ? 0 : -1;
}

int cv_load_bulk(const struct cv_load_options *options)
{
    static struct bulk bulk;

    bulk.options = options;
    bulk.epoll = epoll_create1(EPOLL_CLOEXEC);
    bulk.control = options->up ? cv_load_connect(options->control) : -1;
    cv_load_fill_with_noise(bulk.block, sizeof(bulk.block));
    if (bulk.epoll < 0 || (options->up && bulk.control < 0) || measure(&bulk) != 0) {
        fprintf(stderr, "load: bulk: %u streams ended early, last error: %s\n", bulk.ended,
                strerror(errno));
        return 1;
    }
    return 0;
}
