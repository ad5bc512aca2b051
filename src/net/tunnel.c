#include "net/tunnel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "net/carry.h"
#include "net/log.h"
#include "net/timer.h"

/* Bytes that one link sends in one turn, and it reads once, so that one busy link cannot starve the
 * others; and what was read is then still near when it is sent on. */
#define SEND_A_TURN (4 * CV_LINK_SEND_MIN)

#define LONG_WAIT   (1 * CV_SEC)    /* may be a little longer: see arm_timer() */
#define TOGETHER    (250 * CV_MSEC) /* between two moments at which such waits end */
#define OVERSLEPT   (2 * CV_SEC)    /* a timer that rings so late: the process did not run */
#define RETRY_AFTER (100 * CV_MSEC) /* out of memory */
#define REST_AFTER  (1 * CV_SEC)    /* without connections */

/* Of a link, in the kernel: two sends. What a connection with little to say waits for behind bulk.
 */
#define UNSENT_MAX (2 * (int)CV_LINK_SEND_MIN)

struct cv_tunnel {
    struct cv_list list;      /* in the loop's tunnels */
    struct cv_loop *loop;     /* borrowed */
    struct cv_stream *stream; /* owned; NULL when the link is gone */
    struct cv_link *link;     /* owned */
    struct cv_carry carry;    /* between the two */
    struct cv_tunnel_owner owner;
    struct cv_log_about about; /* see cv_tunnel_name() */
    struct cv_turn_job job;
    struct cv_timer *timer; /* owned */
    uint64_t timer_at;      /* when the timer is set for, CV_NEVER when it is not */
    uint64_t retry_at;      /* there was no memory to send with, else CV_NEVER */
    uint64_t give_up;       /* closing: when the answer is no longer waited for, else CV_NEVER */
    int error;              /* first one, told when the link goes */
    enum cv_ending ending;  /* of that */
    bool may_rest;          /* see cv_tunnel_may_rest() */
    uint64_t busy_at;       /* when there were connections last */
    bool shut;              /* our side of the stream is shut */
    bool gone;              /* `closed` was told; only the rest of the connections is waited for */
    uint8_t *early;         /* owned; bytes that came with the handshake, until they are read */
    size_t early_len;
};

static void settle(struct cv_tunnel *t);

static void tunnel_free(struct cv_tunnel *t)
{
    cv_list_remove(&t->list);
    cv_turn_cancel(&t->job);
    cv_timer_free(t->timer);
    cv_link_free(t->link);
    cv_free(&t->loop->alloc, t->early);
    cv_free(&t->loop->alloc, t);
}

/* Remembers why the link ends; the first reason is the true one. */
static void end_as(struct cv_tunnel *t, enum cv_ending ending, int error)
{
    if (t->error == 0) {
        t->error = error;
        t->ending = ending;
    }
    cv_session_stop(cv_link_session(t->link));
}

static void fail(struct cv_tunnel *t, int error)
{
    end_as(t, cv_ending_of(error, cv_link_peer_close(t->link, NULL)), error);
}

/* Events. */

static void give_data(struct cv_tunnel *t, const struct cv_session_event *event)
{
    struct cv_endpoint *endpoint = event->user;
    struct cv_session *session = cv_link_session(t->link);
    ssize_t n;

    if (!endpoint)
        return;
    n = endpoint->ops->data(endpoint, event->data, event->len);
    if (n >= 0)
        cv_session_taken(session, (size_t)n);
    else if (cv_session_abort(session, event->conn_id, CV_REASON_LOCAL, cv_strerror((int)n)) < 0)
        return;
}

static void give_event(struct cv_tunnel *t, const struct cv_session_event *event)
{
    struct cv_endpoint *endpoint = event->user;

    switch (event->kind) {
    case CV_EVENT_DATA:
        give_data(t, event);
        return;
    case CV_EVENT_FIN:
        if (endpoint)
            endpoint->ops->fin(endpoint);
        return;
    case CV_EVENT_CONNECTED:
        if (endpoint && endpoint->ops->connected)
            endpoint->ops->connected(endpoint);
        return;
    case CV_EVENT_SILENT:
        if (endpoint && endpoint->ops->silent)
            endpoint->ops->silent(endpoint);
        return;
    case CV_EVENT_DRAIN:
        if (endpoint && endpoint->ops->drain)
            endpoint->ops->drain(endpoint);
        return;
    case CV_EVENT_CLOSED:
        if (endpoint)
            endpoint->ops->closed(endpoint, event->reason, event->text, event->text_len);
        return;
    case CV_EVENT_CONNECT:
    case CV_EVENT_ADD_CLIENT:
    case CV_EVENT_REMOVE_CLIENT:
    case CV_EVENT_PUBLISHED:
    case CV_EVENT_NOTICE:
        if (!t->gone)
            t->owner.event(t->owner.ctx, t, event);
        return;
    }
}

static void give_events(struct cv_tunnel *t)
{
    struct cv_session_event event;

    while (cv_session_poll(cv_link_session(t->link), &event))
        give_event(t, &event);
}

/* Sending. */

static void say_failed(const struct cv_tunnel *t, int64_t conn_id, int rc)
{
    struct cv_log_about about = cv_tunnel_about(t, conn_id);

    cv_log_about(&t->loop->log, CV_LOG_DEBUG, &about, "connection %lld: %s", (long long)conn_id,
                 cv_strerror(rc));
}

/* Reads from a source straight to where it is sent from. */
static void read_source(struct cv_tunnel *t, const struct cv_link_turn *turn, uint64_t now)
{
    struct cv_session *session = cv_link_session(t->link);
    ssize_t n = cv_carry_read(&t->carry, turn, now);
    int rc = 0;

    if (n == 0)
        rc = cv_session_finish(session, turn->conn_id);
    else if (n == CV_ECLOSED)
        rc = cv_session_abort(session, turn->conn_id, CV_REASON_EOF, NULL);
    else if (n < 0 && n != -EAGAIN)
        rc = cv_session_abort(session, turn->conn_id, CV_REASON_LOCAL, cv_strerror((int)n));
    else if ((size_t)n != turn->max)
        rc = cv_session_ready(session, turn->conn_id, false);
    if (rc < 0)
        say_failed(t, turn->conn_id, rc);
}

/* Fills and sends until nothing waits (1), the socket is full or the turn is used up (0), or the
 * stream fails. */
static int flush(struct cv_tunnel *t)
{
    uint64_t now = cv_loop_now(t->loop);

    for (size_t sent = 0; sent < SEND_A_TURN; sent += cv_carry_unsent(&t->carry)) {
        struct cv_link_turn turn;
        int rc = cv_carry_send(&t->carry);

        if (rc <= 0)
            return rc;
        while ((rc = cv_link_fill(t->link, now, &turn)) > 0)
            read_source(t, &turn, now);
        if (rc < 0)
            return rc;
        if (!cv_link_pending(t->link))
            return cv_carry_send(&t->carry);
    }
    cv_turn_add(&t->loop->turn, &t->job);
    return cv_carry_send(&t->carry);
}

/* The end of the link. */

static void go(struct cv_tunnel *t)
{
    struct cv_stream *stream = t->stream;
    struct cv_tunnel_end end = {.ending = t->ending, .error = t->error};
    char line[2 * CV_WS_CONTROL_MAX];
    const char *said;

    cv_link_peer_close(t->link, &said);
    end.text = t->ending == CV_ENDING_LOST ? cv_strerror(t->error) : cv_ending_text(t->ending);
    end.line = line;
    snprintf(line, sizeof(line), "%s%s%s%s", end.text, *said ? ": \"" : "", said,
             *said ? "\"" : "");
    t->stream = NULL;
    cv_stream_close(stream);
    cv_carry_drop(&t->carry);
    cv_session_cut(cv_link_session(t->link));
    t->gone = true;
    t->give_up = CV_NEVER;
    t->owner.closed(t->owner.ctx, t, &end);
    t->about.client = NULL;
}

static void read_once(struct cv_tunnel *t, uint64_t now);

/* When something must be done without a byte coming in. */
static uint64_t due_at(const struct cv_tunnel *t)
{
    /* once the end is decided the session's own deadlines mean nothing, until it is cut */
    bool ending = t->error && !t->gone;

    return ending ? t->give_up : cv_min_time(cv_link_deadline(t->link), t->retry_at);
}

/* A deadline that moved away lets the timer ring early and be set anew: cheaper than setting it for
 * each byte. Those of links that may rest ring together: of thousands each would wake the process.
 */
static void arm_timer(struct cv_tunnel *t, uint64_t now)
{
    uint64_t at = due_at(t);

    if (t->may_rest && at != CV_NEVER && at > now + LONG_WAIT)
        at += TOGETHER - at % TOGETHER;
    if (at >= t->timer_at)
        return;
    t->timer_at = at;
    cv_timer_set(t->timer, at > now ? at - now : 0);
}

static void on_timer(void *ctx)
{
    struct cv_tunnel *t = ctx;
    uint64_t now = cv_loop_now(t->loop);
    bool overslept = now > t->timer_at + OVERSLEPT;
    int rc;

    if (now < due_at(t)) {
        t->timer_at = CV_NEVER;
        arm_timer(t, now);
        return;
    }
    /* after a stop of the whole process the timers come first: a sign of life may wait in the
     * socket */
    if (t->stream)
        read_once(t, now);
    if (overslept)
        cv_session_woke(cv_link_session(t->link), now);
    t->timer_at = t->retry_at = CV_NEVER;
    rc = cv_link_tick(t->link, now);
    if (rc < 0 && !t->gone)
        fail(t, rc);
    settle(t);
}

/* After a close frame was sent the stream is shut, and what still comes is read and dropped, so
 * that no RST overtakes the frame; that ends with the other end's FIN, or with the time. */
static void shut_when_done(struct cv_tunnel *t, uint64_t now)
{
    if (t->error && t->give_up == CV_NEVER)
        t->give_up = now + CV_CLOSE_WAIT;
    if (t->shut || !cv_link_done(t->link))
        return;
    t->shut = true;
    if (t->error)
        cv_stream_shutdown(t->stream);
}

/* Whether the link rests: not at once after the last connection, since one often follows another.
 */
static bool is_resting(struct cv_tunnel *t, uint64_t now)
{
    if (cv_session_conns(cv_link_session(t->link)) > 0 || t->error)
        t->busy_at = now;
    return t->may_rest && now - t->busy_at > REST_AFTER;
}

static int watch(struct cv_tunnel *t, uint64_t now)
{
    int events = CV_READABLE | (is_resting(t, now) ? CV_REST : 0);

    if (cv_carry_unsent(&t->carry) > 0)
        events |= CV_WRITABLE;
    return cv_stream_watch(t->stream, events);
}

/* Hands out events, sends what is to be sent, and sees whether the end has come. The one caller of
 * all of these. */
static void settle(struct cv_tunnel *t)
{
    uint64_t now = cv_loop_now(t->loop);
    int rc;

    give_events(t);
    if (t->stream) {
        rc = flush(t);
        give_events(t);
        shut_when_done(t, now);
        if (rc >= 0)
            rc = watch(t, now);
        if (rc == -ENOMEM)
            t->retry_at = now + RETRY_AFTER;
        else if (rc < 0) {
            fail(t, rc);
            t->give_up = 0;
        }
        if (now >= t->give_up) {
            go(t);
            give_events(t);
        }
    }
    if (!t->stream && cv_session_conns(cv_link_session(t->link)) == 0)
        tunnel_free(t);
    else
        arm_timer(t, now);
}

static void on_job(struct cv_turn_job *job)
{
    settle(cv_container_of(job, struct cv_tunnel, job));
}

/* Receiving. */

static int feed(struct cv_tunnel *t, uint8_t *data, size_t len, uint64_t now)
{
    while (len) {
        int n = cv_link_recv(t->link, data, len, now);

        give_events(t);
        if (n < 0 || t->error) /* an event may have ended the link */
            return n < 0 ? n : 0;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* One read. What comes after the end was decided is dropped. */
static void read_once(struct cv_tunnel *t, uint64_t now)
{
    uint8_t *buf = t->loop->read_buf;
    ssize_t n = t->error ? cv_stream_recv(t->stream, buf, CV_READ_SIZE)
                         : cv_carry_recv(&t->carry, buf, now);
    int rc;

    if (n == -EAGAIN)
        return;
    if (n <= 0) {
        fail(t, n == 0 ? -ECONNRESET : (int)n);
        t->give_up = 0;
        return;
    }
    if (t->error)
        return;
    rc = feed(t, buf, (size_t)n, now);
    if (rc < 0)
        fail(t, rc);
}

static void on_ready(void *ctx, int events)
{
    struct cv_tunnel *t = ctx;
    uint64_t now = cv_loop_now(t->loop);

    if (events & CV_READABLE)
        read_once(t, now);
    if (t->carry.head_only && !t->error)
        read_once(t, now);
    cv_turn_add(&t->loop->turn, &t->job);
}

static void read_early(struct cv_tunnel *t)
{
    uint8_t *early = t->early;
    int rc;

    t->early = NULL;
    rc = feed(t, early, t->early_len, cv_loop_now(t->loop));
    cv_free(&t->loop->alloc, early);
    if (rc < 0)
        fail(t, rc);
}

static void on_first_job(struct cv_turn_job *job)
{
    struct cv_tunnel *t = cv_container_of(job, struct cv_tunnel, job);

    job->run = on_job;
    if (t->early)
        read_early(t);
    /* TLS may have decrypted more than the handshake's reader took: the kernel does not announce it
     */
    on_ready(t, CV_READABLE);
}

/* Public. */

static int keep_early(struct cv_tunnel *t, const void *early, size_t len)
{
    if (len == 0)
        return 0;
    t->early = cv_alloc(&t->loop->alloc, len);
    if (!t->early)
        return -ENOMEM;
    memcpy(t->early, early, len);
    t->early_len = len;
    return 0;
}

/* Takes @stream and @session, also on failure. */
static int start(struct cv_tunnel **out, struct cv_loop *loop, struct cv_stream *stream,
                 struct cv_session *session, const void *early, size_t early_len,
                 const struct cv_tunnel_owner *owner)
{
    struct cv_tunnel *t = cv_alloc_zero(&loop->alloc, sizeof(*t));

    if (t)
        t->loop = loop;
    if (!t || keep_early(t, early, early_len) < 0 ||
        cv_timer_new(&t->timer, loop, on_timer, t) < 0 ||
        cv_link_new(&t->link, session, &loop->alloc, &loop->buffers.alloc, &loop->random) < 0) {
        if (t) {
            cv_free(&loop->alloc, t->early);
            cv_timer_free(t->timer);
        }
        cv_free(&loop->alloc, t);
        cv_session_free(session);
        cv_stream_close(stream);
        return -ENOMEM;
    }
    cv_list_init(&t->list);
    cv_list_push_back(&loop->tunnels, &t->list);
    t->stream = stream;
    t->carry = (struct cv_carry){.link = t->link, .stream = stream, .pipes = &loop->pipes};
    t->owner = *owner;
    t->timer_at = t->retry_at = t->give_up = CV_NEVER;
    cv_turn_job_init(&t->job, on_first_job);
    cv_stream_owner(stream, on_ready, t);
    cv_stream_limit_unsent(stream, UNSENT_MAX);
    cv_turn_add(&loop->turn, &t->job);
    *out = t;
    return 0;
}

int cv_tunnel_new(struct cv_tunnel **out, struct cv_loop *loop, struct cv_stream *stream,
                  const struct cv_session_config *config, const void *early, size_t early_len,
                  const struct cv_tunnel_owner *owner)
{
    struct cv_session *session;
    int rc = cv_session_new(&session, config, &loop->alloc, &loop->random, cv_loop_now(loop));

    if (rc < 0) {
        cv_stream_close(stream);
        return rc;
    }
    return start(out, loop, stream, session, early, early_len, owner);
}

struct cv_session *cv_tunnel_session(struct cv_tunnel *t)
{
    return cv_link_session(t->link);
}

struct cv_loop *cv_tunnel_loop(struct cv_tunnel *t)
{
    return t->loop;
}

void cv_tunnel_name(struct cv_tunnel *t, const char *client, uint64_t number)
{
    t->about = (struct cv_log_about){.client = client, .session = number};
}

struct cv_log_about cv_tunnel_about(const struct cv_tunnel *t, int64_t conn_id)
{
    struct cv_log_about about = t->about;

    about.conn = conn_id;
    return about;
}

void cv_tunnel_may_rest(struct cv_tunnel *t)
{
    t->may_rest = true;
    t->busy_at = cv_loop_now(t->loop);
}

bool cv_tunnel_measure(struct cv_tunnel *t)
{
    uint64_t now = cv_loop_now(t->loop);

    if (!t->stream || t->error || !cv_session_measure(cv_link_session(t->link), now))
        return false;
    t->busy_at = now;
    cv_tunnel_touch(t);
    return true;
}

void cv_tunnel_touch(struct cv_tunnel *t)
{
    cv_turn_add(&t->loop->turn, &t->job);
}

void cv_tunnel_close(struct cv_tunnel *t, enum cv_ending ending)
{
    if (t->gone)
        return;
    cv_link_close(t->link, ending);
    end_as(t, ending, CV_ECLOSED);
    cv_tunnel_touch(t);
}

void cv_tunnel_abort(struct cv_tunnel *t, int64_t conn_id, enum cv_reason reason, const char *text)
{
    if (cv_session_abort(cv_link_session(t->link), conn_id, reason, text) == 0)
        cv_tunnel_touch(t);
}

void cv_tunnel_abort_all(struct cv_loop *loop, enum cv_reason reason)
{
    cv_list_each (link, &loop->tunnels) {
        struct cv_tunnel *t = cv_container_of(link, struct cv_tunnel, list);

        cv_session_abort_all(cv_link_session(t->link), reason);
        cv_tunnel_touch(t);
    }
}

void cv_tunnel_end_all(struct cv_loop *loop, enum cv_ending ending, enum cv_reason reason)
{
    cv_list_each (link, &loop->tunnels) {
        struct cv_tunnel *t = cv_container_of(link, struct cv_tunnel, list);

        cv_session_abort_all(cv_link_session(t->link), reason);
        end_as(t, ending, CV_ECLOSED);
        t->give_up = 0;
        cv_tunnel_touch(t);
    }
}
