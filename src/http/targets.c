#include "http/targets.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "net/address.h"
#include "net/connect.h"
#include "net/datagrams.h"
#include "net/log.h"
#include "net/relay.h"

#define DIAL_TIMEOUT (30 * CV_SEC)
#define UDP_IDLE     (180 * CV_SEC) /* the server ends an idle flow before */

/* A target that is being dialled: the endpoint of its connection until the relay takes over. */
struct dial {
    struct cv_endpoint endpoint;
    const struct cv_targets *targets; /* borrowed */
    struct cv_tunnel *tunnel;         /* borrowed: it outlives its connections */
    int64_t conn_id;
    struct cv_connecting *connecting;
    struct cv_target target; /* borrows from text */
    char text[CV_TARGETS_TEXT_MAX];
};

static struct cv_alloc *alloc_of(const struct dial *dial)
{
    return &dial->targets->loop->alloc;
}

static void give_up(struct dial *dial, enum cv_reason reason, const char *why)
{
    struct cv_log_about about = cv_tunnel_about(dial->tunnel, dial->conn_id);
    char text[CV_TARGETS_TEXT_MAX + 160];

    about.reason = cv_reason_name(reason);
    snprintf(text, sizeof(text), "dial %s %s: %s", cv_proto_name(dial->target.proto),
             strchr(dial->text, '/') + 1, why);
    cv_log_cause(dial->targets->loop, CV_CAUSE_DIAL_FAILED, &about, "connection %lld: %s",
                 (long long)dial->conn_id, text);
    cv_tunnel_abort(dial->tunnel, dial->conn_id, reason, text);
}

static void on_ended(void *ctx, const struct cv_relay_end *end)
{
    const struct cv_targets *targets = ctx;

    (void)end;
    if (targets->ended)
        targets->ended(targets->ctx);
}

/* Makes the relay, which takes @fd. Returns 0 or what went wrong. */
static int open_relay(struct dial *dial, int fd)
{
    struct cv_stream *stream;
    int rc;

    if (dial->target.proto == CV_PROTO_UDP)
        return cv_datagrams_new(dial->tunnel, dial->conn_id, fd, false, UDP_IDLE, NULL, NULL);
    rc = cv_stream_new(&stream, dial->targets->loop, fd);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return cv_relay_new(dial->tunnel, dial->conn_id, stream, on_ended, (void *)dial->targets);
}

/* Hands the socket over to a relay. The connection's CLOSED goes to that from here on. */
static void relay(struct dial *dial, int fd)
{
    struct cv_session *session = cv_tunnel_session(dial->tunnel);
    struct cv_log_about about = cv_tunnel_about(dial->tunnel, dial->conn_id);
    int rc = open_relay(dial, fd);

    if (rc < 0) {
        give_up(dial, CV_REASON_DIAL, cv_strerror(rc));
        return;
    }
    if (dial->target.proto != CV_PROTO_UDP && dial->targets->opened)
        dial->targets->opened(dial->targets->ctx);
    rc = cv_session_accept(session, dial->conn_id);
    if (rc < 0)
        cv_log_about(&dial->targets->loop->log, CV_LOG_DEBUG, &about, "connection %lld: %s",
                     (long long)dial->conn_id, cv_strerror(rc));
    cv_tunnel_touch(dial->tunnel);
    cv_free(alloc_of(dial), dial);
}

static void on_connected(void *ctx, int fd, int error)
{
    struct dial *dial = ctx;
    char why[120];

    dial->connecting = NULL;
    if (fd >= 0) {
        relay(dial, fd);
        return;
    }
    if (error == CV_EDENIED) {
        give_up(dial, CV_REASON_REFUSED, "not allowed by the agent");
        return;
    }
    snprintf(why, sizeof(why), "connect: %s", cv_strerror(error));
    give_up(dial, CV_REASON_DIAL, why);
}

static bool allowed(const struct dial *dial, const struct cv_ip *ip)
{
    return dial->targets->allowed(dial->targets->ctx, &dial->target, ip);
}

static bool on_address(void *ctx, const struct sockaddr *address)
{
    struct cv_ip ip = {.family = 0};

    if (!address)
        return allowed(ctx, NULL);
    ip.family = cv_address_bytes(ip.bytes, address);
    return allowed(ctx, &ip);
}

static void dial_closed(struct cv_endpoint *endpoint, enum cv_reason reason, const char *text,
                        size_t len)
{
    struct dial *dial = cv_container_of(endpoint, struct dial, endpoint);

    (void)reason, (void)text, (void)len;
    if (dial->connecting)
        cv_connect_cancel(dial->connecting);
    cv_free(alloc_of(dial), dial);
}

static const struct cv_endpoint_ops dial_ops = {
    .data = cv_endpoint_data_later,
    .read = cv_endpoint_read_later,
    .fin = cv_endpoint_fin_later,
    .closed = dial_closed,
};

/* The other end of @fd, or an error in its place, is in this process. */
static void relay_within(struct dial *dial, int fd)
{
    if (fd < 0)
        give_up(dial, CV_REASON_DIAL, cv_strerror(fd));
    else
        relay(dial, fd);
}

static void start(struct dial *dial)
{
    const struct cv_targets *targets = dial->targets;
    struct cv_target *target = &dial->target;
    char host[CV_TARGETS_TEXT_MAX];
    struct cv_connect_options options = {.host = host,
                                         .port = target->port,
                                         .is_unix = target->proto == CV_PROTO_UNIX,
                                         .is_udp = target->proto == CV_PROTO_UDP,
                                         .timeout = DIAL_TIMEOUT,
                                         .allow = on_address,
                                         .done = on_connected,
                                         .ctx = dial};
    int rc;

    if (targets->serve && targets->serve(targets->ctx, target, &rc)) {
        relay_within(dial, rc);
        return;
    }
    snprintf(host, sizeof(host), "%.*s", (int)target->host_len, target->host);
    rc = cv_connect_start(&dial->connecting, dial->targets->loop, &options);
    if (rc < 0)
        give_up(dial, CV_REASON_DIAL, cv_strerror(rc));
}

const char *cv_targets_read(struct cv_target *out, char buf[CV_TARGETS_TEXT_MAX],
                            const struct cv_session_event *event)
{
    const char *problem = "too long";
    struct cv_text text;

    cv_text_init(&text, buf, CV_TARGETS_TEXT_MAX);
    cv_text_bytes(&text, event->text, event->text_len);
    cv_text_str(&text, "/");
    cv_text_bytes(&text, event->address, event->address_len);
    if (text.truncated || strlen(buf) != text.len)
        return problem;
    return cv_target_parse(out, buf, text.len, &problem) < 0 ? problem : NULL;
}

void cv_targets_refuse(const struct cv_targets *targets, struct cv_tunnel *tunnel,
                       const struct cv_session_event *event, const char *why)
{
    struct cv_log_about about = cv_tunnel_about(tunnel, event->conn_id);

    about.reason = cv_reason_name(CV_REASON_REFUSED);
    cv_log_cause(targets->loop, CV_CAUSE_DIAL_REFUSED, &about,
                 "connection %lld: refused: %.*s/%.*s: %s", (long long)event->conn_id,
                 (int)event->text_len, event->text, (int)event->address_len, event->address, why);
    cv_tunnel_abort(tunnel, event->conn_id, CV_REASON_REFUSED, why);
}

void cv_targets_connect(const struct cv_targets *targets, struct cv_tunnel *tunnel,
                        const struct cv_session_event *event)
{
    const struct cv_alloc *alloc = &targets->loop->alloc;
    struct dial *dial = cv_alloc_zero(alloc, sizeof(*dial));
    const char *problem =
        dial ? cv_targets_read(&dial->target, dial->text, event) : "out of memory";

    if (problem) {
        cv_targets_refuse(targets, tunnel, event, problem);
        cv_free(alloc, dial);
        return;
    }
    dial->endpoint.ops = &dial_ops;
    dial->targets = targets;
    dial->tunnel = tunnel;
    dial->conn_id = event->conn_id;
    if (cv_session_set_user(cv_tunnel_session(tunnel), event->conn_id, &dial->endpoint) < 0) {
        cv_free(alloc, dial);
        return;
    }
    start(dial);
}
