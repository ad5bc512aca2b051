#include <culvert/dial.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/key.h"
#include "embed/connection.h"
#include "embed/options.h"
#include "embed/remote.h"
#include "embed/target.h"
#include "http/front.h"
#include "http/targets.h"
#include "manager/manager.h"
#include "net/log.h"

#define NAME "libculvert" /* what we call ourselves in the server's log */

struct cv_dialler {
    struct cv_tenant tenant;
    struct cv_dialler_options options; /* strings in the tenant's arena */
    struct cv_outbound *outbound;
    struct cv_uplink_config config;
    struct cv_uplink *uplink;
    struct cv_tunnel *tunnel; /* while a session stands; borrowed */
    void (*closed)(struct cv_dialler *dialler);
};

static struct cv_dialler *dialler_of(struct cv_tenant *tenant)
{
    return cv_container_of(tenant, struct cv_dialler, tenant);
}

/* The session. */

static void on_up(void *ctx, struct cv_tunnel *tunnel)
{
    struct cv_dialler *dialler = ctx;

    dialler->tunnel = tunnel;
    cv_connections_wake(&dialler->tenant);
    if (dialler->options.on_up)
        dialler->options.on_up(dialler);
}

/* Nobody dials through us. */
static void on_event(void *ctx, struct cv_tunnel *tunnel, const struct cv_session_event *event)
{
    (void)ctx;
    if (event->kind == CV_EVENT_CONNECT)
        cv_tunnel_abort(tunnel, event->conn_id, CV_REASON_REFUSED, "connect not allowed");
}

static void tell_down(struct cv_dialler *dialler, int error, const char *text)
{
    if (dialler->options.on_down && !dialler->tenant.closing)
        dialler->options.on_down(dialler, error, text);
}

static void on_down(void *ctx, struct cv_tunnel *tunnel, int error, const char *why)
{
    struct cv_dialler *dialler = ctx;

    (void)tunnel;
    dialler->tunnel = NULL;
    tell_down(dialler, error, why);
}

static bool on_refused(void *ctx, const struct cv_upgrade_end *end)
{
    struct cv_dialler *dialler = ctx;

    cv_connections_fail(&dialler->tenant, end->error, end->text);
    tell_down(dialler, end->error, end->text);
    return true;
}

/* Dialling. */

/* Splits CLIENT/TARGET as a visitor's session says it: proto of the form CLIENT::PROTO, and the
 * address. */
static int split(char through[CV_PROTO_MAX], const char **address, const char *text)
{
    struct cv_dial_target target;
    int rc = cv_dial_target_read(&target, text);

    if (rc < 0)
        return rc;
    snprintf(through, CV_PROTO_MAX, "%s::%s", target.client, cv_proto_name(target.proto));
    *address = target.address;
    return strlen(through) + 1 + strlen(target.address) <= CV_CONNECT_TARGET_MAX ? 0 : CV_ETOOLONG;
}

static int dial(struct cv_tenant *tenant, struct cv_connection *connection)
{
    struct cv_dialler *dialler = dialler_of(tenant);
    char through[CV_PROTO_MAX];
    const char *address;
    int64_t conn_id;
    int rc;

    if (!dialler->tunnel)
        return 1;
    rc = split(through, &address, cv_connection_target(connection));
    if (rc == 0)
        rc = cv_session_dial(cv_tunnel_session(dialler->tunnel), through, address, NULL,
                             cv_loop_now(&tenant->loop), &conn_id);
    return rc < 0 ? rc : cv_connection_begin(connection, dialler->tunnel, conn_id);
}

int cv_dial(struct cv_connection **out, struct cv_dialler *dialler, const char *target,
            const struct cv_connection_callbacks *callbacks, void *data)
{
    struct cv_connection *connection;
    char through[CV_PROTO_MAX];
    const char *address;
    int rc = callbacks ? 0 : -EINVAL;

    if (rc == 0)
        rc = dialler->tenant.closing ? CV_ECLOSED : split(through, &address, target);
    if (rc == 0)
        rc = cv_connection_new(&connection, &dialler->tenant, target, callbacks, data);
    if (rc == 0 && out)
        *out = connection;
    return rc;
}

/* Beginning and end. */

static void stop(struct cv_tenant *tenant)
{
    struct cv_uplink *uplink = dialler_of(tenant)->uplink;

    if (uplink)
        cv_uplink_close(uplink);
}

static void gone(struct cv_tenant *tenant)
{
    struct cv_dialler *dialler = dialler_of(tenant);
    struct cv_alloc alloc = tenant->loop.alloc;

    cv_outbound_free(dialler->outbound);
    if (dialler->closed)
        dialler->closed(dialler);
    cv_tenant_deinit(tenant);
    cv_free(&alloc, dialler);
}

static const struct cv_tenant_ops ops = {.dial = dial, .stop = stop, .gone = gone};

static int keep_options(struct cv_dialler *dialler, const struct cv_dialler_options *options)
{
    int rc = 0;

    if (options)
        rc = cv_options_copy(&dialler->options, sizeof(dialler->options), options,
                             CV_OPTIONS_LEAST(struct cv_dialler_options, on_down));
    if (rc < 0)
        return rc;
    if (!dialler->options.name)
        dialler->options.name = NAME;
    return cv_key_valid(dialler->options.name, strlen(dialler->options.name)) ? 0 : CV_EBADKEY;
}

static int start(struct cv_dialler *dialler, const struct cv_remote *server)
{
    struct cv_tenant *tenant = &dialler->tenant;
    struct cv_uplink_config *config = &dialler->config;
    int rc;

    *config = (struct cv_uplink_config){.key_header = CV_VISITOR_HEADER,
                                        .session = cv_session_defaults(CV_SESSION_DIALLER),
                                        .refused = on_refused,
                                        .up = on_up,
                                        .event = on_event,
                                        .down = on_down,
                                        .ctx = dialler};
    rc = cv_remote_keep(&config->key, &tenant->arena, dialler->options.name) ? 0 : -ENOMEM;
    if (rc == 0)
        rc = cv_remote_read(config, &tenant->arena, &tenant->loop.log, server);
    if (rc == 0)
        rc = cv_outbound_new(&dialler->outbound, &tenant->loop);
    if (rc < 0)
        return rc;
    snprintf(config->session.name, sizeof(config->session.name), "client");
    config->session.parent = &tenant->budget;
    return cv_uplink_new(&dialler->uplink, &tenant->loop, dialler->outbound, config);
}

int cv_dialler_new(struct cv_dialler **out, uv_loop_t *loop, const struct cv_remote *server,
                   const struct cv_dialler_options *options)
{
    struct cv_alloc heap = cv_heap();
    struct cv_dialler *dialler = cv_alloc_zero(&heap, sizeof(*dialler));
    struct cv_log log;
    int rc = dialler ? keep_options(dialler, options) : -ENOMEM;

    if (rc == 0) {
        log = (struct cv_log){.level = dialler->options.log_level,
                              .write = dialler->options.log,
                              .ctx = dialler->options.data};
        rc = cv_tenant_init(&dialler->tenant, loop, &log, &ops);
    }
    if (rc < 0) {
        cv_free(&heap, dialler);
        return rc;
    }
    rc = start(dialler, server);
    if (rc < 0)
        cv_tenant_close(&dialler->tenant);
    else
        *out = dialler;
    return rc;
}

void *cv_dialler_data(const struct cv_dialler *dialler)
{
    return dialler->options.data;
}

void cv_dialler_close(struct cv_dialler *dialler, void (*closed)(struct cv_dialler *dialler))
{
    dialler->closed = closed;
    cv_tenant_close(&dialler->tenant);
}
