#include "directory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "culvert_version.h"
#include "directory_parts.h"
#include "net/digest.h"
#include "net/log.h"

#define SWEEP CV_SEC /* how often links are looked at, and our load is told */

static const struct cv_log *log_of(const struct directory *directory)
{
    return &directory->worker->loop.log;
}

/* Talking to Redis. */

/* The same cause is said once. */
static void say(struct directory *directory, enum cv_log_level level, char *last, size_t size,
                const char *what, const char *why)
{
    if (strncmp(last, why, size - 1) == 0)
        return;
    snprintf(last, size, "%s", why);
    cv_log(log_of(directory), level, "directory %s: %s%s",
           directory->server->config->directory.redis.text, what, why);
}

static void say_trouble(struct directory *directory)
{
    const char *trouble = cv_directory_trouble(directory->core);

    if (trouble[0])
        say(directory, CV_LOG_ERROR, directory->trouble, sizeof(directory->trouble),
            "Redis refuses what it is asked: ", trouble);
    else if (directory->trouble[0] && cv_directory_is_up(directory->core))
        say(directory, CV_LOG_INFO, directory->trouble, sizeof(directory->trouble),
            "Redis takes everything again", "");
}

static void send_all(struct directory *directory)
{
    uint64_t now = cv_loop_now(&directory->worker->loop);
    struct cv_command command;

    while (cv_directory_next(directory->core, now, &command))
        cv_redis_send(directory->commands, command.argc, command.argv);
    while (cv_directory_watch_next(directory->core, &command))
        cv_redis_send(directory->watch, command.argc, command.argv);
    cv_redis_flush(directory->commands);
    cv_redis_flush(directory->watch);
}

void directory_pump(struct directory *directory)
{
    struct cv_directory_waiter *waiter;
    uint64_t now = cv_loop_now(&directory->worker->loop);

    if (!directory->commands)
        return;
    if (directory->pumping) {
        cv_turn_add(&directory->worker->loop.turn, &directory->turn);
        return;
    }
    directory->pumping = true;
    cv_directory_tick(directory->core, now);
    send_all(directory);
    while ((waiter = cv_directory_woken(directory->core)))
        directory_woken(waiter);
    say_trouble(directory);
    directory->pumping = false;
    cv_timer_at(directory->timer, cv_directory_deadline(directory->core, now));
    cv_timer_unref(directory->timer);
}

static void on_turn(struct cv_turn_job *job)
{
    directory_pump(cv_container_of(job, struct directory, turn));
}

static void pump_soon(struct directory *directory)
{
    cv_turn_add(&directory->worker->loop.turn, &directory->turn);
}

static void on_timer(void *ctx)
{
    directory_pump(ctx);
}

static void on_up(void *ctx)
{
    struct directory *directory = ctx;

    cv_log(log_of(directory), CV_LOG_INFO, "directory %s: up",
           directory->server->config->directory.redis.text);
    directory->why[0] = '\0';
    directory->was_up = true;
    cv_directory_up(directory->core, cv_loop_now(&directory->worker->loop));
    pump_soon(directory);
}

static void on_down(void *ctx, const char *why)
{
    struct directory *directory = ctx;
    uint64_t now = cv_loop_now(&directory->worker->loop);

    if (cv_directory_is_up(directory->core))
        directory->down_since = now;
    cv_directory_down(directory->core, now);
    say(directory, CV_LOG_WARN, directory->why, sizeof(directory->why),
        "down: cached routes serve, new ones wait: ", why);
    pump_soon(directory);
}

static int on_reply(void *ctx, const struct cv_reply *reply)
{
    struct directory *directory = ctx;

    pump_soon(directory);
    return cv_directory_reply(directory->core, reply, cv_loop_now(&directory->worker->loop));
}

static void on_watch_up(void *ctx)
{
    struct directory *directory = ctx;

    directory->watch_why[0] = '\0';
    cv_directory_watch_up(directory->core);
    pump_soon(directory);
}

static void on_watch_down(void *ctx, const char *why)
{
    struct directory *directory = ctx;

    cv_directory_watch_down(directory->core);
    if (cv_directory_is_up(directory->core)) /* else that was said */
        say(directory, CV_LOG_WARN, directory->watch_why, sizeof(directory->watch_why),
            "changes are not heard: ", why);
    pump_soon(directory);
}

static int on_heard(void *ctx, const struct cv_reply *reply)
{
    struct directory *directory = ctx;

    pump_soon(directory);
    return cv_directory_heard(directory->core, reply);
}

static void sweep(void *ctx)
{
    struct directory *directory = ctx;

    links_sweep(&directory->links);
    cv_directory_load(directory->core, atomic_load(&directory->server->agents));
    cv_timer_set(directory->sweeping, SWEEP);
    cv_timer_unref(directory->sweeping);
}

/* What workers tell. */

enum notice_kind { NOTICE_JOINED, NOTICE_PARTED, NOTICE_DENIED };

struct directory_notice {
    struct cv_mail mail;
    enum notice_kind kind;
    int64_t session_key;
    uint64_t since;
    char key[CV_KEY_MAX + 1];
};

static void take_notice(struct directory *directory, const struct directory_notice *notice)
{
    int rc = 0;

    switch (notice->kind) {
    case NOTICE_JOINED:
        rc = cv_directory_joined(directory->core, notice->key, notice->session_key, notice->since);
        break;
    case NOTICE_PARTED:
        cv_directory_left(directory->core, notice->key, notice->session_key);
        break;
    case NOTICE_DENIED:
        cv_directory_denied(directory->core, notice->key);
        break;
    }
    if (rc < 0)
        cv_log_about(log_of(directory), CV_LOG_ERROR, &(struct cv_log_about){.client = notice->key},
                     "client %s: the directory does not hear of it: %s", notice->key,
                     cv_strerror(rc));
    pump_soon(directory);
}

static void on_notice(struct cv_mail *mail, void *ctx, bool lost)
{
    struct directory_notice *notice = cv_container_of(mail, struct directory_notice, mail);
    struct worker *first = ctx;

    if (!lost)
        take_notice(first->server->directory, notice);
    free(notice);
}

static struct directory_notice *make_notice(enum notice_kind kind, const char *key,
                                            int64_t session_key)
{
    struct directory_notice *notice = calloc(1, sizeof(*notice));

    if (!notice)
        return NULL;
    notice->mail.deliver = on_notice;
    notice->kind = kind;
    notice->session_key = session_key;
    notice->since = cv_wall_clock_msec();
    snprintf(notice->key, sizeof(notice->key), "%s", key);
    return notice;
}

static void post(struct worker *worker, struct directory_notice *notice)
{
    cv_mailbox_post(&worker->server->workers[0].mailbox, &notice->mail);
}

int directory_joined(struct worker *worker, const char *key, int64_t session_key,
                     struct directory_notice **unlisting)
{
    struct directory_notice *notice;

    *unlisting = NULL;
    if (!worker->server->directory)
        return 0;
    notice = make_notice(NOTICE_JOINED, key, session_key);
    if (notice)
        *unlisting = make_notice(NOTICE_PARTED, key, session_key);
    if (!*unlisting) {
        free(notice);
        return -ENOMEM;
    }
    post(worker, notice);
    return 0;
}

void directory_parted(struct worker *worker, struct directory_notice *unlisting)
{
    if (unlisting)
        post(worker, unlisting);
}

void directory_denied(struct worker *worker, const char *key)
{
    struct directory_notice *notice =
        worker->server->directory ? make_notice(NOTICE_DENIED, key, 0) : NULL;

    if (notice)
        post(worker, notice);
}

bool directory_knows(const struct directory *directory, const uint8_t *digest)
{
    return directory && memcmp(directory->digest, digest, CV_TOKEN_DIGEST) == 0;
}

/* Opening and closing. */

static struct cv_redis_config redis_config(const struct directory *directory)
{
    const struct cv_directory_options *options = &directory->server->config->directory;

    return (struct cv_redis_config){.path = options->redis.path,
                                    .host = options->redis.host,
                                    .port = options->redis.port,
                                    .tls = options->redis.tls,
                                    .ca_file = options->ca,
                                    .database = options->redis.database,
                                    .user = options->user,
                                    .password = options->password,
                                    .up = on_up,
                                    .down = on_down,
                                    .reply = on_reply,
                                    .ctx = (void *)directory};
}

static int connect_both(struct directory *directory)
{
    struct cv_loop *loop = &directory->worker->loop;
    struct cv_redis_config config = redis_config(directory);
    int rc = cv_redis_new(&directory->commands, loop, directory->outbound, &config);

    config.subscribes = true;
    config.up = on_watch_up;
    config.down = on_watch_down;
    config.reply = on_heard;
    return rc < 0 ? rc : cv_redis_new(&directory->watch, loop, directory->outbound, &config);
}

static int open_core(struct directory *directory)
{
    const struct cv_server_config *config = directory->server->config;
    struct cv_loop *loop = &directory->worker->loop;
    const struct cv_directory_config core = {.id = config->peer_id,
                                             .url = config->directory.url.at[0].text,
                                             .version = CULVERT_VERSION,
                                             .incarnation = cv_random_u64(&loop->random)};
    const char *token = config->directory.peer_token;
    int rc = cv_directory_new(&directory->core, &loop->alloc, &loop->random, &core);

    if (rc == 0)
        rc = cv_sha256(directory->digest, token, strlen(token));
    if (rc == 0)
        rc = cv_outbound_new(&directory->outbound, loop);
    if (rc == 0)
        rc = cv_timer_new(&directory->timer, loop, on_timer, directory);
    if (rc == 0)
        rc = cv_timer_new(&directory->sweeping, loop, sweep, directory);
    return rc == 0 ? connect_both(directory) : rc;
}

int directory_open(struct directory **out, struct server *server, struct cv_config_error *error)
{
    const struct cv_server_config *config = server->config;
    struct directory *directory;
    int rc;

    if (!config->directory.redis.text)
        return EXIT_OK;
    directory = calloc(1, sizeof(*directory));
    if (!directory)
        return server_fail(error, EXIT_RUNTIME, "directory", -ENOMEM);
    directory->server = server;
    directory->worker = &server->workers[0];
    directory->down_since = cv_loop_now(&directory->worker->loop);
    cv_list_init(&directory->searches);
    cv_list_init(&directory->links.list);
    cv_turn_job_init(&directory->turn, on_turn);
    *out = directory;
    rc = open_core(directory);
    if (rc < 0)
        return server_fail(error, EXIT_RUNTIME, "directory", rc);
    directory->links.worker = directory->worker;
    directory->links.outbound = directory->outbound;
    directory->links.token =
        (struct cv_ws_header){"X-API-Tunnel-Token", config->directory.peer_token};
    directory->links.idle = config->directory.link_idle;
    sweep(directory);
    return EXIT_OK;
}

void directory_close(struct directory *directory)
{
    if (!directory || !directory->commands)
        return;
    cv_directory_leave(directory->core);
    send_all(directory);
    cv_redis_free(directory->commands);
    cv_redis_free(directory->watch);
    directory->commands = directory->watch = NULL;
    cv_turn_cancel(&directory->turn);
    cv_timer_stop(directory->timer);
    cv_timer_stop(directory->sweeping);
    directory_end_searches(directory);
    links_close(&directory->links);
}

void directory_free(struct directory *directory)
{
    if (!directory)
        return;
    cv_redis_free(directory->commands);
    cv_redis_free(directory->watch);
    cv_timer_free(directory->timer);
    cv_timer_free(directory->sweeping);
    cv_outbound_free(directory->outbound);
    cv_directory_free(directory->core);
    free(directory);
}

/* For operators. */

bool directory_info(const struct directory *directory, struct directory_info *info)
{
    if (!directory)
        return false;
    *info = (struct directory_info){.url = directory->server->config->directory.redis.text,
                                    .up = cv_directory_is_up(directory->core),
                                    .was_up = directory->was_up,
                                    .links = links_count(&directory->links),
                                    .core = directory->core};
    info->why = info->up ? cv_directory_trouble(directory->core) : directory->why;
    if (!info->up)
        info->down_for = cv_loop_now(&directory->worker->loop) - directory->down_since;
    return true;
}

const char *directory_link_state(const struct directory *directory, const char *id)
{
    return links_state(&directory->links, id);
}
