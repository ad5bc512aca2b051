#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "net/address.h"
#include "net/log.h"
#include "net/relay.h"
#include "server.h"

static void on_ended(void *ctx, const struct cv_relay_end *end)
{
    struct forward *forward = ctx;
    struct worker *worker = forward->worker;
    const struct cv_forward *rule = forward->rule;

    server_leave(worker->server);
    cv_log(&worker->loop.log, cv_reason_is_error(end->reason) ? CV_LOG_INFO : CV_LOG_DEBUG,
           "%s to %s/%s/%s ended: %s%s%.*s (%llu bytes to the visitor, %llu from it)", rule->listen,
           rule->client, cv_proto_name(rule->proto), rule->address, cv_reason_text(end->reason),
           end->text_len ? ": " : "", (int)end->text_len, end->text ? end->text : "",
           (unsigned long long)end->bytes_in, (unsigned long long)end->bytes_out);
    server_check_drained(worker);
}

/* A visitor on its way to the worker that serves it. */
struct visit {
    struct cv_mail mail;
    size_t rule;    /* index of the forward */
    int fd;         /* owned */
    uint64_t tried; /* a bit for each worker that could not serve it */
    bool settles;   /* everybody was asked for a healthy session: any will do now */
    bool met_silent;
    int problem; /* of the last one that tried */
    char peer[CV_ADDRESS_SIZE];
};

/* Ends a connection whose visitor cannot be had. */
static void take_back(struct cv_tunnel *tunnel, int64_t conn_id)
{
    if (cv_session_abort(cv_tunnel_session(tunnel), conn_id, CV_REASON_MEMORY, NULL) == 0)
        cv_tunnel_touch(tunnel);
}

/* Opens a connection through one session; takes the visitor's socket unless it fails. */
static int dial_through(struct forward *forward, const struct cv_route *route, int fd)
{
    struct worker *worker = forward->worker;
    struct cv_tunnel *tunnel = guest_tunnel(route->owner);
    struct cv_stream *stream;
    int64_t conn_id = 0;
    int rc = guest_may_dial(route->owner, forward->rule);

    if (rc == 0)
        rc = cv_session_dial(route->session, route->proto, forward->rule->address, NULL,
                             cv_loop_now(&worker->loop), &conn_id);
    if (rc < 0)
        return rc;
    rc = cv_stream_new(&stream, &worker->loop, fd);
    if (rc < 0) {
        take_back(tunnel, conn_id);
        return rc;
    }
    if (cv_relay_new(tunnel, conn_id, stream, on_ended, forward) < 0) {
        take_back(tunnel, conn_id); /* the stream is gone */
        server_leave(worker->server);
    }
    return 0;
}

/* Tries the best session that the client has here, and if the dial cannot even start there, the
 * next best. */
static int dial_here(struct forward *forward, struct visit *visit)
{
    struct worker *worker = forward->worker;
    const struct cv_forward *rule = forward->rule;
    struct cv_route route = {.id = 0};
    int rc = CV_ENOSESSION;

    for (int i = 0; i < 2; i++) {
        int found =
            cv_manager_route(worker->manager, rule->client, cv_proto_name(rule->proto),
                             CV_ROUTE_VISITOR, route.id, cv_loop_now(&worker->loop), &route);

        if (found < 0)
            return i ? rc : found;
        if (!route.healthy && !visit->settles) {
            visit->met_silent = true;
            return CV_ENOSESSION;
        }
        rc = dial_through(forward, &route, visit->fd);
        if (rc == 0)
            return 0;
    }
    return rc;
}

/* A visitor that cannot be served sees a reset: what it would see of a closed port. */
static void turn_away(struct forward *forward, const struct visit *visit)
{
    const struct cv_forward *rule = forward->rule;
    struct cv_loop *loop = &forward->worker->loop;
    struct cv_stream *stream;

    if (cv_stream_new(&stream, loop, visit->fd) == 0) {
        cv_stream_reset(stream);
        cv_stream_close(stream);
    } else {
        close(visit->fd);
    }
    cv_log(&loop->log, CV_LOG_WARN, "%s: visitor %s turned away: %s: %s", rule->listen, visit->peer,
           rule->client, cv_strerror(visit->problem));
}

/* The next worker to try. Healthy sessions come first, wherever they are. */
static int next_worker(struct server *server, const char *key, struct visit *visit)
{
    int next = server_find(server, key, visit->tried);

    if (next >= 0 || visit->settles || !visit->met_silent)
        return next;
    visit->settles = true;
    visit->tried = 0;
    return server_find(server, key, 0);
}

static void on_handed_over(struct cv_mail *mail, void *ctx, bool lost);

/* Returns 0, or -ENOMEM. */
static int hand_over(struct worker *to, const struct visit *visit)
{
    struct visit *copy = malloc(sizeof(*copy));

    if (!copy)
        return -ENOMEM;
    *copy = *visit;
    copy->mail.deliver = on_handed_over;
    cv_mailbox_post(&to->mailbox, &copy->mail);
    return 0;
}

/* Serves a visitor here, or hands it over to the worker that can. */
static void serve(struct forward *forward, struct visit *visit)
{
    struct worker *worker = forward->worker;
    struct server *server = worker->server;
    int next;

    while ((next = next_worker(server, forward->rule->client, visit)) >= 0) {
        if (next != (int)worker->index) {
            visit->problem = hand_over(&server->workers[next], visit);
            if (visit->problem == 0)
                return;
            break;
        }
        visit->tried |= UINT64_C(1) << worker->index;
        visit->problem = dial_here(forward, visit);
        if (visit->problem == 0) {
            cv_log(&worker->loop.log, CV_LOG_DEBUG, "%s: visitor %s to %s/%s/%s",
                   forward->rule->listen, visit->peer, forward->rule->client,
                   cv_proto_name(forward->rule->proto), forward->rule->address);
            return;
        }
    }
    turn_away(forward, visit);
    server_leave(server);
    server_check_drained(worker);
}

static void on_handed_over(struct cv_mail *mail, void *ctx, bool lost)
{
    struct visit *visit = cv_container_of(mail, struct visit, mail);
    struct worker *worker = ctx;

    if (lost)
        close(visit->fd);
    else
        serve(&worker->forwards[visit->rule], visit);
    free(visit);
}

static void on_visitor(void *ctx, int fd, const char *peer)
{
    struct forward *forward = ctx;
    struct worker *worker = forward->worker;
    struct visit visit = {
        .rule = (size_t)(forward - worker->forwards), .fd = fd, .problem = CV_ENOSESSION};

    snprintf(visit.peer, sizeof(visit.peer), "%s", peer);
    if (server_enter(worker->server)) {
        serve(forward, &visit);
        return;
    }
    visit.problem = CV_EFULL;
    turn_away(forward, &visit);
}

int forward_open(struct forward *forward, struct worker *worker, const struct cv_forward *rule,
                 const struct forward *first)
{
    struct cv_loop *loop = &worker->loop;
    int rc;

    forward->worker = worker;
    forward->rule = rule;
    if (first) {
        rc = cv_listener_new_beside(&forward->listener, loop, first->listener, on_visitor, forward);
        return rc == -EOPNOTSUPP ? 0 : rc; /* the first one listens for all */
    }
    if (worker->server->worker_count == 1)
        return cv_listener_new(&forward->listener, loop, rule->listen, on_visitor, forward);
    return cv_listener_new_shared(&forward->listener, loop, rule->listen, on_visitor, forward);
}
