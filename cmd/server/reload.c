#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "config/file.h"
#include "net/log.h"
#include "net/timer.h"
#include "server.h"

/* SIGHUP, and changed files: what is read anew takes the place of what was there without cutting
 * anything that runs; what cannot be read, or makes no sense, leaves the old in force. */

static const struct cv_log *log_of(const struct server *server)
{
    return &server->workers[0].loop.log;
}

/* Credentials. */

int reload_read_credentials(struct worker *worker, struct cv_credentials **out,
                            struct cv_config_error *error)
{
    const struct cv_server_config *config = worker->server->config;

    return cv_credentials_load(out, &worker->loop.alloc, config->common.program->name,
                               config->token_file, error);
}

static void reload_credentials(struct server *server)
{
    for (unsigned i = 0; i < server->worker_count; i++) {
        struct worker *worker = &server->workers[i];
        struct cv_credentials *fresh;
        struct cv_config_error error;

        if (reload_read_credentials(worker, &fresh, &error) < 0) {
            cv_log(log_of(server), CV_LOG_ERROR, "reload: %s", error.line);
            return;
        }
        if (worker_replace_credentials(worker, fresh) < 0) {
            cv_credentials_free(fresh);
            cv_log(log_of(server), CV_LOG_ERROR, "reload: out of memory");
        }
    }
}

/* Files that name secrets: what is watched for changes, too. */
static void reload_files(struct server *server)
{
    char tls_error[300];

    if (server->config->token_file)
        reload_credentials(server);
    admin_reload(server->admin);
    peering_reload(server->peering, server->rules);
    if (server->tls && cv_tls_reload(server->tls, tls_error, sizeof(tls_error)) < 0)
        cv_log(log_of(server), CV_LOG_ERROR, "reload: %s", tls_error);
    rooms_reload(server->rooms);
    publish_recheck(server->publish);
}

static void tell(const struct server *server, const char *what)
{
    admin_event(server->admin, "reload", "", what);
    cv_log(log_of(server), CV_LOG_INFO, "reloaded: %s", what);
}

void reload_changed_files(struct server *server)
{
    reload_files(server);
    tell(server, "credentials and certificates");
}

/* Rules. */

/* What another worker gets: the rules, and a socket beside each listener that the first one opened
 * because of them. */
struct rules_notice {
    struct cv_mail mail;
    struct rules *rules; /* held */
    size_t count;
    int fds[]; /* one a forward; -1: none */
};

static void on_rules(struct cv_mail *mail, void *ctx, bool lost)
{
    struct rules_notice *notice = cv_container_of(mail, struct rules_notice, mail);

    if (lost) {
        for (size_t i = 0; i < notice->count; i++)
            if (notice->fds[i] >= 0)
                close(notice->fds[i]);
        rules_release(notice->rules);
    } else {
        (void)worker_follow(ctx, notice->rules, notice->fds, true);
    }
    free(notice);
}

static void send_rules(struct server *server, struct worker *worker)
{
    size_t count = server->rules->config->forwards.count;
    struct rules_notice *notice = calloc(1, sizeof(*notice) + count * sizeof(notice->fds[0]));

    if (!notice) {
        cv_log(log_of(server), CV_LOG_ERROR, "reload: out of memory: a thread keeps its rules");
        return;
    }
    notice->mail.deliver = on_rules;
    notice->rules = rules_hold(server->rules);
    notice->count = count;
    forwards_beside(&server->workers[0], notice->fds);
    cv_mailbox_post(&worker->mailbox, &notice->mail);
}

/* A port that was closed a moment ago may have a listener of another thread still, which has its
 * mail soon. */
#define AGAIN     (100 * CV_MSEC)
#define TRIES_MAX 20

static void follow_rules(struct server *server)
{
    bool last = server->worker_count == 1 || ++server->tries == TRIES_MAX;
    size_t missing = worker_follow(&server->workers[0], rules_hold(server->rules), NULL, last);

    for (unsigned i = 1; i < server->worker_count; i++)
        send_rules(server, &server->workers[i]);
    if (missing && !last)
        cv_timer_set(server->again, AGAIN);
}

static void on_again(void *ctx)
{
    struct server *server = ctx;

    if (!atomic_load(&server->draining))
        follow_rules(server);
}

static void say_that_it_waits(void *ctx, const struct cv_option *option)
{
    cv_log(log_of(ctx), CV_LOG_WARN, "reload: %s is another now: that takes a restart",
           option->name);
}

/* Whether they were read. */
static bool reload_rules(struct server *server)
{
    struct cv_config_error error;
    struct rules *fresh;

    if (!server->again &&
        cv_timer_new(&server->again, &server->workers[0].loop, on_again, server) < 0) {
        cv_log(log_of(server), CV_LOG_ERROR, "reload: out of memory");
        return false;
    }
    cv_timer_unref(server->again);
    if (rules_read(&fresh, server->config, &error) < 0) {
        cv_log(log_of(server), CV_LOG_ERROR, "reload: %s", error.line);
        return false;
    }
    cv_options_differ(&server->config->common, &fresh->config->common, say_that_it_waits, server);
    rules_release(server->rules);
    server->rules = fresh;
    server->tries = 0;
    follow_rules(server);
    return true;
}

void reload_all(struct server *server)
{
    bool read = !atomic_load(&server->draining) && reload_rules(server);

    reload_files(server);
    tell(server,
         read ? "configuration, credentials and certificates" : "credentials and certificates");
}
