/* Agents that join a server under keys of their own, bench-0 and up, and then do nothing but ping,
 * as an agent without visitors does. They read and drop what the server says. */

#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    JOINING_MAX = 64,    /* handshakes under way at once */
    HEAD_MAX = 4096,     /* a longer response head is refused */
    PING_EVERY_S = 5,    /* as the protocol's dialling end does */
    JOIN_PATIENCE_S = 60 /* all must have joined by then */
};

struct agent {
    int fd;
    bool joined;
    size_t len;       /* bytes of the response head so far */
    unsigned matched; /* bytes of "\r\n\r\n" seen at its end */
};

struct crowd {
    const struct cv_load_options *options;
    int epoll;
    unsigned dialled;
    unsigned joined;
    unsigned lost; /* left by the server after they had joined */
    struct agent agents[CV_LOAD_CONNS_MAX];
};

static int dial(struct crowd *crowd)
{
    unsigned index = crowd->dialled;
    struct agent *agent = &crowd->agents[index];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = agent};
    char request[512];
    int len = snprintf(request, sizeof(request),
                       "GET /connect HTTP/1.1\r\n"
                       "Host: 127.0.0.1:%u\r\n"
                       "Upgrade: websocket\r\n"
                       "Connection: Upgrade\r\n"
                       "Sec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: Y3VsdmVydCBiZW5jaG1yaw==\r\n"
                       "X-Tunnel-ID: bench-%u\r\n"
                       "\r\n",
                       (unsigned)crowd->options->port, index);

    agent->fd = cv_load_connect(crowd->options->port);
    if (agent->fd < 0 || cv_load_send_all(agent->fd, request, (size_t)len) != 0 ||
        cv_load_set_nonblocking(agent->fd) != 0)
        return -1;
    crowd->dialled++;
    return epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, agent->fd, &event);
}

/* Follows the response head through these bytes. -1 when it is not a 101. */
static int take_head(struct crowd *crowd, struct agent *agent, const char *bytes, size_t len)
{
    static const char status[] = "HTTP/1.1 101";
    static const char end[] = "\r\n\r\n";

    for (size_t i = 0; i < len && !agent->joined; i++) {
        if (agent->len < sizeof(status) - 1 && bytes[i] != status[agent->len])
            return -1;
        if (++agent->len > HEAD_MAX)
            return -1;
        agent->matched =
            bytes[i] == end[agent->matched] ? agent->matched + 1 : (unsigned)(bytes[i] == '\r');
        agent->joined = agent->matched == sizeof(end) - 1;
    }
    crowd->joined += agent->joined ? 1 : 0;
    return 0;
}

static int take_input(struct crowd *crowd, struct agent *agent)
{
    char bytes[4096];
    ssize_t got = recv(agent->fd, bytes, sizeof(bytes), 0);

    if (got < 0 && errno == EAGAIN)
        return 0;
    if (got > 0)
        return agent->joined ? 0 : take_head(crowd, agent, bytes, (size_t)got);
    if (!agent->joined)
        return -1;
    close(agent->fd);
    agent->fd = -1;
    crowd->lost++;
    return 0;
}

static int take_events(struct crowd *crowd, int timeout_ms)
{
    struct epoll_event events[CV_LOAD_EVENTS];
    int count = epoll_wait(crowd->epoll, events, CV_LOAD_EVENTS, timeout_ms);

    for (int i = 0; i < count; i++) {
        /* Standard input stands in the same set under no agent: the benchmark has seen enough. */
        if (events[i].data.ptr == NULL)
            return 1;
        if (take_input(crowd, events[i].data.ptr) != 0)
            return -1;
    }
    return 0;
}

static int join_all(struct crowd *crowd)
{
    uint64_t deadline = cv_load_now() + JOIN_PATIENCE_S * CV_LOAD_NS;

    while (crowd->joined < crowd->options->conns) {
        while (crowd->dialled < crowd->options->conns &&
               crowd->dialled - crowd->joined < JOINING_MAX) {
            if (dial(crowd) != 0)
                return -1;
        }
        if (take_events(crowd, 1000) != 0 || cv_load_now() > deadline)
            return -1;
    }
    return 0;
}

/* An empty ping; its mask is of no matter without a payload. */
static void ping_all(struct crowd *crowd)
{
    static const unsigned char ping[] = {0x89, 0x80, 0x12, 0x34, 0x56, 0x78};

    for (unsigned i = 0; i < crowd->joined; i++) {
        if (crowd->agents[i].fd >= 0)
            (void)!send(crowd->agents[i].fd, ping, sizeof(ping), MSG_NOSIGNAL);
    }
}

static int stay(struct crowd *crowd)
{
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    uint64_t ping_at = cv_load_now();
    int result = 0;

    if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input) != 0)
        return -1;
    while (result == 0) {
        uint64_t now = cv_load_now();

        if (now >= ping_at) {
            ping_all(crowd);
            ping_at = now + PING_EVERY_S * CV_LOAD_NS;
        }
        result = take_events(crowd, cv_load_wait_ms(now, ping_at));
    }
    return result < 0 || crowd->lost > 0 ? -1 : 0;
}

int cv_load_agents(const struct cv_load_options *options)
{
    static struct crowd crowd;
    uint64_t start = cv_load_now();
    int result;

    crowd.options = options;
    crowd.epoll = epoll_create1(EPOLL_CLOEXEC);
    result = crowd.epoll < 0 ? -1 : join_all(&crowd);
    if (result == 0) {
        printf("{\"joined\": %u, \"seconds\": %.6f}\n", crowd.joined,
               (double)(cv_load_now() - start) / (double)CV_LOAD_NS);
        fflush(stdout);
        result = stay(&crowd);
    }
    if (result != 0) {
        fprintf(stderr, "load: agents: %u dialled, %u joined, %u lost, last error: %s\n",
                crowd.dialled, crowd.joined, crowd.lost, strerror(errno));
        return 1;
    }
    return 0;
}
