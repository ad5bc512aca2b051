#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "net/log.h"
#include "net/relay.h"
#include "server.h"

static void on_ended(void *ctx, const struct cv_relay_end *end)
{
    struct forward *forward = ctx;
    const struct cv_forward *rule = forward->rule;

    forward->server->conns--;
    cv_log(&forward->server->loop.log, cv_reason_is_error(end->reason) ? CV_LOG_INFO : CV_LOG_DEBUG,
           "%s to %s/%s/%s ended: %s%s%.*s (%llu bytes to the visitor, %llu from it)", rule->listen,
           rule->client, cv_proto_name(rule->proto), rule->address, cv_reason_text(end->reason),
           end->text_len ? ": " : "", (int)end->text_len, end->text ? end->text : "",
           (unsigned long long)end->bytes_in, (unsigned long long)end->bytes_out);
    server_check_drained(forward->server);
}

/* Opens a connection through one session. */
static int dial_through(struct forward *forward, const struct cv_route *route,
                        struct cv_stream *stream)
{
    struct cv_tunnel *tunnel = guest_tunnel(route->owner);
    int64_t conn_id = 0;
    int rc = guest_may_dial(route->owner, forward->rule);

    if (rc == 0)
        rc = cv_session_dial(route->session, route->proto, forward->rule->address, NULL,
                             cv_loop_now(&forward->server->loop), &conn_id);
    if (rc < 0)
        return rc;
    forward->server->conns++;
    rc = cv_relay_new(tunnel, conn_id, stream, on_ended, forward);
    if (rc < 0) { /* the stream is gone with it */
        forward->server->conns--;
        if (cv_session_abort(route->session, conn_id, CV_REASON_MEMORY, NULL) == 0)
            cv_tunnel_touch(tunnel);
    }
    return 0;
}

/* Tries the best session of the client, and if the dial cannot even start there, the next best. */
static int dial(struct forward *forward, struct cv_stream *stream)
{
    struct server *server = forward->server;
    const struct cv_forward *rule = forward->rule;
    struct cv_route route = {.id = 0};
    int rc = CV_ENOSESSION;

    if (server->conns >= server->config->limits.max_conns)
        return CV_EFULL;
    for (int i = 0; i < 2; i++) {
        int found =
            cv_manager_route(server->manager, rule->client, cv_proto_name(rule->proto),
                             CV_ROUTE_VISITOR, route.id, cv_loop_now(&server->loop), &route);

        if (found < 0)
            return i ? rc : found;
        rc = dial_through(forward, &route, stream);
        if (rc == 0)
            return 0;
    }
    return rc;
}

/* A visitor that cannot be served sees a reset: what it would see of a closed port. */
static void on_visitor(void *ctx, int fd, const char *peer)
{
    struct forward *forward = ctx;
    const struct cv_forward *rule = forward->rule;
    struct cv_log *log = &forward->server->loop.log;
    struct cv_stream *stream;
    int rc = cv_stream_new(&stream, &forward->server->loop, fd);

    if (rc < 0) {
        close(fd);
    } else {
        rc = dial(forward, stream);
        if (rc < 0) {
            cv_stream_reset(stream);
            cv_stream_close(stream);
        }
    }
    if (rc < 0)
        cv_log(log, CV_LOG_WARN, "%s: visitor %s turned away: %s: %s", rule->listen, peer,
               rule->client, cv_strerror(rc));
    else
        cv_log(log, CV_LOG_DEBUG, "%s: visitor %s to %s/%s/%s", rule->listen, peer, rule->client,
               cv_proto_name(rule->proto), rule->address);
}

int forward_open(struct forward *forward, struct server *server, const struct cv_forward *rule)
{
    forward->server = server;
    forward->rule = rule;
    return cv_listener_new(&forward->listener, &server->loop, rule->listen, on_visitor, forward);
}
