#include "visit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admit.h"
#include "base/error.h"
#include "net/address.h"
#include "net/datagrams.h"
#include "net/linger.h"
#include "net/log.h"
#include "net/timer.h"
#include "server.h"

struct visit {
    struct cv_list link;         /* in the worker's, from the dial on */
    uint64_t id;                 /* from then on */
    struct cv_mail mail;         /* on its way to another worker */
    struct cv_endpoint endpoint; /* of the connection, while it waits for the target's answer */
    const struct visit_way *way; /* borrowed */
    void *ctx;                   /* borrowed */
    struct worker *worker;       /* that has it now; borrowed */
    const char *door;            /* borrowed */
    const char *peer, *client, *address; /* in text[] */
    enum cv_proto proto;
    enum cv_route_from from;
    uint64_t wait;
    uint64_t since; /* it came in */
    bool has_digest;
    uint8_t digest[CV_TOKEN_DIGEST];
    char who[CV_KEY_MAX + 1]; /* the name in the visitor's credential, once that was asked */

    int fd;                   /* owned; -1 when it is the stream's */
    struct cv_stream *stream; /* owned; NULL before the dial, and when it is a relay's */
    uint8_t *early;           /* owned */
    size_t early_len;
    struct cv_tunnel *tunnel; /* borrowed while there is a connection */
    int64_t conn_id;
    struct cv_timer *timer; /* owned; of the wait */
    bool acked, timed_out;
    bool waiting; /* counted as such in the server */

    uint64_t tried; /* a bit for each worker that could not serve it */
    bool settles;   /* everybody was asked for a healthy session: any will do now */
    bool met_silent;
    int problem; /* of the last one that tried */
    char text[];
};

/* The end. */

static void visit_free(struct visit *visit)
{
    cv_timer_free(visit->timer);
    free(visit->early);
    free(visit);
}

static void stop_waiting(struct visit *visit)
{
    if (visit->waiting)
        atomic_fetch_sub(&visit->worker->server->waiting, 1);
    visit->waiting = false;
}

/* Gives its places back, and lets it go. */
static void leave(struct visit *visit, const struct cv_relay_end *end)
{
    struct worker *worker = visit->worker;

    cv_list_remove(&visit->link);
    stop_waiting(visit);
    if (visit->way->ended)
        visit->way->ended(visit->ctx, end);
    admit_leave(worker, visit->peer);
    visit_free(visit);
    server_leave(worker->server);
    server_check_drained(worker);
}

/* One line a visit, whatever became of it: who, where it came in, through which agent, to what, how
 * long, how much, and why it ended. What the other end said comes last, in quotes: it may say
 * anything. */
static void audit(const struct visit *visit, enum cv_log_level level, const char *outcome,
                  const char *said, size_t said_len, const struct cv_relay_end *end)
{
    uint64_t took = (cv_loop_now(&visit->worker->loop) - visit->since) / CV_MSEC;

    cv_log(
        &visit->worker->loop.log, level,
        "%s: visitor %s%s%s to %s/%s/%s: %s after %llu.%03llu s, %llu bytes to the visitor, %llu "
        "from it%s%.*s%s",
        visit->door, visit->peer, visit->who[0] ? " as " : "", visit->who, visit->client,
        cv_proto_name(visit->proto), visit->address, outcome, (unsigned long long)took / 1000,
        (unsigned long long)took % 1000, (unsigned long long)(end ? end->bytes_in : 0),
        (unsigned long long)(end ? end->bytes_out : 0), said_len ? ": \"" : "", (int)said_len,
        said_len ? said : "", said_len ? "\"" : "");
}

static void log_end(const struct visit *visit, enum cv_reason reason, const char *text, size_t len,
                    const struct cv_relay_end *end)
{
    char outcome[120];

    snprintf(outcome, sizeof(outcome), "%s,", cv_reason_text(reason));
    audit(visit, CV_LOG_INFO, outcome, text, len, end);
}

static void on_ended(void *ctx, const struct cv_relay_end *end)
{
    struct visit *visit = ctx;

    log_end(visit, end->reason, end->text, end->text_len, end);
    leave(visit, end);
}

/* Telling the visitor. */

/* Writes the answer: its length, or -errno. The first bytes that this end says, or nearly so: the
 * socket's buffer has room for all of them. */
static ssize_t answer(struct visit *visit, enum cv_failure failure, const char *text)
{
    struct visit_outcome outcome = {.failure = failure, .text = text, .acked = visit->acked};
    char out[VISIT_ANSWER_MAX];
    size_t len;
    ssize_t n;

    if (!visit->way->answer)
        return 0;
    len = visit->way->answer(visit->ctx, &outcome, out);
    if (len == 0)
        return 0;
    n = cv_stream_send(visit->stream, out, len);
    return n >= 0 && (size_t)n < len ? -ENOBUFS : n;
}

/* Without an answer the visitor sees a reset: what it would see of a closed port. */
static void close_failed(struct visit *visit, enum cv_failure failure, const char *text)
{
    struct cv_loop *loop = &visit->worker->loop;

    if (!visit->stream && cv_stream_new(&visit->stream, loop, visit->fd) < 0) {
        close(visit->fd);
        return;
    }
    cv_stream_owner(visit->stream, NULL, NULL);
    if (answer(visit, failure, text) > 0) {
        cv_linger(loop, visit->stream);
        return;
    }
    cv_stream_reset(visit->stream);
    cv_stream_close(visit->stream);
}

static enum cv_failure failure_of(int problem)
{
    switch (problem) {
    case CV_ENOSESSION:
        return CV_FAILURE_NO_CLIENT;
    case CV_EDENIED:
        return CV_FAILURE_DENIED;
    case CV_EFULL:
        return CV_FAILURE_FULL;
    case CV_ECLOSED:
        return CV_FAILURE_SESSION;
    default:
        return CV_FAILURE_OTHER;
    }
}

/* Nobody can serve it. */
static void turn_away(struct visit *visit)
{
    char outcome[120];

    snprintf(outcome, sizeof(outcome), "turned away: %s,", cv_strerror(visit->problem));
    audit(visit, CV_LOG_WARN, outcome, NULL, 0, NULL);
    close_failed(visit, failure_of(visit->problem), cv_strerror(visit->problem));
}

/* Waiting for the target's answer, as the endpoint of the connection. */

static struct visit *visit_of(struct cv_endpoint *endpoint)
{
    return cv_container_of(endpoint, struct visit, endpoint);
}

static void abort_conn(struct visit *visit, enum cv_reason reason, const char *text)
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
    stop_waiting(visit);
    cv_timer_free(visit->timer);
    visit->timer = NULL;
    cv_stream_owner(visit->stream, NULL, NULL);
    n = answer(visit, CV_FAILURE_NONE, NULL);
    rc = n < 0 ? (int)n : relay(visit);
    if (rc < 0)
        abort_conn(visit, CV_REASON_LOCAL, cv_strerror(rc));
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
    log_end(visit, reason, line, strlen(line), NULL);
    if (visit->stream) /* else it went with a relay that could not be made */
        close_failed(visit, failure, line);
    leave(visit, NULL);
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
        abort_conn(visit, CV_REASON_LOCAL, cv_strerror(error));
}

static void on_timeout(void *ctx)
{
    struct visit *visit = ctx;

    visit->timed_out = true;
    abort_conn(visit, CV_REASON_DIAL, "the dial took too long");
}

/* Dialling. */

static int wait_for_answer(struct visit *visit)
{
    int rc = cv_timer_new(&visit->timer, &visit->worker->loop, on_timeout, visit);

    if (rc < 0)
        return rc;
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

/* The connection is opened: tells the visitor when there is something to tell. */
static int begin(struct visit *visit)
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
    n = answer(visit, CV_FAILURE_NONE, NULL);
    return n < 0 ? (int)n : relay(visit);
}

/* What the visitor's credential says. */
static int visitor_may_dial(struct visit *visit, const struct cv_target *target)
{
    const struct cv_credentials *credentials = visit->worker->credentials;
    struct cv_access_answer answer;
    int rc;

    if (!visit->has_digest || !credentials)
        return 0;
    rc = cv_access_visitor(&answer, credentials, visit->digest, visit->client,
                           strlen(visit->client), target, cv_wall_clock());
    if (answer.credential)
        snprintf(visit->who, sizeof(visit->who), "%.*s", (int)answer.credential->name.start.len,
                 answer.credential->name.start.at);
    return rc;
}

static int may_dial(struct visit *visit, void *owner)
{
    char text[CV_CONNECT_TARGET_MAX + 1];
    struct cv_target target;
    const char *problem;
    int len = snprintf(text, sizeof(text), "%s/%s", cv_proto_name(visit->proto), visit->address);
    int rc;

    if (cv_target_parse(&target, text, cv_min_size((size_t)len, sizeof(text) - 1), &problem) < 0)
        return CV_EDENIED;
    rc = visitor_may_dial(visit, &target);
    return rc < 0 ? rc : guest_may_dial(owner, &target);
}

/* Opens a connection through one session. Returns 0 when the visit has become the connection's,
 * also when that ends at once. */
static int dial_through(struct visit *visit, const struct cv_route *route)
{
    struct worker *worker = visit->worker;
    int rc = may_dial(visit, route->owner);

    if (rc == 0)
        rc = cv_session_dial(route->session, route->proto, visit->address, NULL,
                             cv_loop_now(&worker->loop), &visit->conn_id);
    if (rc < 0)
        return rc;
    visit->tunnel = guest_tunnel(route->owner);
    visit->id = worker->next_visit;
    worker->next_visit += worker->server->worker_count;
    cv_list_push_back(&worker->visits, &visit->link);
    rc = cv_stream_new(&visit->stream, &worker->loop, visit->fd);
    if (rc < 0) {
        abort_conn(visit, CV_REASON_MEMORY, NULL);
        return rc;
    }
    visit->fd = -1;
    cv_log(&worker->loop.log, CV_LOG_DEBUG, "%s: visitor %s to %s/%s/%s", visit->door, visit->peer,
           visit->client, cv_proto_name(visit->proto), visit->address);
    rc = begin(visit);
    if (rc < 0) {
        (void)!cv_session_set_user(route->session, visit->conn_id, NULL);
        abort_conn(visit, CV_REASON_LOCAL, cv_strerror(rc));
        if (visit->stream)
            close_failed(visit, CV_FAILURE_OTHER, cv_strerror(rc));
        leave(visit, NULL);
    }
    return 0;
}

/* Tries the best session that the client has here, and if the dial cannot even start there, the
 * next best. */
static int dial_here(struct visit *visit)
{
    struct worker *worker = visit->worker;
    struct cv_route route = {.id = 0};
    int rc = CV_ENOSESSION;

    for (int i = 0; i < 2; i++) {
        int found = cv_manager_route(worker->manager, visit->client, cv_proto_name(visit->proto),
                                     visit->from, route.id, cv_loop_now(&worker->loop), &route);

        if (found < 0)
            return i ? rc : found;
        if (!route.healthy && !visit->settles) {
            visit->met_silent = true;
            return CV_ENOSESSION;
        }
        rc = dial_through(visit, &route);
        if (rc == 0)
            return 0;
    }
    return rc;
}

/* The next worker to try. Healthy sessions come first, wherever they are. */
static int next_worker(struct server *server, struct visit *visit)
{
    int next = server_find(server, visit->client, visit->tried);

    if (next >= 0 || visit->settles || !visit->met_silent)
        return next;
    visit->settles = true;
    visit->tried = 0;
    return server_find(server, visit->client, 0);
}

static void on_handed_over(struct cv_mail *mail, void *ctx, bool lost);

/* Serves a visitor here, or hands it over to the worker that can. */
static void serve(struct visit *visit)
{
    struct worker *worker = visit->worker;
    struct server *server = worker->server;
    int next, rc;

    while ((next = next_worker(server, visit)) >= 0) {
        if (next != (int)worker->index) {
            visit->mail.deliver = on_handed_over;
            cv_mailbox_post(&server->workers[next].mailbox, &visit->mail);
            return;
        }
        visit->tried |= UINT64_C(1) << worker->index;
        rc = dial_here(visit);
        if (rc == 0) /* it may be over already */
            return;
        visit->problem = rc;
    }
    turn_away(visit);
    leave(visit, NULL);
}

static void on_handed_over(struct cv_mail *mail, void *ctx, bool lost)
{
    struct visit *visit = cv_container_of(mail, struct visit, mail);

    if (lost) {
        close(visit->fd);
        if (visit->way->ended)
            visit->way->ended(visit->ctx, NULL);
        visit_free(visit);
        return;
    }
    visit->worker = ctx;
    serve(visit);
}

/* Starting. */

/* Copies @text, NUL included, to *@at and moves that behind it. */
static const char *keep(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    const char *copy = memcpy(*at, text, size);

    *at += size;
    return copy;
}

static struct visit *visit_new(struct worker *worker, const struct visit_options *options)
{
    size_t text = strlen(options->peer) + strlen(options->client) + strlen(options->address) + 3;
    struct visit *visit = calloc(1, sizeof(*visit) + text);
    char *at;

    if (!visit)
        return NULL;
    cv_list_init(&visit->link);
    at = visit->text;
    if (options->early_len && !(visit->early = malloc(options->early_len))) {
        free(visit);
        return NULL;
    }
    visit->endpoint.ops = &wait_ops;
    visit->way = options->way;
    visit->ctx = options->ctx;
    visit->worker = worker;
    visit->door = options->door;
    visit->proto = options->proto;
    visit->from = options->from;
    visit->since = cv_loop_now(&worker->loop);
    visit->wait = options->wait ? options->wait : VISIT_WAIT;
    visit->has_digest = options->digest != NULL;
    if (options->digest)
        memcpy(visit->digest, options->digest, sizeof(visit->digest));
    visit->fd = options->fd;
    visit->early_len = options->early_len;
    if (options->early_len)
        memcpy(visit->early, options->early, options->early_len);
    visit->problem = CV_ENOSESSION;
    visit->peer = keep(&at, options->peer);
    visit->client = keep(&at, options->client);
    visit->address = keep(&at, options->address);
    return visit;
}

/* Takes the places that a visit needs; false when one of them is not to be had. */
static bool enter(const struct visit *visit)
{
    struct worker *worker = visit->worker;
    struct server *server = worker->server;

    if (visit->way->answer &&
        atomic_load(&server->waiting) >= server->config->limits.max_pending_dials)
        return false;
    if (!server_enter(server))
        return false;
    if (admit_enter(worker, visit->peer))
        return true;
    server_leave(server);
    return false;
}

void visit_start(struct worker *worker, const struct visit_options *options)
{
    struct visit *visit = visit_new(worker, options);

    if (!visit) {
        cv_log(&worker->loop.log, CV_LOG_WARN, "%s: visitor %s turned away: out of memory",
               options->door, options->peer);
        close(options->fd);
        if (options->way->ended)
            options->way->ended(options->ctx, NULL);
        return;
    }
    if (enter(visit)) {
        serve(visit);
        return;
    }
    visit->problem = CV_EFULL;
    turn_away(visit);
    if (visit->way->ended)
        visit->way->ended(visit->ctx, NULL);
    visit_free(visit);
}

/* For operators. */

void visits_each(struct worker *worker, void (*each)(void *ctx, const struct visit_info *info),
                 void *ctx)
{
    cv_list_each (link, &worker->visits) {
        const struct visit *visit = cv_container_of(link, struct visit, link);
        struct visit_info info = {visit->id,    visit->door,    visit->peer,    visit->client,
                                  visit->proto, visit->address, visit->conn_id, visit->since};

        each(ctx, &info);
    }
}

bool visit_cut(struct worker *worker, uint64_t id)
{
    cv_list_each (link, &worker->visits) {
        struct visit *visit = cv_container_of(link, struct visit, link);

        if (visit->id == id) {
            abort_conn(visit, CV_REASON_KILLED, "ended by an operator");
            return true;
        }
    }
    return false;
}
