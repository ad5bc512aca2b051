#include "http/upstream.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/list.h"
#include "net/log.h"
#include "net/timer.h"

#define PROBLEM_MAX 160

/* Held by both ends of a pair, which may be on two threads: @problem is written before @ended is
 * set, and that before the socket is closed. */
struct cv_upstream_call {
    atomic_int holders;
    atomic_bool failed;
    char problem[PROBLEM_MAX];
};

struct cv_upstreams {
    struct cv_upstreams_config config;
    struct cv_outbound *outbound; /* owned */
    struct cv_list idle;          /* the longest idle first */
    size_t idle_count;
    bool draining;
};

struct cv_upstream {
    struct cv_list link;            /* while it is idle */
    struct cv_upstreams *upstreams; /* borrowed */
    struct cv_upstream_target target;
    struct cv_stream *stream;      /* owned; the pair's, later TLS over it; NULL between */
    struct cv_pair *pair;          /* a reference, once TLS is over it */
    struct cv_dialling *dialling;  /* owned: the handshake of TLS */
    struct cv_timer *timer;        /* owned; of being idle */
    struct cv_upstream_call *call; /* held */
    cv_upstream_opened *done;      /* NULL when it was called */
    void *ctx;                     /* borrowed */
    uint64_t wait;
    size_t outcome_len; /* read so far */
    char outcome[CV_UPSTREAM_OUTCOME_MAX + 1];
};

/* The call: failure, length of the text, text. */

size_t cv_upstream_outcome(char out[CV_UPSTREAM_OUTCOME_MAX], enum cv_failure failure,
                           const char *text)
{
    size_t len = text ? cv_min_size(strlen(text), CV_UPSTREAM_OUTCOME_MAX - 3) : 0;

    out[0] = (char)failure;
    out[1] = (char)len;
    if (len)
        memcpy(out + 2, text, len);
    return len + 2;
}

static void let_go(struct cv_upstream_call *call)
{
    if (call && atomic_fetch_sub(&call->holders, 1) == 1)
        free(call);
}

void cv_upstream_ended(struct cv_upstream_call *call, bool error, const char *text, size_t len)
{
    if (error) {
        snprintf(call->problem, sizeof(call->problem), "%.*s", (int)len, text ? text : "");
        atomic_store(&call->failed, true);
    }
    let_go(call);
}

const char *cv_upstream_problem(const struct cv_upstream *upstream)
{
    if (!atomic_load(&upstream->call->failed))
        return NULL;
    return upstream->call->problem[0] ? upstream->call->problem : "the connection failed";
}

/* Opening. */

static void tell(struct cv_upstream *upstream, enum cv_failure failure, const char *text)
{
    cv_upstream_opened *done = upstream->done;

    upstream->done = NULL;
    if (upstream->stream)
        cv_stream_owner(upstream->stream, NULL, NULL);
    done(upstream->ctx, failure, text);
}

static void on_tls(void *ctx, struct cv_stream *stream, int error, const char *text)
{
    struct cv_upstream *upstream = ctx;

    upstream->dialling = NULL;
    upstream->stream = stream;
    if (stream)
        tell(upstream, CV_FAILURE_NONE, NULL);
    else
        tell(upstream, error == -ETIMEDOUT ? CV_FAILURE_TIMEOUT : CV_FAILURE_OTHER, text);
}

/* HOST without brackets, and PORT, of an address that has both. */
static uint16_t split_address(char host[CV_HTTP_GATE_HOST_MAX + 1], const char *address)
{
    const char *colon = strrchr(address, ':');
    size_t len = colon ? (size_t)(colon - address) : strlen(address);
    bool bracketed = len >= 2 && address[0] == '[';

    snprintf(host, CV_HTTP_GATE_HOST_MAX + 1, "%.*s", (int)(len - 2 * bracketed),
             address + bracketed);
    return colon ? (uint16_t)strtoul(colon + 1, NULL, 10) : 443;
}

static void begin_tls(struct cv_upstream *upstream)
{
    char host[CV_HTTP_GATE_HOST_MAX + 1];
    struct cv_outbound_options options = {.host = host,
                                          .tls = true,
                                          .ca_file = upstream->upstreams->config.ca_file,
                                          .timeout = upstream->wait};
    int fd = cv_pair_release(upstream->stream, &upstream->pair), rc;

    upstream->stream = NULL;
    options.port = split_address(host, upstream->target.address);
    rc = cv_outbound_over(&upstream->dialling, upstream->upstreams->outbound, fd, &options, on_tls,
                          upstream);
    if (rc == 0)
        return;
    close(fd);
    tell(upstream, CV_FAILURE_OTHER, cv_strerror(rc));
}

/* The whole of the outcome is there. */
static void judge(struct cv_upstream *upstream)
{
    unsigned failure = (unsigned char)upstream->outcome[0];

    upstream->outcome[upstream->outcome_len] = '\0';
    if (failure >= CV_FAILURE_COUNT)
        failure = CV_FAILURE_OTHER;
    if (failure != CV_FAILURE_NONE)
        tell(upstream, (enum cv_failure)failure,
             upstream->outcome[1] ? upstream->outcome + 2
                                  : cv_failure_text((enum cv_failure)failure));
    else if (upstream->target.https)
        begin_tls(upstream);
    else
        tell(upstream, CV_FAILURE_NONE, NULL);
}

/* Reads no byte more than the outcome: what follows is the target's. */
static void on_outcome(void *ctx, int events)
{
    struct cv_upstream *upstream = ctx;

    (void)events;
    for (;;) {
        size_t want = upstream->outcome_len < 2 ? 2 : 2 + (size_t)(uint8_t)upstream->outcome[1];
        ssize_t n;

        if (upstream->outcome_len == want) {
            judge(upstream);
            return;
        }
        n = cv_stream_recv(upstream->stream, upstream->outcome + upstream->outcome_len,
                           want - upstream->outcome_len);
        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            tell(upstream, CV_FAILURE_OTHER, "the tunnel ended the connection");
            return;
        }
        upstream->outcome_len += (size_t)n;
    }
}

static struct cv_upstream *upstream_new(struct cv_upstreams *upstreams)
{
    struct cv_upstream *upstream = cv_alloc_zero(&upstreams->config.loop->alloc, sizeof(*upstream));

    if (!upstream)
        return NULL;
    upstream->upstreams = upstreams;
    cv_list_init(&upstream->link);
    upstream->call = calloc(1, sizeof(*upstream->call));
    if (upstream->call)
        atomic_init(&upstream->call->holders, 1);
    return upstream;
}

static int make_pair(struct cv_upstream *upstream, struct cv_upstream_dial *dial)
{
    int fds[2], rc = upstream->call ? cv_pair_new(&dial->pair, fds) : -ENOMEM;

    if (rc < 0)
        return rc;
    dial->fd = fds[CV_PAIR_OUTER];
    rc = cv_pair_stream(&upstream->stream, upstream->upstreams->config.loop, dial->pair,
                        CV_PAIR_INNER, fds[CV_PAIR_INNER]);
    if (rc < 0) {
        close(fds[CV_PAIR_INNER]);
        cv_pair_unref(dial->pair);
    } else {
        cv_stream_owner(upstream->stream, on_outcome, upstream);
        rc = cv_stream_watch(upstream->stream, CV_READABLE);
    }
    if (rc < 0) {
        close(dial->fd);
        cv_pair_unref(dial->pair);
    }
    return rc;
}

int cv_upstream_open(struct cv_upstream **out, struct cv_upstreams *upstreams,
                     const struct cv_upstream_target *target, const char *peer, uint64_t wait,
                     cv_upstream_opened *done, void *ctx)
{
    struct cv_upstream *upstream = upstream_new(upstreams);
    struct cv_upstream_dial dial = {.target = target, .peer = peer, .wait = wait};
    int rc = upstream ? make_pair(upstream, &dial) : -ENOMEM;

    if (rc < 0) {
        cv_upstream_put(upstream, false);
        return rc;
    }
    upstream->target = *target;
    upstream->wait = wait;
    upstream->done = done;
    upstream->ctx = ctx;
    dial.call = upstream->call;
    atomic_fetch_add(&upstream->call->holders, 1);
    *out = upstream;
    upstreams->config.dial(upstreams->config.ctx, &dial);
    return 0;
}

struct cv_stream *cv_upstream_stream(const struct cv_upstream *upstream)
{
    return upstream->stream;
}

/* Idle ones. */

static void upstream_free(struct cv_upstream *upstream)
{
    if (!cv_list_empty(&upstream->link)) {
        cv_list_remove(&upstream->link);
        upstream->upstreams->idle_count--;
    }
    if (upstream->dialling)
        cv_outbound_cancel(upstream->dialling);
    cv_stream_close(upstream->stream);
    cv_pair_unref(upstream->pair);
    cv_timer_free(upstream->timer);
    let_go(upstream->call);
    cv_free(&upstream->upstreams->config.loop->alloc, upstream);
}

/* Whatever an idle target says, it is no answer to anything: its end, or something out of turn. */
static void on_idle_ready(void *ctx, int events)
{
    (void)events;
    upstream_free(ctx);
}

static void on_idle_long(void *ctx)
{
    upstream_free(ctx);
}

static bool is_same(const struct cv_upstream_target *a, const struct cv_upstream_target *b)
{
    if (a->has_digest != b->has_digest || (a->has_digest && !cv_access_equal(a->digest, b->digest)))
        return false;
    return a->https == b->https && strcmp(a->client, b->client) == 0 &&
           strcmp(a->address, b->address) == 0;
}

/* The longest idle one makes room, of this target or of all. */
static void make_room(struct cv_upstreams *upstreams, const struct cv_upstream_target *target)
{
    struct cv_upstream *oldest = NULL;
    size_t same = 0;

    cv_list_each (link, &upstreams->idle) {
        struct cv_upstream *other = cv_container_of(link, struct cv_upstream, link);

        if (!is_same(&other->target, target))
            continue;
        oldest = oldest ? oldest : other;
        same++;
    }
    if (same >= CV_UPSTREAM_SAME_MAX)
        upstream_free(oldest);
    else if (upstreams->idle_count >= CV_UPSTREAM_IDLE_MAX)
        upstream_free(cv_container_of(upstreams->idle.next, struct cv_upstream, link));
}

static int keep(struct cv_upstream *upstream)
{
    struct cv_upstreams *upstreams = upstream->upstreams;
    int rc = 0;

    make_room(upstreams, &upstream->target);
    if (!upstream->timer)
        rc = cv_timer_new(&upstream->timer, upstreams->config.loop, on_idle_long, upstream);
    if (rc < 0)
        return rc;
    cv_stream_owner(upstream->stream, on_idle_ready, upstream);
    rc = cv_stream_watch(upstream->stream, CV_READABLE);
    if (rc < 0)
        return rc;
    cv_timer_set(upstream->timer, CV_UPSTREAM_IDLE);
    cv_list_push_back(&upstreams->idle, &upstream->link);
    upstreams->idle_count++;
    return 0;
}

void cv_upstream_put(struct cv_upstream *upstream, bool clean)
{
    if (!upstream)
        return;
    if (!clean || upstream->upstreams->draining || !upstream->stream || keep(upstream) < 0)
        upstream_free(upstream);
}

void cv_upstream_abandon(struct cv_upstream *upstream)
{
    if (!upstream)
        return;
    if (upstream->pair)
        cv_pair_reset(upstream->pair, CV_PAIR_INNER);
    else if (upstream->stream)
        cv_stream_reset(upstream->stream);
    upstream_free(upstream);
}

/* Whether nothing has come on it since it was put back. */
static bool is_quiet(const struct cv_upstream *upstream)
{
    char byte;

    return cv_stream_recv(upstream->stream, &byte, 1) == -EAGAIN;
}

struct cv_upstream *cv_upstream_reuse(struct cv_upstreams *upstreams,
                                      const struct cv_upstream_target *target)
{
    cv_list_each_safe (link, &upstreams->idle) {
        struct cv_upstream *upstream = cv_container_of(link, struct cv_upstream, link);

        if (!is_same(&upstream->target, target))
            continue;
        if (!is_quiet(upstream)) {
            upstream_free(upstream);
            continue;
        }
        cv_list_remove(&upstream->link);
        upstreams->idle_count--;
        cv_timer_stop(upstream->timer);
        cv_stream_owner(upstream->stream, NULL, NULL);
        return upstream;
    }
    return NULL;
}

int cv_upstreams_new(struct cv_upstreams **out, const struct cv_upstreams_config *config)
{
    struct cv_upstreams *upstreams = cv_alloc_zero(&config->loop->alloc, sizeof(*upstreams));
    int rc;

    if (!upstreams)
        return -ENOMEM;
    upstreams->config = *config;
    cv_list_init(&upstreams->idle);
    rc = cv_outbound_new(&upstreams->outbound, config->loop);
    if (rc < 0) {
        cv_free(&config->loop->alloc, upstreams);
        return rc;
    }
    *out = upstreams;
    return 0;
}

void cv_upstreams_drain(struct cv_upstreams *upstreams)
{
    upstreams->draining = true;
    cv_list_each_safe (link, &upstreams->idle)
        upstream_free(cv_container_of(link, struct cv_upstream, link));
}

void cv_upstreams_free(struct cv_upstreams *upstreams)
{
    if (!upstreams)
        return;
    cv_upstreams_drain(upstreams);
    cv_outbound_free(upstreams->outbound);
    cv_free(&upstreams->config.loop->alloc, upstreams);
}
