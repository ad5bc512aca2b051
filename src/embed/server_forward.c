#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "embed/remote.h"
#include "embed/server_core.h"
#include "net/relay.h"

/* A listener whose visitors are led to a target; in the arena. */
struct forward {
    struct cv_list link;
    struct cv_server *server;     /* borrowed */
    struct cv_listener *listener; /* owned */
    const char *name;             /* of the target, in the arena */
    struct cv_dial_target target; /* borrows from it */
};

static void complain(struct forward *forward, const char *text, size_t len)
{
    const struct cv_log_about about = {.client = forward->target.client};

    cv_log_cause(&forward->server->tenant.loop, CV_CAUSE_DIAL_FAILED, &about, "forward to %s: %.*s",
                 forward->name, (int)len, text);
}

static void on_ended(void *ctx, const struct cv_relay_end *end)
{
    const char *text = end->text_len ? end->text : cv_reason_text(end->reason);

    if (cv_reason_is_error(end->reason))
        complain(ctx, text, end->text_len ? end->text_len : strlen(text));
}

/* Takes @stream, also on failure. */
static int relay(struct forward *forward, struct cv_stream *stream)
{
    const struct cv_dial_target *target = &forward->target;
    struct cv_crossing_end end = {.tunnel = NULL};
    int rc = cv_server_route(forward->server, &end, target->client, target->proto, target->address);

    if (rc < 0) {
        cv_stream_reset(stream);
        cv_stream_close(stream);
        return rc;
    }
    rc = cv_relay_new(end.tunnel, end.conn_id, stream, on_ended, forward);
    if (rc < 0)
        cv_tunnel_abort(end.tunnel, end.conn_id, CV_REASON_LOCAL, cv_strerror(rc));
    return rc;
}

static void on_visitor(void *ctx, int fd, const char *peer)
{
    struct forward *forward = ctx;
    struct cv_stream *stream;
    int rc = cv_stream_new(&stream, &forward->server->tenant.loop, fd);

    (void)peer;
    if (rc < 0)
        close(fd);
    else
        rc = relay(forward, stream);
    if (rc < 0)
        complain(forward, cv_strerror(rc), strlen(cv_strerror(rc)));
}

int cv_server_forward(struct cv_server *server, const char *address, const char *target,
                      const char **where)
{
    struct cv_tenant *tenant = &server->tenant;
    struct forward *forward = cv_arena_take(&tenant->arena, sizeof(*forward));
    int rc = -ENOMEM;

    if (forward && cv_remote_keep(&forward->name, &tenant->arena, target))
        rc = cv_server_target(&forward->target, server, forward->name);
    if (rc < 0)
        return rc;
    forward->server = server;
    rc = cv_listener_new(&forward->listener, &tenant->loop, address, on_visitor, forward);
    if (rc < 0)
        return rc;
    cv_list_init(&forward->link);
    cv_list_push_back(&server->forwards, &forward->link);
    cv_log(&tenant->loop.log, CV_LOG_INFO, "%s leads to %s", cv_listener_address(forward->listener),
           forward->name);
    if (where)
        *where = cv_listener_address(forward->listener);
    return 0;
}

void cv_server_close_forwards(struct cv_server *server)
{
    cv_list_each_safe (link, &server->forwards) {
        cv_listener_close(cv_container_of(link, struct forward, link)->listener);
        cv_list_remove(link);
    }
}
