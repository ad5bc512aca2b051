/* Agents that join a server under keys of their own, bench-0 and up, and then do nothing but ping,
 * as an agent without visitors does. They read and drop what the server says. */

#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    JOINING_MAX = 64,    /* handshakes under way at once */
    HEAD_MAX = 4096,     /* a longer response head is refused */
    PING_EVERY_S = 10,   /* as an agent without connections does */
    JOIN_PATIENCE_S = 60 /* all must have joined by then */
};

enum stage {
    STAGE_SHAKING, /* the TLS handshake is under way */
    STAGE_ASKED,   /* the request is sent */
    STAGE_JOINED,
    STAGE_LOST, /* the server has left */
};

struct agent {
    struct cv_load_link link;
    enum stage stage;
    size_t len;       /* bytes of the response head so far */
    unsigned matched; /* bytes of "\r\n\r\n" seen at its end */
};

struct crowd {
    const struct cv_load_options *options;
    struct ssl_ctx_st *tls; /* NULL in the clear */
    int epoll;
    unsigned dialled;
    unsigned joined;
    unsigned lost; /* left by the server after they had joined */
    struct agent agents[CV_LOAD_CONNS_MAX];
};

size_t cv_load_join(char *out, size_t size, uint16_t port, unsigned number)
{
    int len = snprintf(out, size,
                       "GET /connect HTTP/1.1\r\n"
                       "Host: 127.0.0.1:%u\r\n"
                       "Upgrade: websocket\r\n"
                       "Connection: Upgrade\r\n"
                       "Sec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: Y3VsdmVydCBiZW5jaG1yaw==\r\n"
                       "X-Tunnel-ID: bench-%u\r\n"
                       "X-Culvert-Features: ack, halfclose, credit\r\n"
                       "\r\n",
                       (unsigned)port, number);

    return len < 0 ? 0 : (size_t)len;
}

static int ask(struct crowd *crowd, struct agent *agent)
{
    char request[512];
    size_t len = cv_load_join(request, sizeof(request), crowd->options->port,
                              crowd->options->first + (unsigned)(agent - crowd->agents));

    agent->stage = STAGE_ASKED;
    return cv_load_link_send(&agent->link, request, len);
}

/* Asks to join once the link is there: at once in the clear. */
static int shake(struct crowd *crowd, struct agent *agent)
{
    if (cv_load_link_shake(&agent->link) != 0)
        return errno == EAGAIN ? 0 : -1;
    return ask(crowd, agent);
}

static int dial(struct crowd *crowd)
{
    struct agent *agent = &crowd->agents[crowd->dialled];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = agent};

    if (cv_load_link_open(&agent->link, crowd->options->port, crowd->tls) != 0)
        return -1;
    crowd->dialled++;
    if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, agent->link.fd, &event) != 0)
        return -1;
    return shake(crowd, agent);
}

/* Follows the response head through these bytes. -1 when it is not a 101. */
static int take_head(struct crowd *crowd, struct agent *agent, const char *bytes, size_t len)
{
    static const char status[] = "HTTP/1.1 101";
    static const char end[] = "\r\n\r\n";

    for (size_t i = 0; i < len && agent->stage == STAGE_ASKED; i++) {
        if (agent->len < sizeof(status) - 1 && bytes[i] != status[agent->len])
            return -1;
        if (++agent->len > HEAD_MAX)
            return -1;
        agent->matched =
            bytes[i] == end[agent->matched] ? agent->matched + 1 : (unsigned)(bytes[i] == '\r');
        if (agent->matched == sizeof(end) - 1) {
            agent->stage = STAGE_JOINED;
            crowd->joined++;
        }
    }
    return 0;
}

static int take_bytes(struct crowd *crowd, struct agent *agent)
{
    char bytes[4096];
    ssize_t got;

    do {
        got = cv_load_link_recv(&agent->link, bytes, sizeof(bytes));
        if (got > 0 && take_head(crowd, agent, bytes, (size_t)got) != 0)
            return -1;
    } while (got > 0 && crowd->tls != NULL); /* a socket tells of the rest by itself */
    if (got > 0 || (got < 0 && errno == EAGAIN))
        return 0;
    if (agent->stage != STAGE_JOINED)
        return -1;
    cv_load_link_close(&agent->link);
    agent->stage = STAGE_LOST;
    crowd->lost++;
    return 0;
}

static int take_input(struct crowd *crowd, struct agent *agent)
{
    return agent->stage == STAGE_SHAKING ? shake(crowd, agent) : take_bytes(crowd, agent);
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

/* An empty ping; its mask is of no matter without a payload. That it fails shows when reading. */
static void ping(struct agent *agent)
{
    static const unsigned char bytes[] = {0x89, 0x80, 0x12, 0x34, 0x56, 0x78};

    if (agent->stage == STAGE_JOINED)
        (void)!cv_load_link_send(&agent->link, bytes, sizeof(bytes));
}

static int stay(struct crowd *crowd)
{
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    uint64_t gap = PING_EVERY_S * CV_LOAD_NS / crowd->joined;
    uint64_t ping_at;
    unsigned next = 0;
    int result = 0;

    if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input) != 0)
        return -1;
    /* All at once at first, so that each has had its ping before memory is read; then spread over
     * the time, as agents that came one by one are. */
    for (unsigned i = 0; i < crowd->joined; i++)
        ping(&crowd->agents[i]);
    ping_at = cv_load_now() + gap;
    while (result == 0) {
        uint64_t now = cv_load_now();

        for (; ping_at <= now; ping_at += gap) {
            ping(&crowd->agents[next]);
            next = (next + 1) % crowd->joined;
        }
        result = take_events(crowd, cv_load_wait_ms(now, ping_at));
    }
    printf("{\"lost\": %u}\n", crowd->lost);
    return result < 0 || crowd->lost > 0 ? -1 : 0;
}

int cv_load_agents(const struct cv_load_options *options)
{
    static struct crowd crowd;
    uint64_t start = cv_load_now();
    int result;

    crowd.options = options;
    crowd.epoll = epoll_create1(EPOLL_CLOEXEC);
    crowd.tls = options->tls ? cv_load_tls_new() : NULL;
    result = crowd.epoll < 0 || (options->tls && crowd.tls == NULL) ? -1 : join_all(&crowd);
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
