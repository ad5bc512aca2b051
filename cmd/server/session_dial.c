#include "session_dial.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "http/dial_request.h"
#include "net/connect.h"
#include "net/datagrams.h"
#include "net/log.h"
#include "net/relay.h"
#include "server.h"
#include "visit.h"

/* Such a dial is a visit of our own, which may end on another thread: it goes over a pair of
 * sockets, of messages for datagrams. The visit first says there what became of it: a cv_failure,
 * the length of a text, the text. */
#define HEAD     2
#define TEXT_MAX 100 /* as much of an Error's text counts */

/* In the place of a failure, and with no text: there is no answer yet. */
#define SILENT ((char)0x7f)

static size_t answer(void *ctx, const struct visit_outcome *outcome, char out[VISIT_ANSWER_MAX])
{
    size_t len = outcome->failure == CV_FAILURE_NONE || !outcome->text
                     ? 0
                     : cv_min_size(strlen(outcome->text), TEXT_MAX);

    (void)ctx;
    out[0] = (char)outcome->failure;
    out[1] = (char)len;
    if (len)
        memcpy(out + HEAD, outcome->text, len);
    return HEAD + len;
}

static size_t silent(char out[VISIT_ANSWER_MAX])
{
    out[0] = SILENT;
    out[1] = 0;
    return HEAD;
}

static const struct visit_way dial_way = {.answer = answer, .silent = silent};

/* The connection's endpoint until that answer is there. */
struct dial {
    struct cv_endpoint endpoint;
    struct cv_loop *loop;     /* borrowed */
    struct cv_tunnel *tunnel; /* borrowed: it outlives its connections */
    int64_t conn_id;
    struct cv_stream *stream; /* owned */
    uint64_t idle; /* microseconds after which a flow of datagrams ends; 0: it is of bytes */
    size_t got;
    char buf[HEAD + TEXT_MAX + 1];
};

/* Ends the connection; the dial is freed with it. */
static void give_up(struct dial *dial, enum cv_reason reason, const char *text)
{
    cv_tunnel_abort(dial->tunnel, dial->conn_id, reason, text);
}

/* Bytes may flow. */
static void relay(struct dial *dial)
{
    struct cv_session *session = cv_tunnel_session(dial->tunnel);
    const struct cv_log_about about = cv_tunnel_about(dial->tunnel, dial->conn_id);
    struct cv_stream *stream = dial->stream;
    int rc;

    dial->stream = NULL;
    rc = dial->idle ? cv_datagrams_new(dial->tunnel, dial->conn_id, cv_stream_release(stream), true,
                                       dial->idle, NULL, NULL)
                    : cv_relay_new(dial->tunnel, dial->conn_id, stream, NULL, NULL);
    if (rc < 0) {
        give_up(dial, CV_REASON_DIAL, cv_strerror(rc));
        return;
    }
    if (cv_session_accept(session, dial->conn_id) < 0)
        cv_log_about(&dial->loop->log, CV_LOG_DEBUG, &about, "connection %lld is gone",
                     (long long)dial->conn_id);
    cv_tunnel_touch(dial->tunnel);
    cv_free(&dial->loop->alloc, dial);
}

/* How much of the answer is read at least, and of bytes at most: the target's follow. A message is
 * read at once. */
static size_t wanted(const struct dial *dial)
{
    return dial->got < HEAD ? HEAD : HEAD + (size_t)(unsigned char)dial->buf[1];
}

/* Takes a word that is no answer off what was read. */
static void pass_on(struct dial *dial)
{
    if (dial->got < HEAD || dial->buf[0] != SILENT)
        return;
    dial->got = 0;
    if (cv_session_say_silent(cv_tunnel_session(dial->tunnel), dial->conn_id) == 0)
        cv_tunnel_touch(dial->tunnel);
}

static void on_ready(void *ctx, int events)
{
    struct dial *dial = ctx;

    (void)events;
    while (dial->got < wanted(dial)) {
        size_t max = dial->idle ? sizeof(dial->buf) - 1 : wanted(dial);
        ssize_t n = cv_stream_recv(dial->stream, dial->buf + dial->got, max - dial->got);

        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            cv_stream_owner(dial->stream, NULL, NULL);
            give_up(dial, CV_REASON_DIAL, "the visit ended");
            return;
        }
        dial->got += (size_t)n;
        pass_on(dial);
    }
    cv_stream_owner(dial->stream, NULL, NULL);
    if (dial->buf[0] == (char)CV_FAILURE_NONE) {
        relay(dial);
        return;
    }
    dial->buf[dial->got] = '\0';
    give_up(dial, CV_REASON_DIAL, dial->buf + HEAD);
}

static void dial_closed(struct cv_endpoint *endpoint, enum cv_reason reason, const char *text,
                        size_t len)
{
    struct dial *dial = cv_container_of(endpoint, struct dial, endpoint);

    (void)reason, (void)text, (void)len;
    if (dial->stream) {
        cv_stream_reset(dial->stream); /* so a visit that still waits gives up */
        cv_stream_close(dial->stream);
    }
    cv_free(&dial->loop->alloc, dial);
}

static const struct cv_endpoint_ops dial_ops = {
    .data = cv_endpoint_data_later,
    .read = cv_endpoint_read_later,
    .fin = cv_endpoint_fin_later,
    .closed = dial_closed,
};

/* The two ends of a dial's way; @pair is NULL for datagrams, which have no order to reset. */
struct way {
    struct cv_pair *pair;
    int fds[2];
};

static int open_way(struct way *way, enum cv_proto proto)
{
    *way = (struct way){.pair = NULL};
    return proto == CV_PROTO_UDP ? cv_connect_pair_messages(way->fds)
                                 : cv_pair_new(&way->pair, way->fds);
}

static int open_stream(struct dial *dial, const struct way *way)
{
    int fd = way->fds[CV_PAIR_INNER];
    int rc = way->pair ? cv_pair_stream(&dial->stream, dial->loop, way->pair, CV_PAIR_INNER, fd)
                       : cv_stream_new(&dial->stream, dial->loop, fd);

    if (rc < 0) {
        close(fd);
        cv_pair_unref(way->pair);
        return rc;
    }
    cv_stream_owner(dial->stream, on_ready, dial);
    return cv_stream_watch(dial->stream, CV_READABLE);
}

/* Becomes the connection's endpoint; the outer end of @way is the visit's. */
static int make_dial(struct worker *worker, struct cv_tunnel *tunnel, int64_t conn_id,
                     enum cv_proto proto, struct way *way)
{
    struct dial *dial = cv_alloc_zero(&worker->loop.alloc, sizeof(*dial));
    int rc = dial ? open_way(way, proto) : -ENOMEM;

    if (rc < 0) {
        cv_free(&worker->loop.alloc, dial);
        return rc;
    }
    dial->endpoint.ops = &dial_ops;
    dial->loop = &worker->loop;
    dial->tunnel = tunnel;
    dial->conn_id = conn_id;
    dial->idle = proto == CV_PROTO_UDP ? worker->server->config->udp_idle : 0;
    rc = open_stream(dial, way);
    if (rc == 0)
        rc = cv_session_set_user(cv_tunnel_session(tunnel), conn_id, &dial->endpoint);
    if (rc < 0) {
        cv_stream_close(dial->stream);
        close(way->fds[CV_PAIR_OUTER]);
        cv_pair_unref(way->pair);
        cv_free(&worker->loop.alloc, dial);
    }
    return rc;
}

/* What is asked for, and by whom. */
struct request {
    struct cv_dial_request dial;
    struct cv_span who;        /* the visitor's credential, borrowed; empty: none */
    struct cv_log_about asker; /* the session and the connection that ask */
};

/* A line about a dial that is refused, of which one session can begin any number. */
static void complain(struct worker *worker, const struct session_dialler *dialler,
                     const struct request *request, const char *why)
{
    const struct cv_log *log = &worker->loop.log;
    struct cv_log_about about = request->asker;

    if (!cv_log_admit(log, CV_LOG_WARN, dialler->complaints, cv_loop_now(&worker->loop), &about))
        return;
    about.client = request->dial.client;
    cv_log_about(log, CV_LOG_WARN, &about, "%s: visitor %s%s%.*s to %s/%s refused: %s",
                 dialler->door, dialler->peer, request->who.len ? " as " : "",
                 (int)request->who.len, request->who.len ? request->who.at : "",
                 request->dial.client, request->dial.target, why);
}

/* Asked before it is looked for: who may not dial a client hears nothing of whether it is there. */
static bool may_dial(struct worker *worker, const struct session_dialler *dialler,
                     struct request *request)
{
    struct cv_access_answer answer;
    int rc;

    if (!dialler->digest || !worker->credentials)
        return true;
    rc = cv_access_visitor(&answer, worker->credentials, dialler->digest, request->dial.client,
                           strlen(request->dial.client), &request->dial.parsed, cv_wall_clock());
    if (answer.credential)
        request->who = answer.credential->name.start;
    if (rc == 0)
        return true;
    visit_count_refused(worker, CV_EDENIED);
    complain(worker, dialler, request, cv_access_text(answer.why));
    return false;
}

/* Why it is refused before anything is looked up; NULL when it is not. */
static const char *problem_of(struct worker *worker, const struct session_dialler *dialler,
                              const struct cv_session_event *event, struct request *request)
{
    const struct server *server = worker->server;
    bool visitor = dialler->from == CV_ROUTE_VISITOR;
    const char *problem;

    if (atomic_load(visitor ? &server->draining : &server->gone))
        return "the server stops";
    problem = cv_dial_request_read(&request->dial, event);
    return problem || may_dial(worker, dialler, request) ? problem : cv_error_text(CV_EDENIED);
}

/* False when nobody has the client, as far as it is known here: other workers know their own. */
static bool may_be_there(struct worker *worker, const struct visit_options *options)
{
    const struct cv_route_wish wish = {options->client, cv_proto_name(options->proto),
                                       CV_BALANCE_NEWEST, options->from, 0};
    int at = server_find(worker->server, wish.key, wish.balance, 0);
    struct cv_route route;

    if (at != (int)worker->index)
        return at >= 0;
    return cv_manager_route(worker->manager, &wish, cv_loop_now(&worker->loop), &route) !=
               CV_ENOSESSION ||
           server_find(worker->server, wish.key, wish.balance, UINT64_C(1) << worker->index) >= 0;
}

/* Makes what a dial needs, and starts it. */
static int start(struct worker *worker, struct cv_tunnel *tunnel, int64_t conn_id,
                 struct visit_options *options)
{
    struct way way;
    int rc = make_dial(worker, tunnel, conn_id, options->proto, &way);

    if (rc < 0) {
        visit_retreat(worker, options);
        return rc;
    }
    options->fd = way.fds[CV_PAIR_OUTER];
    options->pair = way.pair;
    options->entered = true;
    visit_start(worker, options);
    return 0;
}

void session_dial(struct worker *worker, struct cv_tunnel *tunnel,
                  const struct session_dialler *dialler, const struct cv_session_event *event)
{
    int64_t conn_id = event->conn_id; /* the event borrows from the session */
    struct request request = {.dial = {.proto = CV_PROTO_TCP},
                              .asker = cv_tunnel_about(tunnel, conn_id)};
    const char *problem = problem_of(worker, dialler, event, &request);
    struct visit_options options = {.way = &dial_way,
                                    .door = dialler->door,
                                    .peer = dialler->peer,
                                    .client = request.dial.client,
                                    .proto = request.dial.proto,
                                    .address = request.dial.address,
                                    .digest = dialler->digest,
                                    .from = dialler->from};
    int rc;

    if (problem) {
        cv_tunnel_abort(tunnel, conn_id, CV_REASON_REFUSED, problem);
        return;
    }
    rc = may_be_there(worker, &options) ? visit_enter(worker, &options) : CV_ENOSESSION;
    if (rc < 0) {
        complain(worker, dialler, &request, cv_strerror(rc));
        visit_count_refused(worker, rc);
    } else {
        rc = start(worker, tunnel, conn_id, &options);
    }
    if (rc < 0)
        cv_tunnel_abort(tunnel, conn_id, CV_REASON_REFUSED, cv_strerror(rc));
}
