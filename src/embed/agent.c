#include <culvert/agent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/key.h"
#include "embed/connection.h"
#include "embed/options.h"
#include "embed/remote.h"
#include "http/targets.h"
#include "net/log.h"

struct cv_agent {
    struct cv_tenant tenant;
    struct cv_agent_options options; /* strings in the tenant's arena */
    struct cv_outbound *outbound;
    struct cv_targets targets;
    struct cv_patterns allows; /* none: nothing may be dialled */
    struct cv_list handlers, servers;
    void (*closed)(struct cv_agent *agent);
};

/* A target that the program answers for; in the arena. */
struct handler {
    struct cv_list link;
    struct cv_target target;
    cv_agent_handler *call;
    void *data; /* borrowed */
};

/* A server that is dialled; in the arena. */
struct server {
    struct cv_list link;
    struct cv_agent *agent;
    struct cv_uplink_config config;
    struct cv_uplink *uplink;
};

static struct cv_agent *agent_of(struct cv_tenant *tenant)
{
    return cv_container_of(tenant, struct cv_agent, tenant);
}

/* What a server asks for. */

static void complain(struct cv_agent *agent, const struct cv_tunnel *tunnel, int64_t conn_id,
                     const char *what)
{
    struct cv_loop *loop = &agent->tenant.loop;
    const struct cv_log_about about = cv_tunnel_about(tunnel, conn_id);

    cv_log_cause(loop, CV_CAUSE_SERVER, &about, "connection %lld: %s", (long long)conn_id, what);
}

static bool allowed(void *ctx, const struct cv_target *target, const struct cv_ip *ip)
{
    const struct cv_agent *agent = ctx;

    return agent->allows.count > 0 &&
           cv_allow_check(agent->allows.at, agent->allows.count, target, ip);
}

static struct handler *find_handler(struct cv_agent *agent, const struct cv_target *target)
{
    struct cv_span host = {target->host, target->host_len};

    cv_list_each (link, &agent->handlers) {
        struct handler *handler = cv_container_of(link, struct handler, link);
        const struct cv_target *its = &handler->target;

        if (target->proto == CV_PROTO_TCP && target->port == its->port &&
            cv_span_same(host, (struct cv_span){its->host, its->host_len}))
            return handler;
    }
    return NULL;
}

/* Offers the connection to its handler; false when that does not take it. */
static bool offer(struct cv_agent *agent, struct cv_tunnel *tunnel, int64_t conn_id,
                  const struct handler *handler, const char *text)
{
    struct cv_connection *connection;

    if (cv_connection_new(&connection, &agent->tenant, strchr(text, '/') + 1, NULL, NULL) < 0)
        return false;
    if (cv_connection_begin(connection, tunnel, conn_id) == 0)
        handler->call(connection, handler->data);
    return cv_connection_taken(connection);
}

static void connect_target(struct cv_agent *agent, struct cv_tunnel *tunnel,
                           const struct cv_session_event *event)
{
    char text[CV_TARGETS_TEXT_MAX];
    struct cv_target target;
    struct handler *handler = NULL;

    if (cv_targets_read(&target, text, event) == NULL)
        handler = find_handler(agent, &target);
    if (agent->tenant.closing)
        cv_targets_refuse(&agent->targets, tunnel, event, "the agent stops");
    else if (!handler && agent->allows.count == 0) /* which no name need be looked up for */
        cv_targets_refuse(&agent->targets, tunnel, event, "not allowed by the agent");
    else if (!handler)
        cv_targets_connect(&agent->targets, tunnel, event);
    else if (!offer(agent, tunnel, event->conn_id, handler, text))
        cv_targets_refuse(&agent->targets, tunnel, event, "its handler refused");
}

static void on_event(void *ctx, struct cv_tunnel *tunnel, const struct cv_session_event *event)
{
    const struct server *server = ctx;

    if (event->kind == CV_EVENT_CONNECT)
        connect_target(server->agent, tunnel, event);
    else if (event->kind == CV_EVENT_NOTICE)
        complain(server->agent, tunnel, event->conn_id, "the server sent an odd frame");
}

/* Sessions. */

static void on_up(void *ctx, struct cv_tunnel *tunnel)
{
    const struct server *server = ctx;
    struct cv_agent *agent = server->agent;

    (void)tunnel;
    if (agent->options.on_up)
        agent->options.on_up(agent, server->config.url);
}

static void tell_down(const struct server *server, int error, const char *text)
{
    struct cv_agent *agent = server->agent;

    if (agent->options.on_down && !agent->tenant.closing)
        agent->options.on_down(agent, server->config.url, error, text);
}

static void on_down(void *ctx, struct cv_tunnel *tunnel, int error, const char *why)
{
    (void)tunnel;
    tell_down(ctx, error, why);
}

static bool on_refused(void *ctx, const struct cv_upgrade_end *end)
{
    tell_down(ctx, end->error, end->text);
    return true;
}

int cv_agent_connect(struct cv_agent *agent, const struct cv_remote *remote)
{
    struct cv_tenant *tenant = &agent->tenant;
    struct server *server = cv_arena_take(&tenant->arena, sizeof(*server));
    struct cv_uplink_config *config;
    int rc;

    if (!server || tenant->closing)
        return server ? CV_ECLOSED : -ENOMEM;
    config = &server->config;
    *config = (struct cv_uplink_config){.key = agent->options.id,
                                        .session = cv_session_defaults(CV_SESSION_DIALLER),
                                        .refused = on_refused,
                                        .up = on_up,
                                        .event = on_event,
                                        .down = on_down,
                                        .ctx = server};
    rc = cv_remote_read(config, &tenant->arena, &tenant->loop.log, remote);
    if (rc < 0)
        return rc;
    snprintf(config->session.name, sizeof(config->session.name), "client");
    config->session.parent = &tenant->budget;
    server->agent = agent;
    rc = cv_uplink_new(&server->uplink, &tenant->loop, agent->outbound, config);
    if (rc < 0)
        return rc;
    cv_list_init(&server->link);
    cv_list_push_back(&agent->servers, &server->link);
    return 0;
}

/* What may be asked for. */

int cv_agent_allow(struct cv_agent *agent, const char *pattern)
{
    struct cv_taking taking = {.arena = &agent->tenant.arena, .problem = ""};
    const char *copy;
    int rc = -ENOMEM;

    if (cv_remote_keep(&copy, taking.arena, pattern))
        rc = cv_take_allow(&taking, &agent->allows, copy);
    if (rc == CV_ESYNTAX)
        cv_log(&agent->tenant.loop.log, CV_LOG_ERROR, "allow %s: %s", pattern, taking.problem);
    return rc;
}

int cv_agent_handle(struct cv_agent *agent, const char *target, cv_agent_handler *call, void *data)
{
    struct cv_arena *arena = &agent->tenant.arena;
    struct handler *handler = cv_arena_take(arena, sizeof(*handler));
    const char *problem, *copy;

    if (!handler || !cv_remote_keep(&copy, arena, target))
        return -ENOMEM;
    if (cv_target_parse(&handler->target, copy, strlen(copy), &problem) < 0 ||
        handler->target.proto != CV_PROTO_TCP)
        return CV_ESYNTAX;
    if (find_handler(agent, &handler->target))
        return -EEXIST;
    handler->call = call;
    handler->data = data;
    cv_list_init(&handler->link);
    cv_list_push_back(&agent->handlers, &handler->link);
    return 0;
}

/* Beginning and end. */

static void stop(struct cv_tenant *tenant)
{
    cv_list_each_safe (link, &agent_of(tenant)->servers)
        cv_uplink_close(cv_container_of(link, struct server, link)->uplink);
}

static void gone(struct cv_tenant *tenant)
{
    struct cv_agent *agent = agent_of(tenant);
    struct cv_alloc alloc = tenant->loop.alloc;

    cv_outbound_free(agent->outbound);
    if (agent->closed)
        agent->closed(agent);
    cv_tenant_deinit(tenant);
    cv_free(&alloc, agent);
}

static const struct cv_tenant_ops ops = {.stop = stop, .gone = gone};

static int keep_options(struct cv_agent *agent, const struct cv_agent_options *options)
{
    int rc = cv_options_copy(&agent->options, sizeof(agent->options), options,
                             CV_OPTIONS_LEAST(struct cv_agent_options, on_down));

    if (rc < 0)
        return rc;
    if (!agent->options.id)
        return -EINVAL;
    return cv_key_valid(agent->options.id, strlen(agent->options.id)) ? 0 : CV_EBADKEY;
}

static int begin(struct cv_agent *agent, uv_loop_t *uv)
{
    const struct cv_agent_options *options = &agent->options;
    struct cv_log log = {.level = options->log_level, .write = options->log, .ctx = options->data};
    int rc = cv_tenant_init(&agent->tenant, uv, &log, &ops);

    if (rc < 0)
        return rc;
    rc = cv_remote_keep(&agent->options.id, &agent->tenant.arena, options->id) ? 0 : -ENOMEM;
    agent->tenant.loop.log.client = agent->options.id;
    cv_list_init(&agent->handlers);
    cv_list_init(&agent->servers);
    agent->targets =
        (struct cv_targets){.loop = &agent->tenant.loop, .allowed = allowed, .ctx = agent};
    if (rc == 0)
        rc = cv_outbound_new(&agent->outbound, &agent->tenant.loop);
    if (rc < 0)
        cv_tenant_close(&agent->tenant);
    return rc;
}

int cv_agent_new(struct cv_agent **out, uv_loop_t *loop, const struct cv_agent_options *options)
{
    struct cv_alloc heap = cv_heap();
    struct cv_agent *agent = cv_alloc_zero(&heap, sizeof(*agent));
    int rc = agent ? keep_options(agent, options) : -ENOMEM;

    if (rc < 0) {
        cv_free(&heap, agent);
        return rc;
    }
    rc = begin(agent, loop);
    if (rc == 0)
        *out = agent;
    else if (!agent->tenant.closing)
        cv_free(&heap, agent);
    return rc;
}

void *cv_agent_data(const struct cv_agent *agent)
{
    return agent->options.data;
}

void cv_agent_close(struct cv_agent *agent, void (*closed)(struct cv_agent *agent))
{
    agent->closed = closed;
    cv_tenant_close(&agent->tenant);
}
