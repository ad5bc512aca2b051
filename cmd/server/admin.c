#include "admin.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/seen.h"
#include "config/file.h"
#include "culvert_version.h"
#include "http/admin.h"
#include "listed.h"
#include "live.h"
#include "net/log.h"
#include "net/timer.h"
#include "server.h"
#include "totals.h"
#include "visit.h"

#define EVENTS_MAX  256
#define ANSWER_TIME (100 * CV_MSEC) /* for an answer to go out */

struct event {
    int64_t at; /* seconds since 1970 */
    uint64_t number;
    char kind[16];
    char client[CV_KEY_MAX + 1];
    char text[128];
};

struct admin {
    struct server *server; /* borrowed */
    struct cv_admin *http;
    struct cv_credentials *credentials; /* NULL: everyone on this machine */
    struct cv_timer *drain;             /* rings when that was asked for */
    uint64_t began;
    bool closed;
    uv_mutex_t lock; /* of the events */
    struct event events[EVENTS_MAX];
    uint64_t event_count; /* ever */
    struct cv_seen *seen; /* clients; under the lock too, and so is what comes of it */
    uint64_t reconnects;
    struct live *live;
};

/* A question of an operator's to all workers. */

struct question {
    struct ask ask;
    struct admin *admin; /* borrowed; the main thread outlives all questions */
    uint64_t id;         /* of the request */
    enum { ASK_LIST, ASK_KICK, ASK_CUT } what;
    enum cv_admin_list list;
    char key[CV_KEY_MAX + 1]; /* of ASK_KICK */
    uint64_t visit;           /* of ASK_CUT */
    json_t *array;            /* owned */
    struct part {
        json_t *array; /* owned; or NULL */
        struct totals totals;
        unsigned found;
    } parts[];
};

static void list_part(struct part *part, enum cv_admin_list list, struct worker *worker)
{
    if (list == CV_ADMIN_CLIENTS)
        part->array = listed_clients(worker);
    else if (list == CV_ADMIN_CONNS)
        part->array = listed_conns(worker);
    else if (list == CV_ADMIN_PEERS)
        part->array = listed_peers(worker);
    else
        totals_add(&part->totals, worker);
    if (list == CV_ADMIN_METRICS) /* which tell of peers too */
        part->array = listed_peers(worker);
}

static void work_out(struct ask *ask, struct worker *worker)
{
    struct question *question = cv_container_of(ask, struct question, ask);
    struct part *part = &question->parts[worker->index];

    switch (question->what) {
    case ASK_KICK:
        part->found = guests_kick(worker, question->key);
        return;
    case ASK_CUT:
        part->found = visit_cut(worker, question->visit);
        return;
    case ASK_LIST:
        list_part(part, question->list, worker);
        return;
    }
}

static void answer_json(struct admin *admin, uint64_t id, enum cv_admin_list list, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;

    if (text)
        cv_admin_answer(admin->http, id, list, text, strlen(text));
    else
        cv_admin_answer(admin->http, id, list, "null", 4);
    free(text);
    json_decref(json);
}

static void answer_metrics(struct admin *admin, uint64_t id, const struct totals *totals,
                           const json_t *peers)
{
    uint64_t reconnects;
    size_t len = 0;
    char *text;

    uv_mutex_lock(&admin->lock);
    reconnects = admin->reconnects;
    uv_mutex_unlock(&admin->lock);
    text = totals_write(totals, admin->server, peers, reconnects, &len);
    cv_admin_answer(admin->http, id, CV_ADMIN_METRICS, text ? text : "", len);
    free(text);
}

static void answer(struct question *question, const struct totals *totals, unsigned found)
{
    struct admin *admin = question->admin;

    if (question->what != ASK_LIST)
        cv_admin_done(admin->http, question->id, found);
    else if (question->list == CV_ADMIN_METRICS)
        answer_metrics(admin, question->id, totals, question->array);
    else if (question->list == CV_ADMIN_STATUS)
        answer_json(admin, question->id, question->list, admin_status(admin, totals));
    else
        answer_json(admin, question->id, question->list, json_incref(question->array));
}

static void on_answered(struct ask *ask)
{
    struct question *question = cv_container_of(ask, struct question, ask);
    struct totals totals = {.conns = 0};
    unsigned found = 0;

    for (unsigned i = 0; i < ask->server->worker_count; i++) {
        struct part *part = &question->parts[i];

        found += part->found;
        totals_merge(&totals, &part->totals);
        if (part->array)
            json_array_extend(question->array, part->array);
        json_decref(part->array);
    }
    if (!question->admin->closed)
        answer(question, &totals, found);
    json_decref(question->array);
    free(question);
}

static struct question *question_new(struct admin *admin, uint64_t id)
{
    unsigned workers = admin->server->worker_count;
    struct question *question = calloc(1, sizeof(*question) + workers * sizeof(question->parts[0]));

    if (!question)
        return NULL;
    question->ask.part = work_out;
    question->ask.done = on_answered;
    question->admin = admin;
    question->id = id;
    question->array = json_array();
    return question;
}

/* What the main thread knows by itself. */

static json_t *addresses(const struct worker *worker)
{
    json_t *array = json_array();

    for (size_t i = 0; i < worker->listener_count; i++)
        json_array_append_new(array, json_string(cv_listener_address(worker->listeners[i])));
    return array;
}

json_t *admin_status(const struct admin *admin, const struct totals *totals)
{
    const struct server *server = admin->server;

    return json_pack(
        "{s:s, s:s, s:s, s:f, s:i, s:o, s:b, s:s?, s:I, s:I, s:I, s:I, s:I, s:b}", "name", PROGRAM,
        "version", CULVERT_VERSION, "commit", CULVERT_COMMIT, "uptime_seconds",
        (double)(cv_loop_now(&server->workers[0].loop) - admin->began) / 1e6, "threads",
        (int)server->worker_count, "listen", addresses(&server->workers[0]), "tls",
        server->tls != NULL, "peer_id", server->config->peer_id, "sessions",
        (json_int_t)atomic_load(&server->sessions), "conns",
        (json_int_t)atomic_load(&server->conns), "bytes_in", (json_int_t)totals->stats.bytes_in,
        "bytes_out", (json_int_t)totals->stats.bytes_out, "queue_bytes",
        (json_int_t)atomic_load(&server->budget.used), "draining",
        (int)atomic_load(&server->draining));
}

json_t *admin_events(struct admin *admin, uint64_t *seen)
{
    json_t *array = json_array();
    uint64_t from = *seen;

    uv_mutex_lock(&admin->lock);
    if (admin->event_count - from > EVENTS_MAX)
        from = admin->event_count - EVENTS_MAX;
    *seen = admin->event_count;
    for (uint64_t i = from; i < admin->event_count; i++) {
        const struct event *event = &admin->events[i % EVENTS_MAX];

        listed_append(array,
                      json_pack("{s:I, s:I, s:s, s:s, s:s}", "number", (json_int_t)event->number,
                                "time", (json_int_t)event->at, "kind", event->kind, "client",
                                event->client, "text", event->text));
    }
    uv_mutex_unlock(&admin->lock);
    return array;
}

/* A list that needs no other thread; NULL when it does. */
static json_t *list_here(struct admin *admin, enum cv_admin_list list)
{
    switch ((int)list) {
    case CV_ADMIN_FORWARDS:
        return listed_forwards(admin->server);
    case CV_ADMIN_ROUTES:
        return listed_routes(admin->server);
    case CV_ADMIN_EVENTS:
        return admin_events(admin, &(uint64_t){0});
    case CV_ADMIN_DIRECTORY:
        return listed_directory(admin->server);
    case CV_ADMIN_ROOMS:
        return rooms_list(admin->server->rooms);
    default:
        return NULL;
    }
}

static void on_list(void *ctx, uint64_t id, enum cv_admin_list list)
{
    struct admin *admin = ctx;
    json_t *here = list_here(admin, list);
    struct question *question;

    if (here) {
        answer_json(admin, id, list, here);
        return;
    }
    question = question_new(admin, id);
    if (!question) {
        answer_json(admin, id, list, NULL);
        return;
    }
    question->what = ASK_LIST;
    question->list = list;
    ask_all(&question->ask, question->admin->server);
}

static void on_kick(void *ctx, uint64_t id, const char *key)
{
    struct question *question = question_new(ctx, id);

    if (!question) {
        cv_admin_done(((struct admin *)ctx)->http, id, 0);
        return;
    }
    question->what = ASK_KICK;
    snprintf(question->key, sizeof(question->key), "%s", key);
    ask_all(&question->ask, question->admin->server);
}

static void on_cut(void *ctx, uint64_t id, uint64_t conn)
{
    struct question *question = question_new(ctx, id);

    if (!question) {
        cv_admin_done(((struct admin *)ctx)->http, id, 0);
        return;
    }
    question->what = ASK_CUT;
    question->visit = conn;
    ask_all(&question->ask, question->admin->server);
}

static void on_watched(void *ctx, uint64_t id)
{
    live_watched(((struct admin *)ctx)->live, id);
}

static void on_told(void *ctx, uint64_t id)
{
    live_told(((struct admin *)ctx)->live, id);
}

static void on_unwatched(void *ctx, uint64_t id)
{
    live_unwatched(((struct admin *)ctx)->live, id);
}

static void on_drain_due(void *ctx)
{
    server_drain(((struct admin *)ctx)->server, false);
}

/* Not before the answer is out: the listeners may go at once. */
static void on_drain(void *ctx)
{
    struct admin *admin = ctx;

    cv_timer_set(admin->drain, ANSWER_TIME);
}

static bool is_ready(void *ctx, const char **why)
{
    const struct admin *admin = ctx;
    struct directory_info directory;
    bool has = directory_info(admin->server->directory, &directory);

    *why = "draining\n";
    if (atomic_load(&admin->server->draining))
        return false;
    *why = "the directory was not reached yet\n";
    if (has && !directory.was_up)
        return false;
    *why = has && !directory.up ? "ok, but the directory is down: new routes wait\n" : "ok\n";
    return true;
}

static const struct cv_credentials *credentials_now(void *ctx)
{
    return ((struct admin *)ctx)->credentials;
}

void admin_event(struct admin *admin, const char *kind, const char *client, const char *text)
{
    struct event *event;

    if (!admin)
        return;
    uv_mutex_lock(&admin->lock);
    event = &admin->events[admin->event_count % EVENTS_MAX];
    event->number = ++admin->event_count;
    event->at = cv_wall_clock();
    snprintf(event->kind, sizeof(event->kind), "%s", kind);
    snprintf(event->client, sizeof(event->client), "%s", client);
    snprintf(event->text, sizeof(event->text), "%s", text);
    uv_mutex_unlock(&admin->lock);
    live_ring(admin->live);
}

void admin_joined(struct admin *admin, const char *client, const char *peer)
{
    if (!admin)
        return;
    uv_mutex_lock(&admin->lock);
    if (cv_seen_again(admin->seen, client))
        admin->reconnects++;
    uv_mutex_unlock(&admin->lock);
    admin_event(admin, "joined", client, peer);
}

/* Starting and ending. */

static void refused(void *ctx)
{
    const struct admin *admin = ctx;

    admin->server->workers[0].counts.intruders++;
}

static const struct cv_admin_ops ops = {
    .list = on_list,
    .kick = on_kick,
    .cut = on_cut,
    .drain = on_drain,
    .watched = on_watched,
    .told = on_told,
    .unwatched = on_unwatched,
    .refused = refused,
    .ready = is_ready,
};

static int listen_all(struct admin *admin, struct cv_config_error *error)
{
    const struct cv_strings *listens = &admin->server->config->admins;
    struct cv_site *site = cv_admin_site(admin->http);

    for (size_t i = 0; i < listens->count; i++) {
        int rc = cv_site_listen(site, listens->at[i]);

        if (rc < 0)
            return server_fail(error, EXIT_OPEN, listens->at[i], rc);
        cv_log(&admin->server->workers[0].loop.log, CV_LOG_INFO, "admin at %s",
               cv_site_address(site, i));
    }
    return EXIT_OK;
}

static int load(struct admin *admin, struct cv_credentials **out, struct cv_config_error *error)
{
    const char *file = admin->server->config->admin_token_file;

    *out = NULL;
    return file ? cv_credentials_load(out, &admin->server->workers[0].loop.alloc, PROGRAM, file,
                                      error)
                : 0;
}

static int start(struct admin *admin, struct cv_config_error *error)
{
    struct server *server = admin->server;
    struct cv_admin_config config = {.loop = &server->workers[0].loop,
                                     .credentials = credentials_now,
                                     .ops = &ops,
                                     .ctx = admin};
    int rc;

    if (load(admin, &admin->credentials, error) < 0)
        return EXIT_USAGE;
    rc = cv_seen_new(&admin->seen, &config.loop->alloc, cv_random_u64(&config.loop->random));
    if (rc == 0)
        rc = cv_admin_new(&admin->http, &config);
    if (rc == 0)
        rc = live_new(&admin->live, admin, server, admin->http);
    if (rc == 0)
        rc = cv_timer_new(&admin->drain, config.loop, on_drain_due, admin);
    for (unsigned i = 0; rc == 0 && i < server->worker_count; i++)
        rc = worker_pulse(&server->workers[i]);
    return rc < 0 ? server_fail(error, EXIT_RUNTIME, "admin", rc) : listen_all(admin, error);
}

int admin_check(const struct cv_server_config *config, struct cv_config_error *error)
{
    for (size_t i = 0; i < config->admins.count && !config->admin_token_file; i++)
        if (!cv_admin_is_local(config->admins.at[i]))
            return cv_options_refuse(&config->common, "admin",
                                     "others can reach it: needs --admin-token-file",
                                     config->admins.at[i], error);
    return 0;
}

int admin_open(struct admin **out, struct server *server, struct cv_config_error *error)
{
    struct admin *admin;

    if (server->config->admins.count == 0)
        return EXIT_OK;
    admin = calloc(1, sizeof(*admin));
    if (!admin || uv_mutex_init(&admin->lock) < 0) {
        free(admin);
        return server_fail(error, EXIT_RUNTIME, "admin", -ENOMEM);
    }
    admin->server = server;
    admin->began = cv_loop_now(&server->workers[0].loop);
    *out = admin;
    return start(admin, error);
}

void admin_reload(struct admin *admin)
{
    struct cv_config_error error;
    struct cv_credentials *fresh;

    if (!admin || !admin->credentials)
        return;
    if (load(admin, &fresh, &error) < 0) {
        cv_log(&admin->server->workers[0].loop.log, CV_LOG_ERROR, "reload: %s", error.line);
        return;
    }
    cv_credentials_free(admin->credentials);
    admin->credentials = fresh;
    cv_admin_recheck(admin->http);
}

void admin_close(struct admin *admin)
{
    if (!admin || admin->closed)
        return;
    admin->closed = true;
    cv_timer_free(admin->drain);
    live_close(admin->live);
    cv_site_close(cv_admin_site(admin->http));
}

void admin_stop(struct admin *admin)
{
    if (!admin)
        return;
    cv_admin_free(admin->http);
    admin->http = NULL;
}

void admin_free(struct admin *admin)
{
    if (!admin)
        return;
    live_free(admin->live);
    cv_credentials_free(admin->credentials);
    cv_seen_free(admin->seen);
    uv_mutex_destroy(&admin->lock);
    free(admin);
}
