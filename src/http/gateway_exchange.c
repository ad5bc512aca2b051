#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "door/http_forward.h"
#include "http/gateway_core.h"
#include "net/linger.h"
#include "net/log.h"

static const struct cv_alloc *alloc_of(const struct cv_caller *caller)
{
    return &caller->gateway->config.loop->alloc;
}

static void note_move(struct cv_caller *caller)
{
    caller->moved_at = cv_loop_now(caller->gateway->config.loop);
}

/* Answers while that is possible, else drops. Always CV_ECLOSED. */
static int give_up(struct cv_caller *caller, int status, const char *text)
{
    if (caller->answered)
        cv_caller_drop(caller);
    else
        cv_caller_answer(caller, status, text);
    return CV_ECLOSED;
}

/* The request. */

static int send_to(struct cv_caller *caller)
{
    size_t before = caller->to.out_sent;
    bool waited = cv_body_flow_waits(&caller->to);
    int rc = cv_body_flow_send(&caller->to, cv_upstream_stream(caller->upstream));

    if (waited && (rc > 0 || caller->to.out_sent != before))
        note_move(caller);
    if (rc < 0) /* it may have answered before it stopped listening */
        caller->deaf = true;
    return rc;
}

/* What the visitor has sent of its body: bytes dealt with, 0 none now, or an error. */
static int take_request(struct cv_caller *caller, const char *data, size_t len)
{
    const uint64_t max = caller->gateway->config.max_body;
    ssize_t n = cv_body_flow_take(&caller->to, data, len);

    if (n == CV_ESYNTAX || n == CV_ETOOLONG)
        return give_up(caller, 400, caller->to.body.error);
    if (n < 0)
        return give_up(caller, 503, cv_strerror((int)n));
    if (max && caller->to.payload > max)
        return give_up(caller, 413, "the request's body is too long");
    return (int)n;
}

/* Reads more of the request's body. Returns 0, or CV_ECLOSED. */
static int read_request(struct cv_caller *caller)
{
    const char *read_buf = (const char *)caller->gateway->config.loop->read_buf;
    size_t len;
    const char *data = cv_head_buf_bytes(&caller->in, &len);
    ssize_t got;
    int n;

    if (len) {
        n = take_request(caller, data, len);
        if (n >= 0)
            cv_head_buf_consume(&caller->in, alloc_of(caller), (size_t)n);
        return n < 0 ? n : 0;
    }
    got = cv_caller_read(caller, caller->stream);
    if (got == -EAGAIN)
        return 0;
    if (got == 0 && caller->raw)
        return cv_body_flow_eof(&caller->to) < 0 ? give_up(caller, 503, "out of memory") : 0;
    if (got <= 0) { /* the visitor is gone, or has stopped half-way */
        cv_caller_drop(caller);
        return CV_ECLOSED;
    }
    note_move(caller);
    n = take_request(caller, read_buf, (size_t)got);
    if (n < 0)
        return n;
    if (cv_head_buf_add(&caller->in, alloc_of(caller), read_buf + n, (size_t)(got - n)) < 0)
        return give_up(caller, 503, "out of memory");
    return 0;
}

static int move_request(struct cv_caller *caller)
{
    int rc;

    if (caller->deaf || send_to(caller) <= 0)
        return 0;
    if (!caller->to.ended) {
        rc = read_request(caller);
        if (rc < 0)
            return rc;
        (void)!send_to(caller); /* an error is noted */
    }
    if (caller->raw && !caller->shut_to && cv_body_flow_done(&caller->to)) {
        caller->shut_to = true;
        cv_stream_shutdown(cv_upstream_stream(caller->upstream));
    }
    return 0;
}

/* The response. */

/* The target's connection ended before a whole response head had come. */
static int lose_target(struct cv_caller *caller)
{
    const char *problem = cv_upstream_problem(caller->upstream);
    char text[200];

    snprintf(text, sizeof(text), "%s", problem ? problem : "the target ended without an answer");
    cv_upstream_put(caller->upstream, false);
    caller->upstream = NULL;
    if (caller->reused && caller->can_repeat && caller->back.len == 0) {
        /* it was closed for being idle just when we took it: what RFC 9112, 9.3.1 allows for */
        cv_body_flow_rewind(&caller->to);
        caller->deaf = false;
        return cv_caller_dial(caller);
    }
    return give_up(caller, 502, text);
}

/* How a response's body goes on to the visitor. */
static enum cv_http_framing framing_for(const struct cv_caller *caller,
                                        const struct cv_http_body *body)
{
    if (body->framing != CV_HTTP_CHUNKED && body->framing != CV_HTTP_CLOSE)
        return body->framing;
    return caller->old ? CV_HTTP_CLOSE : CV_HTTP_CHUNKED;
}

static int lay_reply(struct cv_caller *caller, const struct cv_http_head *head,
                     const struct cv_http_reply *how)
{
    char text[CV_HTTP_FORWARD_MAX];
    int n = cv_http_forward_response(text, sizeof(text), head, how);

    return n < 0 ? n : cv_body_flow_put(&caller->from, text, (size_t)n);
}

/* Both directions carry WebSocket frames from here on. */
static int begin_raw(struct cv_caller *caller, const struct cv_http_head *head)
{
    const struct cv_http_body stream = {.framing = CV_HTTP_CLOSE};

    if (!caller->websocket || !head->websocket || !cv_body_flow_done(&caller->to))
        return give_up(caller, 502, "the target switches protocols, and was not asked to");
    if (lay_reply(caller, head, &(struct cv_http_reply){.framing = CV_HTTP_NO_BODY}) < 0)
        return give_up(caller, 503, "out of memory");
    caller->answered = caller->raw = caller->closes = true;
    cv_body_flow_begin(&caller->to, &stream, CV_HTTP_CLOSE);
    cv_body_flow_begin(&caller->from, &stream, CV_HTTP_CLOSE);
    return 0;
}

/* The final head. */
static int begin_response(struct cv_caller *caller, const struct cv_http_head *head)
{
    struct cv_http_reply how = {.framing = CV_HTTP_NO_BODY};
    struct cv_http_body body;

    cv_http_body_of_response(&body, head, caller->to_head);
    how.framing = framing_for(caller, &body);
    how.close =
        !caller->keep_alive || !caller->to.ended || (how.framing == CV_HTTP_CLOSE && !body.done);
    how.keep_alive_said = caller->old;
    if (lay_reply(caller, head, &how) < 0)
        return give_up(caller, 503, "out of memory");
    caller->answered = true;
    caller->closes = how.close;
    caller->clean = head->keep_alive && body.framing != CV_HTTP_CLOSE;
    caller->to.again = false;
    cv_body_flow_begin(&caller->from, &body, how.framing);
    return 0;
}

static int deal_with_head(struct cv_caller *caller, const struct cv_http_head *head)
{
    if (head->status == 101)
        return begin_raw(caller, head);
    if (head->status >= 200)
        return begin_response(caller, head);
    if (++caller->interims > CV_GATEWAY_INTERIM_MAX)
        return give_up(caller, 502, "the target says 1xx without end");
    if (caller->old) /* RFC 9110, 15.2: it knows no 1xx */
        return 0;
    if (lay_reply(caller, head, &(struct cv_http_reply){.framing = CV_HTTP_NO_BODY}) < 0)
        return give_up(caller, 503, "out of memory");
    return 0;
}

/* Reads one head: 1 it was there, 0 not yet, CV_ECLOSED. */
static int read_head(struct cv_caller *caller)
{
    struct cv_http_head head;
    size_t len, head_len;
    const char *data = cv_head_buf_bytes(&caller->back, &len);
    int rc = len ? cv_http_response_parse(&head, data, len, &head_len) : CV_EMORE;

    if (rc == 0) {
        rc = deal_with_head(caller, &head);
        if (rc == 0)
            cv_head_buf_consume(&caller->back, alloc_of(caller), head_len);
        return rc < 0 ? rc : 1;
    }
    if (rc != CV_EMORE)
        return give_up(caller, 502, head.error ? head.error : "the target speaks no HTTP");
    rc = (int)cv_head_buf_fill(&caller->back, alloc_of(caller),
                               cv_upstream_stream(caller->upstream));
    if (rc == -EAGAIN)
        return 0;
    if (rc == -ENOMEM)
        return give_up(caller, 503, "out of memory");
    return rc <= 0 ? lose_target(caller) : 1;
}

/* Bytes of the response's body. */
static int take_response(struct cv_caller *caller, const char *data, size_t len)
{
    ssize_t n = cv_body_flow_take(&caller->from, data, len);

    if (n < 0) {
        cv_log_cause(caller->gateway->config.loop, CV_CAUSE_HTTP_TARGET, CV_CALLER_ABOUT(caller),
                     "HTTP door: %s/%s: %s", caller->target.client, caller->target.address,
                     caller->from.body.error ? caller->from.body.error : cv_strerror((int)n));
        cv_caller_drop(caller);
        return CV_ECLOSED;
    }
    if ((size_t)n < len)
        caller->clean = false; /* it says more than it was asked for */
    return (int)n;
}

static int read_response(struct cv_caller *caller)
{
    size_t len;
    const char *data = cv_head_buf_bytes(&caller->back, &len);
    ssize_t got;
    int n;

    if (len) {
        n = take_response(caller, data, len);
        if (n >= 0)
            cv_head_buf_clear(&caller->back, alloc_of(caller));
        return n < 0 ? n : 0;
    }
    got = cv_caller_read(caller, cv_upstream_stream(caller->upstream));
    if (got == -EAGAIN)
        return 0;
    if (got > 0) {
        note_move(caller);
        n = take_response(caller, (const char *)caller->gateway->config.loop->read_buf,
                          (size_t)got);
        return n < 0 ? n : 0;
    }
    if (got < 0 || cv_upstream_problem(caller->upstream) || cv_body_flow_eof(&caller->from) < 0) {
        cv_caller_drop(caller); /* cut short, and the visitor shall see it */
        return CV_ECLOSED;
    }
    return 0;
}

static int send_from(struct cv_caller *caller)
{
    size_t before = caller->from.out_sent;
    bool waited = cv_body_flow_waits(&caller->from);
    int rc = cv_body_flow_send(&caller->from, caller->stream);

    if (waited && (rc > 0 || caller->from.out_sent != before))
        note_move(caller);
    if (rc >= 0)
        return rc;
    cv_caller_drop(caller);
    return CV_ECLOSED;
}

static int move_response(struct cv_caller *caller)
{
    int rc = send_from(caller);

    while (rc > 0 && !caller->answered) {
        int got = read_head(caller);

        if (got <= 0)
            return got;
        rc = send_from(caller);
    }
    if (rc <= 0)
        return rc;
    if (!caller->from.ended) {
        rc = read_response(caller);
        if (rc == 0)
            rc = send_from(caller);
        if (rc < 0)
            return rc;
    }
    if (caller->raw && !caller->shut_from && cv_body_flow_done(&caller->from)) {
        caller->shut_from = true;
        cv_stream_shutdown(caller->stream);
    }
    return 0;
}

/* The end. */

static bool is_over(const struct cv_caller *caller)
{
    if (!caller->answered || !cv_body_flow_done(&caller->from))
        return false;
    return !caller->raw || caller->deaf || cv_body_flow_done(&caller->to);
}

/* Ready for the next request. */
static void begin_anew(struct cv_caller *caller)
{
    cv_body_flow_clear(&caller->to);
    cv_body_flow_clear(&caller->from);
    cv_head_buf_clear(&caller->back, alloc_of(caller));
    caller->answered = caller->raw = caller->deaf = caller->hung = caller->clean = false;
    caller->state = CV_CALLER_HEAD;
    caller->target.client[0] = '\0'; /* what is wrong with the next request is not about it */
    note_move(caller);
    cv_list_remove(&caller->link); /* the list is in order of idleness */
    cv_list_push_back(&caller->gateway->callers, &caller->link);
}

static int finish(struct cv_caller *caller)
{
    bool clean =
        caller->clean && caller->back.len == 0 && !caller->deaf && cv_body_flow_done(&caller->to);

    cv_caller_uncount(caller);
    cv_upstream_put(caller->upstream, clean);
    caller->upstream = NULL;
    if (caller->closes || caller->gateway->draining) {
        cv_stream_owner(caller->stream, NULL, NULL);
        cv_linger(caller->gateway->config.loop, caller->stream);
        caller->stream = NULL;
        cv_caller_drop(caller);
        return CV_ECLOSED;
    }
    begin_anew(caller);
    return 1;
}

int cv_caller_exchange(struct cv_caller *caller)
{
    int rc = move_request(caller);

    if (rc == 0)
        rc = move_response(caller);
    if (rc < 0)
        return rc;
    return is_over(caller) ? finish(caller) : 0;
}
