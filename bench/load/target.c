/* What visitors reach through a tunnel. One port serves all: the first byte of a connection says
 * what it wants, so that a tunnel needs one forward only. */

#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum verb {
    VERB_NONE,   /* nothing has arrived yet */
    VERB_SINK,   /* "SINK\n": swallow and count */
    VERB_SOURCE, /* "SOURCE\n": send until the visitor goes */
    VERB_ECHO,   /* "ECHO\n": send back what comes */
    VERB_COUNT,  /* "COUNT\n": answer each line with the bytes swallowed so far */
    VERB_WEB, /* "GET …": a response a request; the path "/close" ends the connection after it */
};

struct visitor {
    enum verb verb;
    bool closes;      /* web: after the first response */
    unsigned matched; /* web: bytes of "\r\n\r\n" seen at the end of what came */
};

struct target {
    int epoll;
    int listener;
    uint64_t swallowed;
    size_t limit;             /* entries of visitors: descriptors below this can be served */
    struct visitor *visitors; /* by descriptor */
    size_t block;             /* bytes of one read or write */
    char noise[CV_LOAD_BLOCK_MAX];
    char scratch[CV_LOAD_BLOCK_MAX];
};

static const char response_head[] = "HTTP/1.1 200 OK\r\n"
                                    "Content-Type: application/octet-stream\r\n"
                                    "Content-Length: 1024\r\n"
                                    "\r\n";

size_t cv_load_response_length(void)
{
    return sizeof(response_head) - 1 + CV_LOAD_BODY;
}

void cv_load_fill_with_noise(char *bytes, size_t len)
{
    uint64_t state = 88172645463325252ull;

    for (size_t i = 0; i < len; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes[i] = (char)(state >> 56);
    }
}

static enum verb verb_of(const char *bytes, size_t len)
{
    static const struct {
        char text[8];
        enum verb verb;
    } verbs[] = {{"SINK\n", VERB_SINK},
                 {"SOURCE\n", VERB_SOURCE},
                 {"ECHO\n", VERB_ECHO},
                 {"COUNT\n", VERB_COUNT},
                 {"GET ", VERB_WEB}};

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        size_t need = strlen(verbs[i].text);

        if (len >= need && memcmp(bytes, verbs[i].text, need) == 0)
            return verbs[i].verb;
    }
    return VERB_NONE;
}

/* Small answers fit the socket's buffer at once, or the visitor is not one of ours. */
static int answer(int fd, const void *bytes, size_t len)
{
    return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

/* Answers each request that ends within these bytes. -1 when the connection is done. */
static int serve_web(struct target *target, int fd, const char *bytes, size_t len)
{
    static const char end[] = "\r\n\r\n";
    struct visitor *visitor = &target->visitors[fd];

    for (size_t i = 0; i < len; i++) {
        visitor->matched =
            bytes[i] == end[visitor->matched] ? visitor->matched + 1 : (unsigned)(bytes[i] == '\r');
        if (visitor->matched < sizeof(end) - 1)
            continue;
        visitor->matched = 0;
        /* The noise begins with the response: see cv_load_target. */
        if (answer(fd, target->noise, cv_load_response_length()) != 0 || visitor->closes)
            return -1;
    }
    return 0;
}

static int serve_count(const struct target *target, int fd)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)target->swallowed);

    return answer(fd, text, (size_t)len);
}

static int serve_source(struct target *target, int fd)
{
    ssize_t sent = send(fd, target->noise, target->block, MSG_NOSIGNAL);

    return sent >= 0 || errno == EAGAIN ? 0 : -1;
}

/* The first bytes of a connection. They arrive whole, since a visitor writes them at once and they
 * are few. */
static int begin(struct target *target, int fd, const char *bytes, size_t len)
{
    struct visitor *visitor = &target->visitors[fd];
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.fd = fd};
    enum verb verb = verb_of(bytes, len);

    visitor->verb = verb;
    switch (verb) {
    case VERB_NONE:
        return -1;
    case VERB_SINK:
        target->swallowed += len;
        return 0;
    case VERB_SOURCE:
        return epoll_ctl(target->epoll, EPOLL_CTL_MOD, fd, &event);
    case VERB_ECHO:
        return len > 5 ? answer(fd, bytes + 5, len - 5) : 0;
    case VERB_COUNT:
        return serve_count(target, fd);
    case VERB_WEB:
        visitor->closes = len > 6 && memcmp(bytes, "GET /c", 6) == 0;
        return serve_web(target, fd, bytes, len);
    }
    return -1;
}

static int serve_input(struct target *target, int fd)
{
    ssize_t got = recv(fd, target->scratch, target->block, 0);

    if (got <= 0)
        return got < 0 && errno == EAGAIN ? 0 : -1;
    switch (target->visitors[fd].verb) {
    case VERB_NONE:
        return begin(target, fd, target->scratch, (size_t)got);
    case VERB_SINK:
        target->swallowed += (uint64_t)got;
        return 0;
    case VERB_SOURCE:
        return 0;
    case VERB_ECHO:
        return answer(fd, target->scratch, (size_t)got);
    case VERB_COUNT:
        return serve_count(target, fd);
    case VERB_WEB:
        return serve_web(target, fd, target->scratch, (size_t)got);
    }
    return -1;
}

static void serve_visitor(struct target *target, int fd, uint32_t events)
{
    int result = 0;

    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        result = serve_input(target, fd);
    if (result == 0 && (events & EPOLLOUT) != 0 && target->visitors[fd].verb == VERB_SOURCE)
        result = serve_source(target, fd);
    if (result != 0)
        close(fd);
}

static void accept_all(struct target *target)
{
    int fd;

    while ((fd = accept4(target->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

        if ((size_t)fd >= target->limit ||
            epoll_ctl(target->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
            close(fd);
            continue;
        }
        target->visitors[fd] = (struct visitor){.verb = VERB_NONE};
    }
}

static int open_target(struct target *target, uint16_t port)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return -1;
    target->limit = (size_t)files.rlim_cur;
    target->visitors = calloc(target->limit, sizeof(*target->visitors));
    target->epoll = epoll_create1(EPOLL_CLOEXEC);
    target->listener = cv_load_listen(port);
    if (target->visitors == NULL || target->epoll < 0 || target->listener < 0)
        return -1;
    cv_load_fill_with_noise(target->noise, sizeof(target->noise));
    memcpy(target->noise, response_head, sizeof(response_head) - 1);
    event.data.fd = target->listener;
    return epoll_ctl(target->epoll, EPOLL_CTL_ADD, target->listener, &event);
}

int cv_load_target(const struct cv_load_options *options)
{
    static struct target target;
    struct epoll_event events[CV_LOAD_EVENTS];

    target.block = options->block;
    if (open_target(&target, options->port) != 0) {
        perror("load: target");
        return 1;
    }
    for (;;) {
        int count = epoll_wait(target.epoll, events, CV_LOAD_EVENTS, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == target.listener)
                accept_all(&target);
            else
                serve_visitor(&target, events[i].data.fd, events[i].events);
        }
    }
}
