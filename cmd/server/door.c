#include "door.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admit.h"
#include "door/http_text.h"
#include "door/socks.h"
#include "net/log.h"
#include "server.h"
#include "visit.h"

/* What visitors are told. */

static size_t answer_socks(void *ctx, const struct visit_outcome *outcome,
                           char out[VISIT_ANSWER_MAX])
{
    (void)ctx;
    cv_socks_reply_write((uint8_t *)out, cv_failure_socks(outcome->failure));
    return CV_SOCKS_REPLY_LEN;
}

/* A failure of HTTP: its status, and why as a line of text. */
static size_t answer_failure(const struct visit_outcome *outcome, char out[VISIT_ANSWER_MAX])
{
    struct cv_http_text head;
    char line[300];
    size_t len;
    int n;

    snprintf(line, sizeof(line), "%s: %s\n", cv_failure_text(outcome->failure), outcome->text);
    len = strlen(line);
    cv_http_text_init(&head, out, VISIT_ANSWER_MAX, cv_failure_status(outcome->failure));
    cv_http_text_header(&head, "Content-Type", "text/plain; charset=utf-8");
    cv_http_text_header(&head, "X-Content-Type-Options", "nosniff");
    cv_http_text_number(&head, "Content-Length", len);
    cv_http_text_header(&head, "Connection", "close");
    n = cv_http_text_end(&head);
    if (n < 0 || (size_t)n + len > VISIT_ANSWER_MAX)
        return 0;
    memcpy(out + n, line, len);
    return (size_t)n + len;
}

static size_t answer_connect(void *ctx, const struct visit_outcome *outcome,
                             char out[VISIT_ANSWER_MAX])
{
    static const char established[] = "HTTP/1.1 200 Connection established\r\n\r\n";

    (void)ctx;
    if (outcome->failure != CV_FAILURE_NONE)
        return answer_failure(outcome, out);
    memcpy(out, established, sizeof(established) - 1);
    return sizeof(established) - 1;
}

/* The origin of an http URL answers by itself. */
static size_t answer_fetch(void *ctx, const struct visit_outcome *outcome,
                           char out[VISIT_ANSWER_MAX])
{
    (void)ctx;
    return outcome->failure == CV_FAILURE_NONE ? 0 : answer_failure(outcome, out);
}

static const struct visit_way socks_way = {.answer = answer_socks, .hears_first = true};
static const struct visit_way connect_way = {.answer = answer_connect, .hears_first = true};
static const struct visit_way fetch_way = {.answer = answer_fetch};

static void start(const struct door *door, const struct cv_gate_visit *visit,
                  const struct visit_way *way)
{
    visit_start(door->worker, &(struct visit_options){.way = way,
                                                      .door = door->name,
                                                      .peer = visit->peer,
                                                      .client = visit->client,
                                                      .proto = CV_PROTO_TCP,
                                                      .address = visit->address,
                                                      .fd = visit->fd,
                                                      .early = visit->early,
                                                      .early_len = visit->early_len,
                                                      .digest = visit->digest,
                                                      .from = CV_ROUTE_VISITOR,
                                                      .place = VISIT_PLACE_GIVEN});
}

static void visit_socks(void *ctx, const struct cv_gate_visit *visit)
{
    start(ctx, visit, &socks_way);
}

static void visit_http(void *ctx, const struct cv_gate_visit *visit)
{
    start(ctx, visit, visit->silent ? &fetch_way : &connect_way);
}

/* Opening and closing. */

struct kind {
    const char *name;
    const struct cv_gate_protocol *protocol;
    void (*visit)(void *ctx, const struct cv_gate_visit *visit);
};

static const struct kind socks_kind = {"socks", &cv_gate_socks, visit_socks};
static const struct kind http_kind = {"http-proxy", &cv_gate_http, visit_http};

static const struct cv_credentials *credentials_now(void *ctx)
{
    return ((struct door *)ctx)->worker->credentials;
}

static bool may_enter(void *ctx, const char *peer)
{
    return admit_enter(((struct door *)ctx)->worker, peer);
}

static void left(void *ctx, const char *peer)
{
    admit_leave(((struct door *)ctx)->worker, peer);
}

static void refused(void *ctx)
{
    ((struct door *)ctx)->worker->counts.strangers++;
}

static int name_door(struct door *door, const struct kind *kind, const char *listen)
{
    size_t size = strlen(kind->name) + strlen(listen) + 2;

    door->name = malloc(size);
    if (!door->name)
        return -ENOMEM;
    snprintf(door->name, size, "%s %s", kind->name, listen);
    return 0;
}

/* Whoever reaches a door of one client is let through: said like a warning where tokens are
 * otherwise asked for. */
static void log_open(const struct door *door, const struct kind *kind,
                     const struct cv_door_rule *rule)
{
    const struct cv_log *log = &door->worker->loop.log;

    cv_log(log, CV_LOG_INFO, "%s at %s%s%s%s", kind->name, cv_listener_address(door->listener),
           rule->proxy_protocol ? ", PROXY protocol" : "",
           rule->client ? ", without a login, for client " : "", rule->client ? rule->client : "");
}

static void on_admitted(void *ctx, int fd, const char *peer, const char *local)
{
    const struct door *door = ctx;

    (void)local;
    cv_gate_accepted(door->gate, fd, peer);
}

/* Listens beside @first, behind an usher where visitors come by a proxy. */
static int listen_for(struct door *door, const struct cv_door_rule *rule,
                      const struct cv_listener *first)
{
    struct worker *worker = door->worker;
    const struct cv_usher_config usher = {
        .loop = &worker->loop, .name = door->name, .admitted = on_admitted, .ctx = door};
    int rc;

    if (!rule->proxy_protocol)
        return worker_listen(worker, &door->listener, rule->listen, first, cv_gate_accepted,
                             door->gate);
    rc = cv_usher_new(&door->usher, &usher);
    return rc < 0 ? rc
                  : worker_listen(worker, &door->listener, rule->listen, first, cv_usher_accepted,
                                  door->usher);
}

static int open_one(struct worker *worker, const struct kind *kind, const struct cv_door_rule *rule)
{
    const struct worker *first = &worker->server->workers[0];
    size_t index = worker->doors.count++;
    struct door *door = &worker->doors.at[index];
    struct cv_gate_config gate = {.loop = &worker->loop,
                                  .protocol = kind->protocol,
                                  .client = rule->client,
                                  .credentials = credentials_now,
                                  .visit = kind->visit,
                                  .may_enter = may_enter,
                                  .left = left,
                                  .refused = refused,
                                  .ctx = door};
    int rc;

    door->worker = worker;
    rc = name_door(door, kind, rule->listen);
    gate.name = door->name;
    if (rc == 0)
        rc = cv_gate_new(&door->gate, &gate);
    if (rc == 0)
        rc = listen_for(door, rule, worker == first ? NULL : first->doors.at[index].listener);
    if (rc == 0 && worker == first)
        log_open(door, kind, rule);
    return rc;
}

static int open_all(struct worker *worker, const struct kind *kind,
                    const struct cv_door_rules *rules, struct cv_config_error *error)
{
    for (size_t i = 0; i < rules->count; i++) {
        int rc = open_one(worker, kind, &rules->at[i]);

        if (rc < 0)
            return server_fail(error, EXIT_OPEN, rules->at[i].listen, rc);
    }
    return EXIT_OK;
}

int doors_open(struct worker *worker, struct cv_config_error *error)
{
    const struct cv_server_config *config = worker->server->config;
    int code;

    worker->doors.at =
        calloc(config->socks.count + config->http_proxies.count + 1, sizeof(struct door));
    if (!worker->doors.at)
        return server_fail(error, EXIT_RUNTIME, "doors", -ENOMEM);
    code = open_all(worker, &socks_kind, &config->socks, error);
    return code == EXIT_OK ? open_all(worker, &http_kind, &config->http_proxies, error) : code;
}

void doors_close(struct worker *worker)
{
    for (size_t i = 0; i < worker->doors.count; i++) {
        struct door *door = &worker->doors.at[i];

        cv_listener_close(door->listener);
        cv_usher_free(door->usher);
        cv_gate_free(door->gate);
        door->listener = NULL;
        door->usher = NULL;
        door->gate = NULL;
    }
}

void doors_free(struct worker *worker)
{
    for (size_t i = 0; i < worker->doors.count; i++)
        free(worker->doors.at[i].name);
    free(worker->doors.at);
}
