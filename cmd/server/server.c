#include "server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "net/log.h"
#include "net/timer.h"
#include "report.h"

static const struct cv_log *log_of(const struct server *server)
{
    return &server->workers[0].loop.log;
}

/* What workers ask of the server. */

bool server_enter(struct server *server)
{
    if (atomic_fetch_add(&server->conns, 1) < server->config->limits.max_conns)
        return true;
    atomic_fetch_sub(&server->conns, 1);
    return false;
}

void server_leave(struct server *server)
{
    atomic_fetch_sub(&server->conns, 1);
}

int server_find(struct server *server, const char *key, enum cv_balance balance, uint64_t but)
{
    int worker;

    if (server->worker_count == 1)
        return but & 1 ? CV_ENOSESSION : 0;
    uv_mutex_lock(&server->lock);
    worker = cv_homes_find(server->homes, key, balance, but);
    uv_mutex_unlock(&server->lock);
    return worker;
}

/* A client, or a peer, came back at another worker. */
struct return_notice {
    struct cv_mail mail;
    enum cv_member_kind kind;
    char key[CV_KEY_MAX + 1];
};

static void on_return(struct cv_mail *mail, void *ctx, bool lost)
{
    struct return_notice *notice = cv_container_of(mail, struct return_notice, mail);

    if (!lost)
        guests_probe(ctx, notice->kind, notice->key);
    free(notice);
}

/* One that is not told finds out by its own keep-alive. */
static void tell_of_return(struct worker *worker, enum cv_member_kind kind, const char *key)
{
    struct return_notice *notice = calloc(1, sizeof(*notice));

    if (!notice)
        return;
    notice->mail.deliver = on_return;
    notice->kind = kind;
    snprintf(notice->key, sizeof(notice->key), "%s", key);
    cv_mailbox_post(&worker->mailbox, &notice->mail);
}

/* Under the lock. */
static int put(struct worker *worker, const char *key, uint64_t *others)
{
    struct cv_home home = cv_manager_home(worker->manager, key, cv_loop_now(&worker->loop));

    return cv_homes_put(worker->server->homes, key, worker->index, &home, others);
}

int server_found(struct worker *worker, const char *key, bool joined)
{
    struct server *server = worker->server;
    uint64_t others = 0;
    int rc;

    if (server->worker_count == 1)
        return 0;
    uv_mutex_lock(&server->lock);
    rc = put(worker, key, &others);
    uv_mutex_unlock(&server->lock);
    for (unsigned i = 0; joined && i < server->worker_count; i++)
        if (others & (UINT64_C(1) << i))
            tell_of_return(&server->workers[i], CV_MEMBER_AGENT, key);
    return rc;
}

/* A session that is there has its place in the table: nothing can fail. */
static void tell_load(struct worker *worker, const char *key, bool arrived)
{
    struct server *server = worker->server;
    uint64_t others;

    uv_mutex_lock(&server->lock);
    if (arrived)
        cv_homes_arrived(server->homes, key, worker->index);
    (void)!put(worker, key, &others);
    uv_mutex_unlock(&server->lock);
}

void server_settled(struct worker *worker, const char *key, enum cv_balance balance)
{
    if (worker->server->worker_count > 1 && balance != CV_BALANCE_NEWEST)
        tell_load(worker, key, true);
}

void server_lighter(struct worker *worker, const char *key, enum cv_balance balance)
{
    if (worker->server->worker_count > 1 && balance == CV_BALANCE_LEAST_CONNS)
        tell_load(worker, key, false);
}

void server_found_peer(struct worker *worker, const char *key)
{
    struct server *server = worker->server;

    for (unsigned i = 0; i < server->worker_count; i++)
        if (i != worker->index)
            tell_of_return(&server->workers[i], CV_MEMBER_PEER, key);
}

/* Reloading. */

static void on_files_changed(void *ctx)
{
    reload_changed_files(ctx);
}

/* Without it SIGHUP is still there. */
static void watch_files(struct server *server)
{
    const struct cv_server_config *config = server->config;
    const char *files[] = {config->token_file, config->tls_cert, config->tls_key,
                           config->tls_client_ca, config->peers_file};
    int rc = cv_changes_new(&server->changes, &server->workers[0].loop, files,
                            sizeof(files) / sizeof(files[0]), on_files_changed, server);

    if (rc < 0)
        cv_log(log_of(server), CV_LOG_WARN, "changes of files are not noticed: %s",
               cv_strerror(rc));
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;

    if (number == SIGHUP) {
        service_reloading(server->service);
        reload_all(server);
        service_ready(server->service);
    } else {
        server_drain(server, true);
    }
}

/* Starting. */

int server_fail(struct cv_config_error *error, int code, const char *what, int rc)
{
    snprintf(error->line, sizeof(error->line), PROGRAM ": %s: %s", what, cv_strerror(rc));
    return code;
}

static int open_tls(struct server *server, struct cv_config_error *error)
{
    const struct cv_server_config *config = server->config;
    struct cv_tls_files files = {
        .cert = config->tls_cert, .key = config->tls_key, .client_ca = config->tls_client_ca};
    char text[300];

    if (!config->tls_cert)
        return EXIT_OK;
    if (cv_tls_new(&server->tls, &files, text, sizeof(text)) == 0)
        return EXIT_OK;
    snprintf(error->line, sizeof(error->line), PROGRAM ": %s", text);
    return EXIT_USAGE;
}

/* The workers' loops, and what belongs to the main one. */
static int init_workers(struct server *server, struct cv_config_error *error)
{
    const struct cv_server_config *config = server->config;
    struct worker *first;
    struct cv_log log;
    int code = EXIT_OK, rc;

    cv_log_open(&log, &server->log_out, config->common.program->name, config->common.log_level,
                config->common.log_format == CV_LOG_JSON);
    server->worker_count = (unsigned)config->threads;
    server->workers = calloc(server->worker_count, sizeof(struct worker));
    if (!server->workers)
        return server_fail(error, EXIT_RUNTIME, "start", UV_ENOMEM);
    for (unsigned i = 0; i < server->worker_count && code == EXIT_OK; i++)
        code = worker_init(&server->workers[i], server, i, &log, error);
    if (code != EXIT_OK)
        return code;
    first = &server->workers[0];
    rc = process_watch_signals(&server->signals, &first->loop, on_signal, server);
    if (rc == 0)
        rc = uv_mutex_init(&server->lock);
    if (rc == 0)
        rc = cv_homes_new(&server->homes, &first->loop.alloc);
    if (rc == 0)
        rc =
            cv_admission_new(&server->admission, &first->loop.alloc,
                             config->limits.max_conns_per_address, config->limits.rate_per_address);
    if (rc == 0)
        rc = cv_quota_new(&server->quota, &first->loop.alloc);
    if (rc == 0)
        rc = publish_new(&server->publish, server);
    if (rc == 0)
        rc = rules_new(&server->rules, config);
    if (rc == 0)
        rc = report_open(server);
    if (rc < 0)
        return server_fail(error, EXIT_RUNTIME, "start", rc);
    uv_timer_init(first->loop.uv, &server->drain_timer);
    server->drain_timer.data = server;
    return EXIT_OK;
}

static int read_credentials(struct server *server, struct cv_config_error *error)
{
    if (!server->config->token_file)
        return EXIT_OK;
    for (unsigned i = 0; i < server->worker_count; i++)
        if (reload_read_credentials(&server->workers[i], &server->workers[i].credentials, error) <
            0)
            return EXIT_USAGE;
    return EXIT_OK;
}

static int open_workers(struct server *server, struct cv_config_error *error)
{
    int code = EXIT_OK;

    for (unsigned i = 0; i < server->worker_count && code == EXIT_OK; i++)
        code = worker_open(&server->workers[i], error);
    if (code == EXIT_OK)
        code = advertise_open(&server->advertise, &server->page, &server->workers[0].loop,
                              server->config, server->workers[0].listeners, error);
    if (code == EXIT_OK)
        code = admin_open(&server->admin, server, error);
    return code;
}

static int start_threads(struct server *server, struct cv_config_error *error)
{
    for (unsigned i = 1; i < server->worker_count; i++) {
        int rc = worker_start(&server->workers[i]);

        if (rc < 0)
            return server_fail(error, EXIT_RUNTIME, "threads", rc);
        server->running++;
    }
    if (server->running == 0)
        cv_mailbox_unref(&server->workers[0].mailbox);
    return EXIT_OK;
}

static int take_passed(struct server *server, struct cv_config_error *error)
{
    struct cv_loop *loop = &server->workers[0].loop;
    int rc = service_passed(&loop->passed, &loop->alloc);

    return rc < 0 ? server_fail(error, EXIT_OPEN, "LISTEN_FDS", rc) : EXIT_OK;
}

/* Whatever listens later binds by itself. */
static void close_passed(struct server *server)
{
    cv_passed_close(server->workers[0].loop.passed, log_of(server));
    server->workers[0].loop.passed = NULL;
}

int server_start(struct server *server, const struct cv_server_config *config,
                 struct cv_config_error *error)
{
    int code;

    server->config = config;
    server->budget.limit = (size_t)config->limits.buffer_budget;
    code = init_workers(server, error);
    if (code == EXIT_OK)
        code = take_passed(server, error);
    if (code == EXIT_OK)
        code = read_credentials(server, error);
    if (code == EXIT_OK)
        code = open_tls(server, error);
    if (code == EXIT_OK)
        code = open_workers(server, error);
    if (code == EXIT_OK)
        code = rooms_open(&server->rooms, &server->workers[0].loop, config, error);
    if (code == EXIT_OK)
        code = peering_open(&server->peering, server, error);
    if (code == EXIT_OK)
        code = directory_open(&server->directory, server, error);
    if (code == EXIT_OK) {
        close_passed(server);
        watch_files(server);
        code = start_threads(server, error);
    }
    if (code == EXIT_OK && config->insecure_no_auth)
        cv_log(log_of(server), CV_LOG_WARN, "--insecure-no-auth: anyone may come in as any client");
    return code;
}

/* Ends what is left; no thread but this one runs any more. */
static void clear(struct server *server)
{
    process_unwatch_signals(&server->signals);
    cv_changes_free(server->changes);
    uv_close((uv_handle_t *)&server->drain_timer, NULL);
    cv_timer_free(server->again);
    service_free(server->service);
    rooms_free(server->rooms);
    publish_close(server->publish);
    peering_free(server->peering);
    directory_free(server->directory);
    admin_stop(server->admin);
    for (unsigned i = 0; i < server->worker_count; i++) {
        int rc = worker_deinit(&server->workers[i]);

        if (rc < 0)
            fprintf(stderr, PROGRAM ": at the end: %s\n", cv_strerror(rc));
    }
    cv_admission_free(server->admission);
    cv_quota_free(server->quota);
    rules_release(server->rules);
    admin_free(server->admin);
    publish_free(server->publish);
    cv_homes_free(server->homes);
    uv_mutex_destroy(&server->lock);
    cv_tls_free(server->tls);
    cv_log_close(&server->log_out);
    free(server->workers);
}

int server_run(struct server *server)
{
    service_ready(server->service);
    uv_run(server->workers[0].loop.uv, UV_RUN_DEFAULT);
    for (unsigned i = 1; i < server->worker_count; i++)
        uv_thread_join(&server->workers[i].thread);
    clear(server);
    return atomic_load(&server->gone) ? EXIT_OK : EXIT_RUNTIME;
}
