/* Agents that lose their server at once and come back, each at a moment of its own, by the rule of
 * the product: cv_retry_delay(). They come in the clear, and from 64 addresses. */

#include "load.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/retry.h"

enum {
    PING_EVERY_S = 5,       /* a server gives up who is silent for 15 s */
    ANSWER_PATIENCE_S = 10, /* a try without an answer has failed */
    LOOK_MS = 10,           /* for those whose time has come */
    SLICES = 10,            /* of a second, in which answers are counted */
};

enum stage { STAGE_AWAY, STAGE_DIALLING, STAGE_ASKED, STAGE_JOINED };

struct agent {
    int fd; /* -1 when AWAY */
    enum stage stage;
    unsigned tries; /* since the last session that lasted */
    uint64_t at;    /* AWAY: when to dial; JOINED: since when; else when the try has failed */
};

struct herd {
    const struct cv_load_options *options;
    struct cv_random random;
    struct cv_prng prng;
    int epoll;
    unsigned joined, tries, refused, failed;
    uint64_t since;           /* the first of them was away */
    uint64_t slice;           /* the number of the last one */
    unsigned answers[SLICES]; /* in each of the last ones */
    unsigned peak;            /* of answers in a second */
    bool over;                /* the benchmark has seen enough */
    struct agent agents[CV_LOAD_CONNS_MAX];
};

static void count_answer(struct herd *herd, uint64_t now)
{
    uint64_t slice = now / (CV_LOAD_NS / SLICES);
    unsigned sum = 0;

    for (; herd->slice < slice; herd->slice++)
        herd->answers[(herd->slice + 1) % SLICES] = 0;
    herd->answers[slice % SLICES]++;
    for (unsigned i = 0; i < SLICES; i++)
        sum += herd->answers[i];
    if (sum > herd->peak)
        herd->peak = sum;
}

/* It is away, and comes back when the rule says so. */
static void leave(struct herd *herd, struct agent *agent, uint64_t now)
{
    if (agent->fd >= 0)
        close(agent->fd);
    agent->fd = -1;
    if (agent->stage == STAGE_JOINED && herd->joined-- == herd->options->conns)
        herd->since = now;
    if (agent->stage == STAGE_JOINED && now - agent->at >= CV_RETRY_RESET * 1000)
        agent->tries = 0;
    agent->stage = STAGE_AWAY;
    agent->at = now + 1000 * cv_retry_delay(&herd->random, ++agent->tries, false);
}

static void fail(struct herd *herd, struct agent *agent, uint64_t now)
{
    herd->failed++;
    leave(herd, agent, now);
}

static void dial(struct herd *herd, struct agent *agent, uint64_t now)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = agent};

    herd->tries++;
    agent->fd = cv_load_connect_start(herd->options->port, (unsigned)(agent - herd->agents));
    agent->at = now + ANSWER_PATIENCE_S * CV_LOAD_NS;
    agent->stage = STAGE_DIALLING;
    if (agent->fd < 0 || epoll_ctl(herd->epoll, EPOLL_CTL_ADD, agent->fd, &event) != 0)
        fail(herd, agent, now);
}

static void ask(struct herd *herd, struct agent *agent, uint64_t now)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = agent};
    char request[512];
    size_t len = cv_load_join(request, sizeof(request), herd->options->port,
                              (unsigned)(agent - herd->agents));

    agent->stage = STAGE_ASKED;
    if (send(agent->fd, request, len, MSG_NOSIGNAL) != (ssize_t)len ||
        epoll_ctl(herd->epoll, EPOLL_CTL_MOD, agent->fd, &event) != 0)
        fail(herd, agent, now);
}

/* The answer's head comes in one piece. */
static void take_answer(struct herd *herd, struct agent *agent, uint64_t now)
{
    static const char welcome[] = "HTTP/1.1 101";
    char bytes[4096];
    ssize_t got = recv(agent->fd, bytes, sizeof(bytes), 0);

    if (got < (ssize_t)sizeof(welcome) - 1) {
        fail(herd, agent, now);
        return;
    }
    count_answer(herd, now);
    if (memcmp(bytes, welcome, sizeof(welcome) - 1) != 0) {
        herd->refused++;
        leave(herd, agent, now);
        return;
    }
    agent->stage = STAGE_JOINED;
    agent->at = now;
    herd->joined++;
}

static void take_input(struct herd *herd, struct agent *agent, uint64_t now)
{
    char bytes[4096];
    ssize_t got;

    if (agent->stage == STAGE_DIALLING) {
        ask(herd, agent, now);
        return;
    }
    if (agent->stage == STAGE_ASKED) {
        take_answer(herd, agent, now);
        return;
    }
    got = recv(agent->fd, bytes, sizeof(bytes), 0);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        leave(herd, agent, now);
}

static int take_events(struct herd *herd)
{
    struct epoll_event events[CV_LOAD_EVENTS];
    int count = epoll_wait(herd->epoll, events, CV_LOAD_EVENTS, LOOK_MS);
    uint64_t now = cv_load_now();

    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == NULL)
            herd->over = true;
        else
            take_input(herd, events[i].data.ptr, now);
    }
    return count < 0 && errno != EINTR ? -1 : 0;
}

static void look_at_all(struct herd *herd, uint64_t now)
{
    for (unsigned i = 0; i < herd->options->conns; i++) {
        struct agent *agent = &herd->agents[i];

        if (agent->stage == STAGE_JOINED || agent->at > now)
            continue;
        if (agent->stage == STAGE_AWAY)
            dial(herd, agent, now);
        else
            fail(herd, agent, now);
    }
}

static void ping_all(struct herd *herd)
{
    static const unsigned char bytes[] = {0x89, 0x80, 0x12, 0x34, 0x56, 0x78};

    for (unsigned i = 0; i < herd->options->conns; i++)
        if (herd->agents[i].stage == STAGE_JOINED)
            (void)!send(herd->agents[i].fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
}

/* All are back: says so, and begins to count anew. */
static void report(struct herd *herd, uint64_t now)
{
    printf("{\"joined\": %u, \"seconds\": %.3f, \"peak\": %u, \"tries\": %u, \"refused\": %u, "
           "\"failed\": %u}\n",
           herd->joined, (double)(now - herd->since) / (double)CV_LOAD_NS, herd->peak, herd->tries,
           herd->refused, herd->failed);
    fflush(stdout);
    herd->peak = herd->tries = herd->refused = herd->failed = 0;
    memset(herd->answers, 0, sizeof(herd->answers));
}

static int run(struct herd *herd)
{
    uint64_t ping_at = cv_load_now() + PING_EVERY_S * CV_LOAD_NS;
    bool all = false;

    while (!herd->over) {
        uint64_t now = cv_load_now();

        if (herd->joined < herd->options->conns)
            look_at_all(herd, now);
        if (now >= ping_at) {
            ping_all(herd);
            ping_at = now + PING_EVERY_S * CV_LOAD_NS;
        }
        if (take_events(herd) != 0)
            return -1;
        if (!all && herd->joined == herd->options->conns)
            report(herd, cv_load_now());
        all = herd->joined == herd->options->conns;
    }
    return 0;
}

int cv_load_herd(const struct cv_load_options *options)
{
    static struct herd herd;
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    int result;

    herd.options = options;
    herd.since = cv_load_now();
    cv_prng_init(&herd.prng, herd.since);
    herd.random = cv_prng_random(&herd.prng);
    herd.epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < options->conns; i++) {
        herd.agents[i].fd = -1;
        leave(&herd, &herd.agents[i], herd.since);
    }
    result = herd.epoll < 0 ? -1 : epoll_ctl(herd.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input);
    if (result == 0)
        result = run(&herd);
    printf("{\"away\": %u}\n", options->conns - herd.joined);
    if (result == 0 && herd.joined == options->conns)
        return 0;
    fprintf(stderr, "load: herd: %u of %u are in, last error: %s\n", herd.joined, options->conns,
            strerror(errno));
    return 1;
}
