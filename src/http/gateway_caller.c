#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "door/http_text.h"
#include "http/gateway_core.h"
#include "net/linger.h"
#include "net/log.h"

#define ANSWER_MAX 1024
#define DIAL_GRACE (500 * CV_MSEC) /* the dialler's own time-out says more than ours */

static struct cv_loop *loop_of(const struct cv_caller *caller)
{
    return caller->gateway->config.loop;
}

static void give_back(const struct cv_gateway *gateway, const char *peer)
{
    if (gateway->config.left)
        gateway->config.left(gateway->config.ctx, peer);
}

void cv_caller_drop(struct cv_caller *caller)
{
    struct cv_gateway *gateway = caller->gateway;
    struct cv_loop *loop = loop_of(caller);

    cv_caller_uncount(caller);
    give_back(gateway, caller->peer);
    cv_list_remove(&caller->link);
    gateway->caller_count--;
    if (caller->stream && (caller->state == CV_CALLER_DIALS || caller->state == CV_CALLER_RUNS))
        cv_stream_reset(caller->stream);
    cv_stream_close(caller->stream);
    cv_upstream_abandon(caller->upstream);
    cv_timer_free(caller->timer);
    cv_head_buf_clear(&caller->in, &loop->alloc);
    cv_head_buf_clear(&caller->back, &loop->alloc);
    cv_body_flow_clear(&caller->to);
    cv_body_flow_clear(&caller->from);
    cv_free(&loop->alloc, caller);
    if (gateway->draining && gateway->caller_count == 0)
        gateway->config.emptied(gateway->config.ctx);
}

ssize_t cv_caller_read(struct cv_caller *caller, struct cv_stream *stream)
{
    return cv_stream_recv(stream, loop_of(caller)->read_buf, CV_GATEWAY_READ);
}

/* Our own answer. */

static int write_answer(char out[ANSWER_MAX], int status, const char *text, bool with_body)
{
    struct cv_http_text head;
    char body[420];
    int len = snprintf(body, sizeof(body), "culvert: %s\n", text), n;

    if ((size_t)len >= sizeof(body))
        len = (int)sizeof(body) - 1;
    cv_http_text_init(&head, out, ANSWER_MAX, status);
    cv_http_text_header(&head, "Content-Type", "text/plain; charset=utf-8");
    cv_http_text_header(&head, "X-Content-Type-Options", "nosniff");
    cv_http_text_header(&head, "Cache-Control", "no-store");
    if (status == 401)
        cv_http_text_header(&head, "WWW-Authenticate", "Culvert");
    if (status == 405)
        cv_http_text_header(&head, "Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    cv_http_text_number(&head, "Content-Length", (uint64_t)len);
    cv_http_text_header(&head, "Connection", "close");
    n = cv_http_text_end(&head);
    if (n < 0 || !with_body)
        return n;
    if (n + len > ANSWER_MAX)
        return CV_ETOOLONG;
    memcpy(out + n, body, (size_t)len);
    return n + len;
}

static void watch(struct cv_caller *caller);

static void leave(struct cv_caller *caller)
{
    int rc = cv_body_flow_send(&caller->from, caller->stream);

    if (rc == 0) {
        watch(caller);
        return;
    }
    if (rc > 0) {
        cv_stream_owner(caller->stream, NULL, NULL);
        cv_linger(loop_of(caller), caller->stream);
        caller->stream = NULL;
    }
    cv_caller_drop(caller);
}

void cv_caller_answer(struct cv_caller *caller, int status, const char *text)
{
    const struct cv_gateway_config *config = &caller->gateway->config;
    char out[ANSWER_MAX];
    int n = write_answer(out, status, text, !caller->to_head);

    config->answered(config->ctx, status);
    if (status != 401 && status != 403)
        cv_log_cause(loop_of(caller), CV_CAUSE_HTTP_ANSWER, CV_CALLER_ABOUT(caller),
                     "HTTP door: %s: %d %s", caller->peer, status, text);
    cv_caller_uncount(caller);
    cv_upstream_abandon(caller->upstream);
    caller->upstream = NULL;
    caller->state = CV_CALLER_LEAVES;
    caller->moved_at = cv_loop_now(loop_of(caller));
    if (n < 0 || cv_body_flow_put(&caller->from, out, (size_t)n) < 0) {
        cv_caller_drop(caller);
        return;
    }
    leave(caller);
}

/* Time. */

/* When the caller has waited for too long, as things stand. */
static uint64_t deadline(const struct cv_caller *caller)
{
    switch (caller->state) {
    case CV_CALLER_HEAD:
        return caller->moved_at + (caller->in.len ? CV_GATEWAY_HEAD_WAIT : CV_GATEWAY_IDLE);
    case CV_CALLER_DIALS:
        return caller->moved_at + caller->wait + DIAL_GRACE;
    case CV_CALLER_LEAVES:
        return caller->moved_at + caller->gateway->config.stall;
    case CV_CALLER_RUNS:
        break;
    }
    if (!caller->answered && (caller->deaf || cv_body_flow_done(&caller->to)))
        return caller->moved_at + caller->wait;
    if (!caller->answered || cv_body_flow_waits(&caller->from))
        return caller->moved_at + caller->gateway->config.stall;
    if (caller->gateway->config.idle)
        return caller->moved_at + caller->gateway->config.idle;
    return CV_NEVER; /* a response may take its time */
}

static void arm(struct cv_caller *caller)
{
    uint64_t at = deadline(caller);

    if (at >= caller->timer_at)
        return; /* it rings early then, and is set anew */
    caller->timer_at = at;
    cv_timer_at(caller->timer, at);
}

/* Its answer is cut. */
static void say_cut(const struct cv_caller *caller)
{
    const char *how = cv_body_flow_waits(&caller->from) ? "had its answer not taken for too long"
                                                        : "was silent for too long in its answer";

    cv_log_cause(loop_of(caller), CV_CAUSE_HTTP_TARGET, CV_CALLER_ABOUT(caller),
                 "HTTP door: %s: %s/%s %s", caller->peer, caller->target.client,
                 caller->target.address, how);
}

static void expire(struct cv_caller *caller)
{
    if (caller->state == CV_CALLER_RUNS && caller->answered)
        say_cut(caller);
    if (caller->state == CV_CALLER_DIALS)
        cv_caller_answer(caller, 504, "the target was not reached in time");
    else if (caller->state == CV_CALLER_HEAD && caller->in.len)
        cv_caller_answer(caller, 408, "the request's head did not come in time");
    else if (caller->state != CV_CALLER_RUNS || caller->answered)
        cv_caller_drop(caller);
    else if (caller->to.ended || cv_body_flow_waits(&caller->to) || caller->deaf)
        cv_caller_answer(caller, 504, "the target did not answer in time");
    else
        cv_caller_answer(caller, 408, "the request's body did not come in time");
}

static void on_timer(void *ctx)
{
    struct cv_caller *caller = ctx;

    caller->timer_at = CV_NEVER;
    if (cv_loop_now(loop_of(caller)) >= deadline(caller))
        expire(caller);
    else
        arm(caller);
}

/* Wakes. */

static int visitor_events(const struct cv_caller *caller)
{
    int events = 0;

    switch (caller->state) {
    case CV_CALLER_HEAD:
        return CV_READABLE;
    case CV_CALLER_LEAVES:
        return CV_WRITABLE;
    case CV_CALLER_DIALS:
        break;
    case CV_CALLER_RUNS:
        if (!caller->deaf && !caller->to.ended && !cv_body_flow_waits(&caller->to))
            events |= CV_READABLE;
        if (cv_body_flow_waits(&caller->from))
            events |= CV_WRITABLE;
        break;
    }
    return events & CV_READABLE || caller->hung ? events : events | CV_HANGUP;
}

static int target_events(const struct cv_caller *caller)
{
    int events = 0;

    if (!cv_body_flow_waits(&caller->from) && !(caller->answered && caller->from.ended))
        events |= CV_READABLE;
    if (!caller->deaf && cv_body_flow_waits(&caller->to))
        events |= CV_WRITABLE;
    return events;
}

static void on_visitor(void *ctx, int events)
{
    struct cv_caller *caller = ctx;

    if (events & CV_HANGUP) {
        caller->hung = true;
        if (cv_stream_error(caller->stream) < 0) {
            cv_caller_drop(caller);
            return;
        }
    }
    cv_caller_run(caller);
}

static void on_target(void *ctx, int events)
{
    (void)events;
    cv_caller_run(ctx);
}

static void watch(struct cv_caller *caller)
{
    int rc = cv_stream_watch(caller->stream, visitor_events(caller));

    if (rc == 0 && caller->state == CV_CALLER_RUNS) {
        struct cv_stream *stream = cv_upstream_stream(caller->upstream);

        cv_stream_owner(stream, on_target, caller);
        rc = cv_stream_watch(stream, target_events(caller));
    }
    if (rc < 0)
        cv_caller_drop(caller);
    else
        arm(caller);
}

/* Requests. */

/* Tries to read a head: 1 it was there and the state is another, 0 it waits, CV_ECLOSED. */
static int read_head(struct cv_caller *caller)
{
    struct cv_http_head head;
    size_t len, head_len;
    const char *data = cv_head_buf_bytes(&caller->in, &len);
    int rc = len ? cv_http_request_parse(&head, data, len, &head_len) : CV_EMORE;
    bool first = len == 0;

    if (rc == 0) {
        if (cv_caller_admit(caller, &head) < 0)
            return CV_ECLOSED;
        cv_head_buf_consume(&caller->in, &loop_of(caller)->alloc, head_len);
        return 1;
    }
    if (rc != CV_EMORE) {
        cv_caller_answer(caller, head.refusal ? head.refusal : 400,
                         head.error ? head.error : "bad request");
        return CV_ECLOSED;
    }
    rc = (int)cv_head_buf_fill(&caller->in, &loop_of(caller)->alloc, caller->stream);
    if (rc == -EAGAIN)
        return 0;
    if (rc <= 0) {
        if (rc == -ENOMEM)
            cv_shed(loop_of(caller), rc);
        cv_caller_drop(caller);
        return CV_ECLOSED;
    }
    if (first)
        caller->moved_at = cv_loop_now(loop_of(caller));
    return 1;
}

void cv_caller_run(struct cv_caller *caller)
{
    int rc = 1;

    while (rc > 0) {
        switch (caller->state) {
        case CV_CALLER_HEAD:
            rc = read_head(caller);
            break;
        case CV_CALLER_DIALS:
            rc = 0;
            break;
        case CV_CALLER_RUNS:
            rc = cv_caller_exchange(caller);
            break;
        case CV_CALLER_LEAVES:
            leave(caller);
            return;
        }
    }
    if (rc == 0)
        watch(caller);
}

/* Who has been between two requests for longest makes room. */
static bool make_room(struct cv_gateway *gateway)
{
    if (gateway->caller_count < CV_GATEWAY_CALLERS_MAX)
        return true;
    cv_list_each (link, &gateway->callers) {
        struct cv_caller *caller = cv_container_of(link, struct cv_caller, link);

        if (caller->state == CV_CALLER_HEAD) {
            cv_caller_drop(caller);
            return true;
        }
    }
    return false;
}

/* A caller with nothing but its timer; or why there is no place for one more. */
static int open_caller(struct cv_caller **out, struct cv_gateway *gateway)
{
    struct cv_loop *loop = gateway->config.loop;
    struct cv_caller *caller;
    int rc;

    if (!make_room(gateway))
        return CV_EFULL;
    caller = cv_alloc_zero(&loop->alloc, sizeof(*caller));
    if (!caller)
        return -ENOMEM;
    rc = cv_timer_new(&caller->timer, loop, on_timer, caller);
    if (rc < 0) {
        cv_free(&loop->alloc, caller);
        return rc;
    }
    *out = caller;
    return 0;
}

static void say_no_room(struct cv_loop *loop, const char *peer, int why)
{
    cv_shed(loop, why);
    cv_log_cause(loop, CV_CAUSE_NO_ROOM, NULL, "HTTP door: %s: turned away: %s", peer,
                 cv_strerror(why));
}

void cv_gateway_take(struct cv_gateway *gateway, struct cv_stream *stream, const char *peer,
                     const void *data, size_t len)
{
    struct cv_loop *loop = gateway->config.loop;
    struct cv_caller *caller;
    int rc = open_caller(&caller, gateway);

    if (rc < 0) {
        say_no_room(loop, peer, rc);
        give_back(gateway, peer);
        cv_stream_close(stream);
        return;
    }
    cv_list_init(&caller->link);
    cv_list_push_back(&gateway->callers, &caller->link);
    gateway->caller_count++;
    caller->gateway = gateway;
    caller->stream = stream;
    snprintf(caller->peer, sizeof(caller->peer), "%s", peer);
    caller->timer_at = CV_NEVER;
    caller->moved_at = cv_loop_now(loop);
    cv_body_flow_init(&caller->to, &loop->alloc);
    cv_body_flow_init(&caller->from, &loop->alloc);
    cv_stream_owner(stream, on_visitor, caller);
    rc = cv_head_buf_add(&caller->in, &loop->alloc, data, len);
    if (rc == 0) {
        cv_caller_run(caller);
        return;
    }
    say_no_room(loop, peer, rc);
    cv_caller_drop(caller);
}
