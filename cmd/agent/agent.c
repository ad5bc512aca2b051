#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/error.h"
#include "culvert_version.h"
#include "discover.h"
#include "http/features.h"
#include "http/reach.h"
#include "net/linger.h"
#include "net/log.h"
#include "publish.h"
#include "target.h"

#define HEADERS_MAX 31           /* of --header */
#define LAST_MOMENT (1 * CV_SEC) /* for close frames, and for what sinks take at once */
#define BUDGET      ((size_t)512 * 1024 * 1024) /* bytes in the read buffers of all sessions */

_Static_assert(HEADERS_MAX + 2 + CV_PUBLISH_MAX <= CV_UPLINK_HEADERS_MAX,
               "room for Authorization, User-Agent and what is published besides");

void agent_up(struct agent *agent, const char *url, struct cv_tunnel *tunnel)
{
    agent->sessions++;
    publish_up(agent, url, tunnel);
}

void agent_down(struct agent *agent)
{
    agent->sessions--;
}

static void on_up(void *ctx, struct cv_tunnel *tunnel)
{
    const struct agent_server *server = ctx;

    agent_up(server->agent, server->url, tunnel);
}

static void on_down(void *ctx, struct cv_tunnel *tunnel, int error, const char *why)
{
    const struct agent_server *server = ctx;

    (void)tunnel, (void)error, (void)why;
    agent_down(server->agent);
}

void agent_complain(struct agent *agent, const struct cv_tunnel *tunnel, int64_t conn_id,
                    const char *what)
{
    const struct cv_log_about about = cv_tunnel_about(tunnel, conn_id);

    cv_log_cause(&agent->loop, CV_CAUSE_SERVER, &about, "connection %lld: %s", (long long)conn_id,
                 what);
}

void agent_event(struct agent *agent, const char *url, struct cv_tunnel *tunnel,
                 const struct cv_session_event *event)
{
    if (event->kind == CV_EVENT_CONNECT)
        target_connect(agent, tunnel, event);
    else if (event->kind == CV_EVENT_NOTICE)
        agent_complain(agent, tunnel, event->conn_id, "the server sent an odd frame");
    else if (event->kind == CV_EVENT_PUBLISHED)
        publish_told(agent, url, tunnel, event);
}

static void on_event(void *ctx, struct cv_tunnel *tunnel, const struct cv_session_event *event)
{
    const struct agent_server *server = ctx;

    agent_event(server->agent, server->url, tunnel, event);
}

/* Stopping: new dials are refused, open connections are waited for, the servers are told, and what
 * is left then has a last moment. */

static void last_moment(struct agent *agent)
{
    cv_tunnel_end_all(&agent->loop, CV_ENDING_LEAVES, CV_REASON_KILLED);
    cv_linger_end(&agent->loop);
    cv_files_free(agent->files);
    agent->files = NULL;
}

static void leave(struct agent *agent)
{
    agent->gone = true;
    for (size_t i = 0; i < agent->server_count; i++)
        cv_uplink_close(agent->servers[i].uplink);
    discover_close(agent->discover);
    cv_timer_set(agent->drain_timer, LAST_MOMENT);
    cv_timer_unref(agent->drain_timer);
}

static void on_drain_timer(void *ctx)
{
    struct agent *agent = ctx;

    if (agent->gone)
        last_moment(agent);
    else
        leave(agent);
}

void agent_conn_ended(struct agent *agent)
{
    agent->conns--;
    if (agent->draining && !agent->gone && agent->conns == 0)
        leave(agent);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct agent *agent = handle->data;

    if (number == SIGHUP) { /* nothing is read anew; who reloads all services waits for a word */
        service_reloading(agent->service);
        service_ready(agent->service);
        return;
    }
    if (agent->draining) {
        on_drain_timer(agent); /* a further signal does not wait */
        return;
    }
    agent->draining = true;
    service_stopping(agent->service, agent->config->drain_timeout);
    cv_log(&agent->loop.log, CV_LOG_INFO, "stopping: %llu connections are open",
           (unsigned long long)agent->conns);
    if (agent->conns == 0)
        leave(agent);
    else
        cv_timer_set(agent->drain_timer, agent->config->drain_timeout);
}

/* What the service manager hears. */

static void status(void *ctx, char text[SERVICE_STATUS_SIZE])
{
    const struct agent *agent = ctx;
    const char *conns = agent->conns == 1 ? "connection" : "connections";

    if (agent->draining)
        snprintf(text, SERVICE_STATUS_SIZE, "draining, %llu %s left",
                 (unsigned long long)agent->conns, conns);
    else if (agent->sessions == 0)
        snprintf(text, SERVICE_STATUS_SIZE, "not connected, trying");
    else
        snprintf(text, SERVICE_STATUS_SIZE, "connected to %llu server%s, %llu %s",
                 (unsigned long long)agent->sessions, agent->sessions == 1 ? "" : "s",
                 (unsigned long long)agent->conns, conns);
}

static int start_report(struct agent *agent)
{
    const struct service_config config = {
        .loop = &agent->loop, .loops = 1, .status = status, .ctx = agent};

    return service_new(&agent->service, &config);
}

/* Whether the operator has it say a User-Agent of another kind. */
static bool names_itself(const struct cv_agent_config *config)
{
    for (size_t i = 0; i < config->headers.count; i++)
        if (strcasecmp(config->headers.at[i].name, "User-Agent") == 0)
            return true;
    return false;
}

static int make_headers(struct agent *agent)
{
    const struct cv_agent_config *config = agent->config;
    int rc = cv_reach_authorization(&agent->authorization, &config->outward);

    if (rc < 0)
        return rc;
    agent->headers =
        calloc(config->headers.count + 2 + config->publishes.count, sizeof(*agent->headers));
    if (!agent->headers)
        return -ENOMEM;
    if (agent->authorization)
        agent->headers[agent->header_count++] =
            (struct cv_ws_header){"Authorization", agent->authorization};
    for (size_t i = 0; i < config->headers.count; i++)
        agent->headers[agent->header_count++] =
            (struct cv_ws_header){config->headers.at[i].name, config->headers.at[i].value};
    if (!names_itself(config))
        agent->headers[agent->header_count++] =
            (struct cv_ws_header){"User-Agent", CV_AGENT_PRODUCT CULVERT_VERSION};
    publish_headers(agent);
    return 0;
}

int agent_dial(struct agent *agent, struct cv_uplink **out, const struct cv_url *url,
               const struct agent_uplink *owner)
{
    struct cv_uplink_config uplink = {
        .url = url->text,
        .target = url->target,
        .key = agent->config->id,
        .headers = agent->headers,
        .header_count = agent->header_count,
        .session = cv_session_defaults(CV_SESSION_DIALLER),
        .up = owner->up,
        .event = owner->event,
        .down = owner->down,
        .ctx = owner->ctx,
        .found = owner->found,
    };

    cv_reach_outbound(&uplink.outbound, &agent->config->outward, url);
    snprintf(uplink.session.name, sizeof(uplink.session.name), "client");
    uplink.session.parent = &agent->budget;
    return cv_uplink_new(out, &agent->loop, agent->outbound, &uplink);
}

static int start_uplinks(struct agent *agent)
{
    const struct cv_urls *connects = &agent->config->connects;

    agent->servers = calloc(connects->count + 1, sizeof(struct agent_server));
    if (!agent->servers)
        return -ENOMEM;
    for (size_t i = 0; i < connects->count; i++) {
        struct agent_server *server = &agent->servers[i];
        int rc;

        *server = (struct agent_server){.agent = agent, .url = connects->at[i].text};
        rc = agent_dial(
            agent, &server->uplink, &connects->at[i],
            &(struct agent_uplink){.up = on_up, .event = on_event, .down = on_down, .ctx = server});
        if (rc < 0)
            return rc;
        agent->server_count++;
    }
    return agent->config->discover ? discover_new(&agent->discover, agent) : 0;
}

static int fail(struct cv_config_error *error, int code, const char *what, int rc)
{
    snprintf(error->line, sizeof(error->line), "culvert-agent: %s: %s", what, cv_strerror(rc));
    return code;
}

int agent_start(struct agent *agent, const struct cv_agent_config *config,
                struct cv_config_error *error)
{
    const char *bad = cv_reach_unreadable(&config->outward);
    struct cv_log log;
    int rc;

    if (bad)
        return fail(error, EXIT_USAGE, bad, -errno);
    if (config->headers.count > HEADERS_MAX)
        return fail(error, EXIT_USAGE, "--header: too many", CV_EFULL);
    agent->config = config;
    agent->budget.limit = BUDGET;
    cv_log_open(&log, &agent->log_out, config->common.program->name, config->common.log_level,
                config->common.log_format == CV_LOG_JSON);
    log.client = config->id;
    rc = cv_loop_init(&agent->loop, &log);
    if (rc < 0)
        return fail(error, EXIT_RUNTIME, "event loop", rc);
    target_init(agent);
    if (config->serve) {
        rc = cv_files_new(&agent->files, &agent->loop, config->serve);
        if (rc < 0)
            return fail(error, EXIT_OPEN, config->serve, rc);
    }
    rc = process_watch_signals(&agent->signals, &agent->loop, on_signal, agent);
    if (rc == 0)
        rc = cv_timer_new(&agent->drain_timer, &agent->loop, on_drain_timer, agent);
    if (rc == 0)
        rc = start_report(agent);
    if (rc == 0)
        rc = cv_outbound_new(&agent->outbound, &agent->loop);
    if (rc == 0)
        rc = make_headers(agent);
    if (rc == 0)
        rc = start_uplinks(agent);
    if (rc < 0)
        return fail(error, EXIT_RUNTIME, "start", rc);
    if (config->outward.insecure)
        cv_log(&agent->loop.log, CV_LOG_WARN,
               "--insecure: the server's certificate is not verified");
    return 0;
}

static void clear(struct agent *agent)
{
    service_free(agent->service);
    cv_files_free(agent->files);
    cv_timer_free(agent->drain_timer);
    cv_outbound_free(agent->outbound);
    process_unwatch_signals(&agent->signals);
    cv_reach_forget(agent->authorization);
    discover_free(agent->discover);
    free(agent->headers);
    free(agent->servers);
}

int agent_run(struct agent *agent)
{
    int rc;

    service_ready(agent->service);
    uv_run(agent->loop.uv, UV_RUN_DEFAULT);
    clear(agent);
    uv_run(agent->loop.uv, UV_RUN_DEFAULT);
    rc = cv_loop_deinit(&agent->loop);
    cv_log_close(&agent->log_out);
    if (rc < 0)
        fprintf(stderr, "culvert-agent: at the end: %s\n", cv_strerror(rc));
    return agent->gone ? EXIT_OK : EXIT_RUNTIME;
}
