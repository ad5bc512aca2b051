#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "net/datagrams.h"
#include "net/log.h"
#include "visit_parts.h"

#define EARLY_MAX ((size_t)16 * 1024) /* of what a visitor says before the target answers */

#define LOOK_AFTER (250 * CV_MSEC) /* without an answer, until the session is asked for life */
#define OVERSLEPT  (250 * CV_MSEC) /* a timer that rings so late: the process did not run */

void visit_stop_waiting(struct visit *visit)
{
    if (visit->waiting)
        atomic_fetch_sub(&visit->worker->server->waiting, 1);
    visit->waiting = false;
}

static void on_ended(void *ctx, const struct cv_relay_end *end)
{
    struct visit *visit = ctx;
    struct cv_relay_end whole = *end;

    whole.bytes_out += visit->early_sent;
    visit_log_end(visit, end->reason, end->text, end->text_len, &whole);
    visit_leave(visit, &whole);
}

/* Waiting for the target's answer, as the endpoint of the connection. */

static struct visit *visit_of(struct cv_endpoint *endpoint)
{
    return cv_container_of(endpoint, struct visit, endpoint);
}

void visit_abort(struct visit *visit, enum cv_reason reason, const char *text)
{
    cv_tunnel_abort(visit->tunnel, visit->conn_id, reason, text);
}

/* What the visitor says meanwhile goes out at once where nobody waits for an answer of ours, and is
 * kept: another session may have to hear it again. */

static void watch(struct visit *visit, int events)
{
    int rc = cv_stream_watch(visit->stream, events);

    visit->watched = events;
    if (rc < 0)
        visit_abort(visit, CV_REASON_LOCAL, cv_strerror(rc));
}

/* Bytes that are new in `early`, or -errno. An end in order is the relay's to tell. */
static ssize_t read_more(struct visit *visit)
{
    size_t room = EARLY_MAX > visit->early_len ? EARLY_MAX - visit->early_len : 0;
    uint8_t *early = room ? realloc(visit->early, EARLY_MAX) : NULL;
    ssize_t n;

    if (room && !early)
        return -ENOMEM;
    if (room)
        visit->early = early;
    n = room ? cv_stream_recv(visit->stream, early + visit->early_len, room) : 0;
    if (n > 0)
        visit->early_len += (size_t)n;
    if (n == 0)
        watch(visit, CV_HANGUP);
    else if (n == -EAGAIN)
        watch(visit, CV_READABLE);
    return n ? n : -EAGAIN;
}

static ssize_t wait_read(struct cv_endpoint *endpoint, uint8_t *into, size_t max)
{
    struct visit *visit = visit_of(endpoint);
    ssize_t more = 1;
    size_t n;

    if (visit->way->answer)
        return -EAGAIN;
    if (visit->early_sent == visit->early_len)
        more = read_more(visit);
    if (more < 0) {
        visit->told_ready = false;
        return more;
    }
    n = cv_min_size(max, visit->early_len - visit->early_sent);
    memcpy(into, visit->early + visit->early_sent, n);
    visit->early_sent += n;
    if (n < max) {
        visit->told_ready = false;
        watch(visit, CV_READABLE);
    }
    return (ssize_t)n;
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
    rc = cv_relay_new_early(visit->tunnel, visit->conn_id, stream,
                            visit->early ? visit->early + visit->early_sent : NULL,
                            visit->early_len - visit->early_sent, on_ended, visit);
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
    if (visit->silent && !visit->moved)
        return CV_FAILURE_SESSION;
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

    if (visit_may_move(visit, reason, failure)) {
        visit_move(visit);
        return;
    }
    if (len)
        snprintf(line, sizeof(line), "%.*s", (int)len, text);
    else
        snprintf(line, sizeof(line), "%s", cv_failure_text(failure));
    visit_log_end(visit, reason, line, strlen(line), NULL);
    if (reason != CV_REASON_LOCAL) /* else the visitor did not wait */
        visit->worker->counts.failed[failure]++;
    if (visit->stream) /* else it went with a relay that could not be made */
        visit_close_failed(visit, failure, line);
    visit_leave(visit, NULL);
}

static void set_timer(struct visit *visit)
{
    cv_timer_at(visit->timer, cv_min_time(visit->look_at, visit->wait_by));
}

static void wait_silent(struct cv_endpoint *endpoint)
{
    struct visit *visit = visit_of(endpoint);

    if (!visit->through_peer)
        return;
    visit->peer_says = true;
    visit->look_at = cv_loop_now(&visit->worker->loop);
    set_timer(visit);
}

static const struct cv_endpoint_ops wait_ops = {
    .data = cv_endpoint_data_later,
    .read = wait_read,
    .fin = cv_endpoint_fin_later,
    .connected = wait_connected,
    .silent = wait_silent,
    .closed = wait_closed,
};

/* It has said something, which the session asks for when its turn comes. Until then it is not
 * looked at. */
static void announce(struct visit *visit)
{
    if (visit->told_ready) {
        watch(visit, CV_HANGUP);
        return;
    }
    visit->told_ready = true;
    if (cv_session_ready(cv_tunnel_session(visit->tunnel), visit->conn_id, true) == 0)
        cv_tunnel_touch(visit->tunnel);
}

/* Whether nobody is left to hear the answer. Where there is none, what was said before is still for
 * the target. */
static bool is_gone(const struct visit *visit)
{
    if (!visit->way->answer)
        return false;
    return cv_stream_gone(visit->stream) || (visit->way->hears_first && visit->early_len == 0 &&
                                             cv_stream_unread(visit->stream) == 0);
}

/* The visitor said its last, or is gone; only the latter ends the dial. */
static void hang_up(struct visit *visit)
{
    int error = cv_stream_error(visit->stream);

    watch(visit, 0);
    if (error < 0)
        visit_abort(visit, CV_REASON_LOCAL, cv_strerror(error));
    else if (is_gone(visit))
        visit_abort(visit, CV_REASON_LOCAL, "the visitor left before the answer");
}

static void on_visitor(void *ctx, int events)
{
    struct visit *visit = ctx;

    if (events & visit->watched & CV_READABLE)
        announce(visit);
    else if (events & visit->watched & CV_HANGUP)
        hang_up(visit);
}

/* The session is silent, or that of the peer beyond it, which says so. */
static bool give_up_silent(struct visit *visit)
{
    if (visit->moved || !visit_has_another(visit, true))
        return false;
    visit->silent = true;
    visit_abort(visit, CV_REASON_SESSION, "another session is tried");
    return true;
}

/* The peer that dialled may know another way: so we wait, and it decides. */
static void tell_peer(struct visit *visit)
{
    char out[VISIT_ANSWER_MAX];

    if (visit->said || visit->from != CV_ROUTE_PEER || !visit->way->silent)
        return;
    visit->said = true;
    if (cv_stream_send(visit->stream, out, visit->way->silent(out)) < 0)
        visit_abort(visit, CV_REASON_LOCAL, "the peer is gone");
}

/* No answer yet: the target is slow, or the session does not carry anything. Its answer to a ping
 * tells them apart. */
static void look(struct visit *visit, uint64_t now)
{
    struct cv_session *session = cv_tunnel_session(visit->tunnel);
    bool overslept = now > visit->look_at + OVERSLEPT; /* its answer may be there, unread */
    bool silent = !overslept && cv_session_silent(session, now);

    if ((silent || visit->peer_says) && give_up_silent(visit))
        return;
    if (silent)
        tell_peer(visit);
    cv_session_ask(session, now);
    cv_tunnel_touch(visit->tunnel);
    visit->look_at = now + cv_session_patience(session);
    set_timer(visit);
}

static void on_timer(void *ctx)
{
    struct visit *visit = ctx;
    uint64_t now = cv_loop_now(&visit->worker->loop);

    if (now < visit->wait_by) {
        look(visit, now);
        return;
    }
    visit->timed_out = true;
    visit_abort(visit, CV_REASON_DIAL, "the dial took too long");
}

static int wait_for_answer(struct visit *visit)
{
    struct cv_session *session = cv_tunnel_session(visit->tunnel);
    uint64_t now = cv_loop_now(&visit->worker->loop);
    bool has_more = !visit->way->answer;
    int rc = cv_timer_new(&visit->timer, &visit->worker->loop, on_timer, visit);

    if (rc < 0)
        return rc;
    visit->endpoint.ops = &wait_ops;
    atomic_fetch_add(&visit->worker->server->waiting, 1);
    visit->waiting = true;
    if (!visit->wait_by)
        visit->wait_by = now + visit->wait;
    visit->wait_by = visit->wait_by > now ? visit->wait_by : now;
    visit->look_at = now + LOOK_AFTER;
    if (visit->from == CV_ROUTE_PEER && cv_session_silent(session, now))
        visit->look_at = now; /* the peer hears it at once */
    set_timer(visit);
    cv_stream_owner(visit->stream, on_visitor, visit);
    visit->watched = has_more && !visit->early_len ? CV_READABLE : CV_HANGUP;
    rc = cv_stream_watch(visit->stream, visit->watched);
    if (rc == 0)
        rc = cv_session_set_user(session, visit->conn_id, &visit->endpoint);
    if (rc == 0 && has_more && visit->early_len) {
        visit->told_ready = true;
        rc = cv_session_ready(session, visit->conn_id, true);
    }
    return rc;
}

/* Whether bytes flow only after the target's answer: where the visitor is told of it, and else so
 * that the dial can be tried again, unless too many wait already. */
static bool waits(const struct visit *visit)
{
    const struct server *server = visit->worker->server;
    const struct cv_session_config *config = cv_session_config(cv_tunnel_session(visit->tunnel));

    if (!(config->features & CV_FEATURE_ACK))
        return false;
    return visit->way->answer ||
           (visit->proto != CV_PROTO_UDP &&
            atomic_load(&server->waiting) < server->config->limits.max_pending_dials);
}

int visit_begin(struct visit *visit)
{
    const struct cv_session_config *config = cv_session_config(cv_tunnel_session(visit->tunnel));
    ssize_t n;

    if (visit->proto == CV_PROTO_UDP && !(config->features & CV_FEATURE_DGRAM))
        cv_log_about(&visit->worker->loop.log, CV_LOG_INFO, VISIT_ABOUT(visit),
                     "%s: client %s does not know datagrams: it may join some, or cut them",
                     visit->door, visit->client);
    if (waits(visit)) {
        cv_tunnel_touch(visit->tunnel);
        return wait_for_answer(visit);
    }
    n = visit_answer(visit, CV_FAILURE_NONE, NULL);
    return n < 0 ? (int)n : relay(visit);
}
