#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "access/limits.h"
#include "config/values.h"
#include "embed/connection.h"
#include "embed/options.h"
#include "embed/server_core.h"

#define DRAIN_TICK (20 * CV_MSEC) /* between two looks at who has no connections any more */

static struct cv_server *server_of(struct cv_tenant *tenant)
{
    return cv_container_of(tenant, struct cv_server, tenant);
}

/* Dialling. */

static int dial(struct cv_tenant *tenant, struct cv_connection *connection)
{
    struct cv_dial_target target;
    struct cv_crossing_end end = {.tunnel = NULL};
    int rc = cv_dial_target_read(&target, cv_connection_target(connection));

    if (rc == 0)
        rc = cv_server_route(server_of(tenant), &end, target.client, target.proto, target.address);
    return rc < 0 ? rc : cv_connection_begin(connection, end.tunnel, end.conn_id);
}

int cv_server_target(struct cv_dial_target *out, const struct cv_server *server, const char *text)
{
    int rc = server->draining || server->tenant.closing ? CV_ECLOSED : 0;

    if (rc == 0)
        rc = cv_dial_target_read(out, text);
    if (rc < 0)
        return rc;
    return strlen(cv_proto_name(out->proto)) + 1 + strlen(out->address) <= CV_CONNECT_TARGET_MAX
               ? 0
               : CV_ETOOLONG;
}

int cv_server_dial(struct cv_connection **out, struct cv_server *server, const char *target,
                   const struct cv_connection_callbacks *callbacks, void *data)
{
    struct cv_connection *connection;
    struct cv_dial_target read;
    int rc = callbacks ? cv_server_target(&read, server, target) : -EINVAL;

    if (rc == 0)
        rc = cv_connection_new(&connection, &server->tenant, target, callbacks, data);
    if (rc == 0 && out)
        *out = connection;
    return rc;
}

/* The end. */

static void stop(struct cv_tenant *tenant)
{
    struct cv_server *server = server_of(tenant);

    cv_timer_free(server->drain);
    server->drain = NULL;
    cv_server_close_door(server);
    cv_server_dismiss(server, false);
}

static void gone(struct cv_tenant *tenant)
{
    struct cv_server *server = server_of(tenant);
    struct cv_alloc alloc = tenant->loop.alloc;

    cv_manager_free(server->manager);
    cv_admission_free(server->admission);
    cv_tls_free(server->tls);
    if (server->closed)
        server->closed(server);
    cv_tenant_deinit(tenant);
    cv_free(&alloc, server);
}

static const struct cv_tenant_ops ops = {.dial = dial, .stop = stop, .gone = gone};

static void on_drain(void *ctx)
{
    struct cv_server *server = ctx;

    cv_server_close_door(server);
    cv_server_dismiss(server, true);
    if (cv_list_empty(&server->guests) || cv_loop_now(&server->tenant.loop) >= server->drain_by)
        cv_tenant_close(&server->tenant);
    else
        cv_timer_set(server->drain, DRAIN_TICK);
}

void cv_server_close(struct cv_server *server, uint64_t wait,
                     void (*closed)(struct cv_server *server))
{
    uint64_t now = cv_loop_now(&server->tenant.loop);
    uint64_t by = wait < (CV_NEVER - now) / CV_MSEC ? now + wait * CV_MSEC : CV_NEVER;

    if (closed)
        server->closed = closed;
    if (server->tenant.closing)
        return;
    if (!server->draining || by < server->drain_by)
        server->drain_by = by;
    server->draining = true;
    cv_timer_set(server->drain, 0); /* a call may come from within what is closed there */
}

/* The beginning. */

static void default_limit(uint32_t *limit, const char *text)
{
    if (*limit == 0)
        *limit = (uint32_t)strtoul(text, NULL, 10);
}

static int keep_options(struct cv_server *server, const struct cv_server_options *theirs)
{
    struct cv_server_options *options = &server->options;
    int rc = cv_options_copy(options, sizeof(*options), theirs,
                             CV_OPTIONS_LEAST(struct cv_server_options, on_leave));

    if (rc < 0)
        return rc;
    default_limit(&options->max_sessions, CV_LIMIT_SESSIONS);
    default_limit(&options->max_conns_per_session, CV_LIMIT_CONNS_PER_SESSION);
    default_limit(&options->max_conns_per_address, CV_LIMIT_CONNS_PER_ADDRESS);
    default_limit(&options->max_rate_per_address, CV_LIMIT_RATE_PER_ADDRESS);
    default_limit(&options->max_rate, CV_LIMIT_RATE);
    return options->listen && options->listen[0] && options->authorize ? 0 : -EINVAL;
}

static int start(struct cv_server *server)
{
    const struct cv_server_options *options = &server->options;
    struct cv_loop *loop = &server->tenant.loop;
    const struct cv_manager_limits limits = {.max_sessions = options->max_sessions};
    int rc = cv_manager_new(&server->manager, &loop->alloc, &limits);

    if (rc == 0)
        rc = cv_admission_new(&server->admission, &loop->alloc, options->max_conns_per_address,
                              options->max_rate_per_address);
    if (rc == 0)
        rc = cv_timer_new(&server->drain, loop, on_drain, server);
    return rc < 0 ? rc : cv_server_open_door(server);
}

static int begin(struct cv_server *server, uv_loop_t *uv)
{
    struct cv_server_options *options = &server->options;
    const struct cv_log log = {
        .level = options->log_level, .write = options->log, .ctx = options->data};
    int rc = cv_tenant_init(&server->tenant, uv, &log, &ops);

    if (rc < 0)
        return rc;
    if (options->buffer_budget)
        server->tenant.budget.limit = (size_t)options->buffer_budget;
    server->pace.rate = options->max_rate;
    cv_list_init(&server->guests);
    cv_list_init(&server->forwards);
    rc = start(server);
    /* what the options point to was for this call */
    options->listen = NULL;
    options->cert_file = options->key_file = options->client_ca_file = NULL;
    if (rc < 0)
        cv_tenant_close(&server->tenant);
    return rc;
}

int cv_server_new(struct cv_server **out, uv_loop_t *loop, const struct cv_server_options *options)
{
    struct cv_alloc heap = cv_heap();
    struct cv_server *server = cv_alloc_zero(&heap, sizeof(*server));
    int rc = server ? keep_options(server, options) : -ENOMEM;

    if (rc < 0) {
        cv_free(&heap, server);
        return rc;
    }
    rc = begin(server, loop);
    if (rc == 0)
        *out = server;
    else if (!server->tenant.closing)
        cv_free(&heap, server);
    return rc;
}

void *cv_server_data(const struct cv_server *server)
{
    return server->options.data;
}
