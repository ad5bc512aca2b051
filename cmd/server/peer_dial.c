#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "access/target.h"
#include "base/error.h"
#include "net/connect.h"
#include "net/log.h"
#include "net/relay.h"
#include "peering.h"
#include "server.h"
#include "visit.h"

/* A dial that came from a peer is a visit of our own, which may end on another thread: it goes over
 * a pair of sockets. The visit first says there what became of it: a cv_failure, the length of a
 * text, the text. */
#define HEAD        2
#define TEXT_MAX    100 /* as much of an Error's text counts */
#define ADDRESS_MAX 300

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

static const struct visit_way way = {.answer = answer};

/* The connection's endpoint until that answer is there. */
struct dial {
    struct cv_endpoint endpoint;
    struct cv_loop *loop;     /* borrowed */
    struct cv_tunnel *tunnel; /* borrowed: it outlives its connections */
    int64_t conn_id;
    struct cv_stream *stream; /* owned */
    size_t got;
    char buf[HEAD + TEXT_MAX + 1];
};

/* Ends the connection; the dial is freed with it. */
static void give_up(struct dial *dial, enum cv_reason reason, const char *text)
{
    if (cv_session_abort(cv_tunnel_session(dial->tunnel), dial->conn_id, reason, text) == 0)
        cv_tunnel_touch(dial->tunnel);
}

/* Bytes may flow. */
static void relay(struct dial *dial)
{
    struct cv_session *session = cv_tunnel_session(dial->tunnel);
    struct cv_stream *stream = dial->stream;
    int rc;

    dial->stream = NULL;
    rc = cv_relay_new(dial->tunnel, dial->conn_id, stream, NULL, NULL);
    if (rc < 0) {
        give_up(dial, CV_REASON_DIAL, cv_strerror(rc));
        return;
    }
    if (cv_session_accept(session, dial->conn_id) < 0)
        cv_log(&dial->loop->log, CV_LOG_DEBUG, "connection %lld is gone", (long long)dial->conn_id);
    cv_tunnel_touch(dial->tunnel);
    cv_free(&dial->loop->alloc, dial);
}

static size_t wanted(const struct dial *dial)
{
    return dial->got < HEAD ? HEAD : HEAD + (size_t)(unsigned char)dial->buf[1];
}

static void on_ready(void *ctx, int events)
{
    struct dial *dial = ctx;

    (void)events;
    while (dial->got < wanted(dial)) { /* not a byte of the target's */
        ssize_t n = cv_stream_recv(dial->stream, dial->buf + dial->got, wanted(dial) - dial->got);

        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            cv_stream_owner(dial->stream, NULL, NULL);
            give_up(dial, CV_REASON_DIAL, "the visit ended");
            return;
        }
        dial->got += (size_t)n;
    }
    cv_stream_owner(dial->stream, NULL, NULL);
    if (dial->buf[0] == (char)CV_FAILURE_NONE) {
        relay(dial);
        return;
    }
    dial->buf[dial->got] = '\0';
    give_up(dial, CV_REASON_DIAL, dial->buf + HEAD);
}

static ssize_t dial_data(struct cv_endpoint *endpoint, const uint8_t *data, size_t len)
{
    (void)endpoint, (void)data, (void)len;
    return 0; /* the session keeps it until the target is there */
}

static ssize_t dial_read(struct cv_endpoint *endpoint, uint8_t *into, size_t max)
{
    (void)endpoint, (void)into, (void)max;
    return -EAGAIN;
}

static void dial_fin(struct cv_endpoint *endpoint)
{
    (void)endpoint; /* the relay hears it again, when everything is taken */
}

static void dial_closed(struct cv_endpoint *endpoint, enum cv_reason reason, const char *text,
                        size_t len)
{
    struct dial *dial = cv_container_of(endpoint, struct dial, endpoint);

    (void)reason, (void)text, (void)len;
    cv_stream_close(dial->stream); /* so the visit ends too */
    cv_free(&dial->loop->alloc, dial);
}

static const struct cv_endpoint_ops dial_ops = {
    .data = dial_data,
    .read = dial_read,
    .fin = dial_fin,
    .closed = dial_closed,
};

/* Makes the pair; *@other is the visit's end. */
static int make_dial(struct worker *worker, struct cv_tunnel *tunnel, int64_t conn_id, int *other)
{
    struct dial *dial = cv_alloc_zero(&worker->loop.alloc, sizeof(*dial));
    int pair[2], rc = dial ? cv_connect_pair(pair) : -ENOMEM;

    if (rc < 0) {
        cv_free(&worker->loop.alloc, dial);
        return rc;
    }
    dial->endpoint.ops = &dial_ops;
    dial->loop = &worker->loop;
    dial->tunnel = tunnel;
    dial->conn_id = conn_id;
    rc = cv_stream_new(&dial->stream, &worker->loop, pair[0]);
    if (rc < 0)
        close(pair[0]);
    if (rc == 0) {
        cv_stream_owner(dial->stream, on_ready, dial);
        rc = cv_stream_watch(dial->stream, CV_READABLE);
    }
    if (rc == 0)
        rc = cv_session_set_user(cv_tunnel_session(tunnel), conn_id, &dial->endpoint);
    if (rc < 0) {
        cv_stream_close(dial->stream);
        close(pair[1]);
        cv_free(&worker->loop.alloc, dial);
        return rc;
    }
    *other = pair[1];
    return 0;
}

struct request {
    char client[CV_KEY_MAX + 1];
    enum cv_proto proto;
    char target[ADDRESS_MAX], *address; /* behind the proto in target */
};

/* Reads `client::proto` and the address; NULL, or what is wrong with them. */
static const char *read_request(struct request *request, const struct cv_session_event *event)
{
    size_t key_len, proto_len;
    const char *proto, *problem = "too long";
    struct cv_target target;
    struct cv_span left;
    int len;

    if (!cv_manager_split(event->text, event->text_len, &key_len, &proto, &proto_len))
        return "a peer's dial says CLIENT::PROTO";
    if (!cv_key_valid(event->text, key_len))
        return cv_error_text(CV_EBADKEY);
    memcpy(request->client, event->text, key_len);
    request->client[key_len] = '\0';
    len = snprintf(request->target, sizeof(request->target), "%.*s/%.*s", (int)proto_len, proto,
                   (int)event->address_len, event->address);
    if (len < 0 || (size_t)len >= sizeof(request->target) ||
        strlen(request->target) != proto_len + 1 + event->address_len)
        return problem;
    left = (struct cv_span){request->target, (size_t)len};
    if (cv_target_parse(&target, request->target, left.len, &problem) < 0)
        return problem;
    request->proto = cv_proto_take(&left);
    request->address = request->target + (left.at - request->target);
    return NULL;
}

static void refuse(struct cv_tunnel *tunnel, int64_t conn_id, const char *why)
{
    if (cv_session_abort(cv_tunnel_session(tunnel), conn_id, CV_REASON_REFUSED, why) == 0)
        cv_tunnel_touch(tunnel);
}

void peer_dial(struct worker *worker, struct cv_tunnel *tunnel, const char *peer,
               const struct cv_session_event *event)
{
    struct request request;
    int64_t conn_id = event->conn_id; /* the event borrows from the session */
    const char *problem = worker->server->gone ? "the server stops" : read_request(&request, event);
    int fd, rc;

    if (problem) {
        refuse(tunnel, conn_id, problem);
        return;
    }
    rc = make_dial(worker, tunnel, conn_id, &fd);
    if (rc < 0) {
        refuse(tunnel, conn_id, cv_strerror(rc));
        return;
    }
    visit_start(worker, &(struct visit_options){.way = &way,
                                                .door = "peer",
                                                .peer = peer,
                                                .client = request.client,
                                                .proto = request.proto,
                                                .address = request.address,
                                                .fd = fd,
                                                .from = CV_ROUTE_PEER});
}
