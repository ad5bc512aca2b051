#include "server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/file.h"
#include "net/linger.h"
#include "net/log.h"
#include "ws/ws.h"

#define PROGRAM "culvert-server"

#define LAST_MOMENT (1 * CV_SEC) /* for close frames, and for what sinks take at once */

static const struct cv_credentials *credentials_now(void *ctx)
{
    return ((struct server *)ctx)->credentials;
}

static bool has_room(void *ctx)
{
    const struct server *server = ctx;

    return cv_manager_stats(server->manager)->sessions < server->config->limits.max_sessions;
}

/* Stopping. */

static void close_listeners(struct server *server)
{
    advertise_close(server->advertise);
    server->advertise = NULL;
    for (size_t i = 0; i < server->listener_count; i++)
        cv_listener_close(server->listeners[i]);
    for (size_t i = 0; i < server->forward_count; i++)
        cv_listener_close(server->forwards[i].listener);
    server->listener_count = server->forward_count = 0;
    cv_front_free(server->front);
    server->front = NULL;
}

/* Nobody is waited for any longer. */
static void on_last_moment(uv_timer_t *timer)
{
    struct server *server = timer->data;

    cv_tunnel_end_all(&server->loop, CV_REASON_KILLED);
    cv_linger_end(&server->loop);
}

/* Tells the agents to go; what is still open has a last moment. */
static void dismiss(struct server *server)
{
    if (server->gone)
        return;
    server->gone = true;
    guests_dismiss(server, CV_WS_RESTART, "the server stops");
    uv_timer_start(&server->drain_timer, on_last_moment, LAST_MOMENT / CV_MSEC, 0);
    uv_unref((uv_handle_t *)&server->drain_timer); /* when everybody is gone sooner, so are we */
}

void server_check_drained(struct server *server)
{
    if (server->draining && server->conns == 0)
        dismiss(server);
}

static void on_drain_timeout(uv_timer_t *timer)
{
    struct server *server = timer->data;

    cv_log(&server->loop.log, CV_LOG_WARN, "drain: %llu connections did not end in time",
           (unsigned long long)server->conns);
    dismiss(server);
}

static void drain(struct server *server)
{
    server->draining = true;
    cv_log(&server->loop.log, CV_LOG_INFO, "draining: %llu connections are open",
           (unsigned long long)server->conns);
    close_listeners(server);
    uv_timer_start(&server->drain_timer, on_drain_timeout, server->config->drain_timeout / CV_MSEC,
                   0);
    server_check_drained(server);
}

/* Reads credentials and certificates anew; what cannot be read leaves the old ones in force. */
static void reload(struct server *server)
{
    const struct cv_server_config *config = server->config;
    struct cv_credentials *fresh;
    struct cv_config_error error;
    char tls_error[300];

    if (config->token_file) {
        if (cv_credentials_load(&fresh, &server->loop.alloc, PROGRAM, config->token_file, &error) <
            0) {
            cv_log(&server->loop.log, CV_LOG_ERROR, "reload: %s", error.line);
        } else {
            cv_credentials_free(server->credentials);
            server->credentials = fresh;
            guests_recheck(server);
        }
    }
    if (server->tls && cv_tls_reload(server->tls, tls_error, sizeof(tls_error)) < 0)
        cv_log(&server->loop.log, CV_LOG_ERROR, "reload: %s", tls_error);
    cv_log(&server->loop.log, CV_LOG_INFO, "reloaded");
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;

    if (number == SIGHUP)
        reload(server);
    else if (server->gone)
        on_last_moment(&server->drain_timer);
    else if (server->draining)
        dismiss(server); /* the second one does not wait */
    else
        drain(server);
}

/* Starting. */

static int fail(struct cv_config_error *error, int code, const char *what, int rc)
{
    snprintf(error->line, sizeof(error->line), PROGRAM ": %s: %s", what, cv_strerror(rc));
    return code;
}

static int open_tls(struct server *server, struct cv_config_error *error)
{
    const struct cv_server_config *config = server->config;
    char text[300];

    if (!config->tls_cert)
        return EXIT_OK;
    if (cv_tls_new(&server->tls, config->tls_cert, config->tls_key, text, sizeof(text)) == 0)
        return EXIT_OK;
    snprintf(error->line, sizeof(error->line), PROGRAM ": %s", text);
    return EXIT_USAGE;
}

static int open_front(struct server *server, struct cv_config_error *error)
{
    const struct cv_strings *listens = &server->config->listens;
    struct cv_front_config front = {.loop = &server->loop,
                                    .tls = server->tls,
                                    .credentials = credentials_now,
                                    .room = has_room,
                                    .welcome = guest_welcome,
                                    .describe = advertise_describe,
                                    .describe_ctx = &server->advertise,
                                    .ctx = server};
    int rc = cv_front_new(&server->front, &front);

    server->listeners = calloc(listens->count, sizeof(struct cv_listener *));
    if (rc < 0 || !server->listeners)
        return fail(error, EXIT_RUNTIME, "front door", UV_ENOMEM);
    for (size_t i = 0; i < listens->count; i++) {
        rc = cv_listener_new(&server->listeners[i], &server->loop, listens->at[i],
                             cv_front_accepted, server->front);
        if (rc < 0)
            return fail(error, EXIT_OPEN, listens->at[i], rc);
        server->listener_count++;
        cv_log(&server->loop.log, CV_LOG_INFO, "front door at %s%s",
               cv_listener_address(server->listeners[i]), server->tls ? ", TLS" : "");
    }
    return EXIT_OK;
}

static int open_forwards(struct server *server, struct cv_config_error *error)
{
    const struct cv_forwards *rules = &server->config->forwards;

    server->forwards = calloc(rules->count + 1, sizeof(struct forward));
    if (!server->forwards)
        return fail(error, EXIT_RUNTIME, "forwards", UV_ENOMEM);
    for (size_t i = 0; i < rules->count; i++) {
        int rc = forward_open(&server->forwards[i], server, &rules->at[i]);

        if (rc < 0)
            return fail(error, EXIT_OPEN, rules->at[i].listen, rc);
        server->forward_count++;
        cv_log(&server->loop.log, CV_LOG_INFO, "forward %s to %s/%s/%s",
               cv_listener_address(server->forwards[i].listener), rules->at[i].client,
               cv_proto_name(rules->at[i].proto), rules->at[i].address);
    }
    return EXIT_OK;
}

static int open_loop(struct server *server, struct cv_config_error *error)
{
    const struct cv_server_config *config = server->config;
    struct cv_manager_limits limits = {.max_sessions = (uint32_t)config->limits.max_sessions,
                                       .max_announced = CV_MAX_ANNOUNCED};
    struct cv_log log;
    int rc;

    cv_log_stderr(&log, config->common.log_level, config->common.log_format == CV_LOG_JSON);
    rc = cv_loop_init(&server->loop, &log);
    if (rc < 0)
        return fail(error, EXIT_RUNTIME, "event loop", rc);
    rc = process_watch_signals(&server->signals, &server->loop, on_signal, server);
    if (rc == 0)
        rc = cv_manager_new(&server->manager, &server->loop.alloc, &limits);
    if (rc < 0)
        return fail(error, EXIT_RUNTIME, "start", rc);
    uv_timer_init(&server->loop.uv, &server->drain_timer);
    server->drain_timer.data = server;
    return EXIT_OK;
}

int server_start(struct server *server, const struct cv_server_config *config,
                 struct cv_config_error *error)
{
    int code;

    server->config = config;
    server->budget.limit = (size_t)config->limits.buffer_budget;
    cv_list_init(&server->guests);
    code = open_loop(server, error);
    if (code == EXIT_OK && config->token_file &&
        cv_credentials_load(&server->credentials, &server->loop.alloc, PROGRAM, config->token_file,
                            error) < 0)
        code = EXIT_USAGE;
    if (code == EXIT_OK)
        code = open_tls(server, error);
    if (code == EXIT_OK)
        code = open_front(server, error);
    if (code == EXIT_OK)
        code = open_forwards(server, error);
    if (code == EXIT_OK)
        code = advertise_open(&server->advertise, &server->loop, config, server->listeners, error);
    if (code == EXIT_OK && config->insecure_no_auth)
        cv_log(&server->loop.log, CV_LOG_WARN,
               "--insecure-no-auth: anyone may come in as any client");
    return code;
}

static void clear(struct server *server)
{
    process_unwatch_signals(&server->signals);
    uv_close((uv_handle_t *)&server->drain_timer, NULL);
    cv_manager_free(server->manager);
    cv_credentials_free(server->credentials);
    cv_tls_free(server->tls);
    free(server->listeners);
    free(server->forwards);
}

int server_run(struct server *server)
{
    int rc;

    uv_run(&server->loop.uv, UV_RUN_DEFAULT);
    clear(server);
    uv_run(&server->loop.uv, UV_RUN_DEFAULT);
    rc = cv_loop_deinit(&server->loop);
    if (rc < 0)
        fprintf(stderr, PROGRAM ": at the end: %s\n", cv_strerror(rc));
    return server->gone ? EXIT_OK : EXIT_RUNTIME;
}
