#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "net/datagrams.h"
#include "net/log.h"
#include "visit_parts.h"

void visit_stop_waiting(struct visit *visit)
{
    if (visit->waiting)
        atomic_fetch_sub(&visit->worker->server->waiting, 1);
    visit->waiting = false;
}

static void on_ended(void *ctx, const struct cv_relay_end *end)
{
    struct visit *visit = ctx;

    visit_log_end(visit, end->reason, end->text, end->text_len, end);
    visit_leave(visit, end);
}

/* Waiting for the target's answer, as the endpoint of the connection. */

static struct visit *visit_of(struct cv_endpoint *endpoint)
{
    return cv_container_of(endpoint, struct visit, endpoint);
}

void visit_abort(struct visit *visit, enum cv_reason reason, const char *text)
{
    if (cv_session_abort(cv_tunnel_session(visit->tunnel), visit->conn_id, reason, text) == 0)
        cv_tunnel_touch(visit->tunnel);
}

static ssize_t wait_data(struct cv_endpoint *endpoint, const uint8_t *data, size_t len)
{
    (void)endpoint, (void)data, (void)len;
    return 0; /* the session keeps it until the visitor was told */
}

static ssize_t wait_read(struct cv_endpoint *endpoint, uint8_t *into, size_t max)
{
    (void)endpoint, (void)into, (void)max;
    return -EAGAIN;
}

static void wait_fin(struct cv_endpoint *endpoint)
{
    (void)endpoint; /* the relay hears it again, when everything is taken */
}

/* Bytes may flow: the connection is the relay's from here on. */
static int relay(struct visit *visit)
{
    struct cv_stream *stream = visit->stream;
    int rc;

    visit->stream = NULL;
    if (visit->proto == CV_PROTO_UDP)
        return cv_datagrams_new(visit->tunnel, visit->conn_id, cv_stream_release(stream), true,
                                visit->worker->server->config->udp_idle, on_ended, visit);
    rc = cv_relay_new_early(visit->tunnel, visit->conn_id, stream, visit->early, visit->early_len,
                            on_ended, visit);
    free(visit->early);
    visit->early = NULL;
    return rc;
}

static void wait_connected(struct cv_endpoint *endpoint)
{
    struct visit *visit = visit_of(endpoint);
    ssize_t n;
    int rc;

    visit->acked = true;
    visit_stop_waiting(visit);
    cv_timer_free(visit->timer);
    visit->timer = NULL;
    cv_stream_owner(visit->stream, NULL, NULL);
    n = visit_answer(visit, CV_FAILURE_NONE, NULL);
    rc = n < 0 ? (int)n : relay(visit);
    if (rc < 0)
        visit_abort(visit, CV_REASON_LOCAL, cv_strerror(rc));
}

/* What the end of a connection means that nothing came of. */
static enum cv_failure failure_of_end(const struct visit *visit, enum cv_reason reason,
                                      const char *text, size_t len)
{
    if (visit->timed_out)
        return CV_FAILURE_TIMEOUT;
    if (reason == CV_REASON_SESSION || reason == CV_REASON_KILLED)
        return CV_FAILURE_SESSION;
    return reason == CV_REASON_REMOTE ? cv_failure_read(text, len) : CV_FAILURE_OTHER;
}

static void wait_closed(struct cv_endpoint *endpoint, enum cv_reason reason, const char *text,
                        size_t len)
{
    struct visit *visit = visit_of(endpoint);
    enum cv_failure failure = failure_of_end(visit, reason, text, len);
    char line[160];

    if (len)
        snprintf(line, sizeof(line), "%.*s", (int)len, text);
    else
        snprintf(line, sizeof(line), "%s", cv_failure_text(failure));
    visit_log_end(visit, reason, line, strlen(line), NULL);
    if (visit->stream) /* else it went with a relay that could not be made */
        visit_close_failed(visit, failure, line);
    visit_leave(visit, NULL);
}

static const struct cv_endpoint_ops wait_ops = {
    .data = wait_data,
    .read = wait_read,
    .fin = wait_fin,
    .connected = wait_connected,
    .closed = wait_closed,
};

/* The visitor said its last, or is gone; only the latter ends the dial. */
static void on_hangup(void *ctx, int events)
{
    struct visit *visit = ctx;
    int error = cv_stream_error(visit->stream);

    (void)events;
    cv_stream_owner(visit->stream, NULL, NULL);
    if (error < 0)
        visit_abort(visit, CV_REASON_LOCAL, cv_strerror(error));
}

static void on_timeout(void *ctx)
{
    struct visit *visit = ctx;

    visit->timed_out = true;
    visit_abort(visit, CV_REASON_DIAL, "the dial took too long");
}

static int wait_for_answer(struct visit *visit)
{
    int rc = cv_timer_new(&visit->timer, &visit->worker->loop, on_timeout, visit);

    if (rc < 0)
        return rc;
    visit->endpoint.ops = &wait_ops;
    atomic_fetch_add(&visit->worker->server->waiting, 1);
    visit->waiting = true;
    cv_timer_set(visit->timer, visit->wait);
    cv_stream_owner(visit->stream, on_hangup, visit);
    rc = cv_stream_watch(visit->stream, CV_HANGUP);
    if (rc == 0)
        rc =
            cv_session_set_user(cv_tunnel_session(visit->tunnel), visit->conn_id, &visit->endpoint);
    return rc;
}

int visit_begin(struct visit *visit)
{
    const struct cv_session_config *config = cv_session_config(cv_tunnel_session(visit->tunnel));
    ssize_t n;

    if (visit->proto == CV_PROTO_UDP && !(config->features & CV_FEATURE_DGRAM))
        cv_log(&visit->worker->loop.log, CV_LOG_INFO,
               "%s: client %s does not know datagrams: it may join some, or cut them", visit->door,
               visit->client);
    if (visit->way->answer && (config->features & CV_FEATURE_ACK)) {
        cv_tunnel_touch(visit->tunnel);
        return wait_for_answer(visit);
    }
    n = visit_answer(visit, CV_FAILURE_NONE, NULL);
    return n < 0 ? (int)n : relay(visit);
}
