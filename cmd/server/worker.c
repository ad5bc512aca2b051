#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admit.h"
#include "net/address.h"
#include "net/linger.h"
#include "net/log.h"
#include "net/timer.h"
#include "pass.h"
#include "server.h"
#include "visitor.h"
#include "web.h"
#include "ws/ws.h"

#define PULSE (1 * CV_SEC)

#define HELD_SAID_EVERY (60 * CV_SEC)

/* Starting. */

static const struct cv_credentials *credentials_now(void *ctx)
{
    return ((struct worker *)ctx)->credentials;
}

static bool has_room(void *ctx)
{
    const struct server *server = ((struct worker *)ctx)->server;

    return atomic_load(&server->sessions) < server->config->limits.max_sessions;
}

/* Who comes now waits in the kernel's queue, all agents of a server that restarted at once. The
 * listener that goes on first may take all that is allowed then: so it is another one each time. */
static void hold(struct worker *worker, uint64_t time)
{
    uint64_t now = cv_loop_now(&worker->loop);

    worker->counts.held++;
    for (size_t i = 0; i < worker->listener_count; i++) {
        size_t at = (i + worker->counts.held) % worker->listener_count;

        if (worker->listeners[at])
            cv_listener_hold(worker->listeners[at], time);
    }
    if (worker->held_said && now - worker->held_said < HELD_SAID_EVERY)
        return;
    worker->held_said = now;
    cv_log(&worker->loop.log, CV_LOG_WARN,
           "front door: over --max-rate %llu connections a second: they wait",
           (unsigned long long)worker->pace.rate);
}

static bool may_knock(void *ctx, const char *peer)
{
    struct worker *worker = ctx;
    uint64_t wait;

    if (!admit_enter(worker, peer))
        return false;
    wait = cv_pace_take(&worker->pace, cv_loop_now(&worker->loop));
    if (wait)
        hold(worker, wait);
    return true;
}

static void knock_left(void *ctx, const char *peer)
{
    admit_leave(ctx, peer);
}

static void welcome(void *ctx, const struct cv_front_guest *guest)
{
    if (guest->visitor)
        visitor_welcome(ctx, guest);
    else
        guest_welcome(ctx, guest);
}

static bool is_peer(void *ctx, const char *id, const uint8_t *digest)
{
    const struct server *server = ((struct worker *)ctx)->server;

    return peering_knows(server->peering, id, digest) || directory_knows(server->directory, digest);
}

int worker_init(struct worker *worker, struct server *server, unsigned index,
                const struct cv_log *log, struct cv_config_error *error)
{
    const struct cv_server_config *config = server->config;
    struct cv_manager_limits limits = {.max_sessions = (uint32_t)config->limits.max_sessions,
                                       .max_announced = CV_MAX_ANNOUNCED,
                                       .max_announced_key = CV_MAX_ANNOUNCED_KEY};
    int rc = cv_loop_init(&worker->loop, log);

    worker->server = server;
    worker->index = index;
    cv_list_init(&worker->guests);
    cv_list_init(&worker->visits);
    cv_list_init(&worker->visitors);
    cv_list_init(&worker->forwards);
    worker->next_visit = index + 1;
    worker->pace.rate = config->limits.rate;
    if (rc == 0)
        rc = cv_mailbox_open(&worker->mailbox, &worker->loop, worker);
    if (rc == 0)
        rc = cv_manager_new(&worker->manager, &worker->loop.alloc, &limits);
    if (rc < 0)
        return server_fail(error, EXIT_RUNTIME, "event loop", rc);
    cv_manager_number(worker->manager, index + 1, server->worker_count);
    return EXIT_OK;
}

/* One who came where only the first worker listens: by a unix socket, or one that was passed. */
struct arrival {
    struct cv_mail mail;
    int fd;
    char peer[CV_ADDRESS_SIZE];
};

static void on_arrival(struct cv_mail *mail, void *ctx, bool lost)
{
    struct arrival *arrival = cv_container_of(mail, struct arrival, mail);
    struct worker *worker = ctx;

    if (lost || worker->doors_are != DOORS_OPEN)
        close(arrival->fd);
    else
        cv_front_accepted(worker->front, arrival->fd, arrival->peer);
    free(arrival);
}

static void spread(void *ctx, int fd, const char *peer)
{
    struct worker *first = ctx;
    struct server *server = first->server;
    struct worker *next = &server->workers[first->next++ % server->worker_count];
    struct arrival *arrival;

    if (next == first) {
        cv_front_accepted(first->front, fd, peer);
        return;
    }
    arrival = calloc(1, sizeof(*arrival));
    if (!arrival) {
        close(fd);
        return;
    }
    arrival->mail.deliver = on_arrival;
    arrival->fd = fd;
    snprintf(arrival->peer, sizeof(arrival->peer), "%s", peer);
    cv_mailbox_post(&next->mailbox, &arrival->mail);
}

/* Whether the first worker takes in who comes by @address for all. */
static bool is_spread(struct worker *worker, const char *address)
{
    return worker->server->worker_count > 1 && cv_listener_is_single(&worker->loop, address);
}

static void on_admitted(void *ctx, int fd, const char *peer, const char *local)
{
    struct worker *worker = ctx;

    (void)local;
    cv_front_accepted(worker->front, fd, peer);
}

static void on_admitted_for_all(void *ctx, int fd, const char *peer, const char *local)
{
    (void)local;
    spread(ctx, fd, peer);
}

int worker_listen(struct worker *worker, struct cv_listener **out, const char *address,
                  const struct cv_listener *first, cv_listener_accepted *accepted, void *ctx)
{
    struct cv_loop *loop = &worker->loop;
    int rc;

    if (worker->index > 0) {
        rc = first ? cv_listener_new_beside(out, loop, first, accepted, ctx) : 0;
        return rc == -EOPNOTSUPP ? 0 : rc;
    }
    if (worker->server->worker_count == 1)
        return cv_listener_new(out, loop, address, accepted, ctx);
    return cv_listener_new_shared(out, loop, address, accepted, ctx);
}

/* Opens the front door's listener @i, behind an usher where agents and visitors come by a proxy. */
static int listen_front(struct worker *worker, size_t i)
{
    const struct cv_listen *rule = &worker->server->config->listens.at[i];
    const struct worker *first = &worker->server->workers[0];
    bool spreads = is_spread(worker, rule->address);
    const struct cv_usher_config usher = {.loop = &worker->loop,
                                          .name = rule->address,
                                          .admitted = spreads ? on_admitted_for_all : on_admitted,
                                          .ctx = worker};
    cv_listener_accepted *accepted = spreads ? spread : cv_front_accepted;
    void *ctx = spreads ? (void *)worker : worker->front;

    if (rule->proxy_protocol) {
        int rc = cv_usher_new(&worker->ushers[i], &usher);

        if (rc < 0)
            return rc;
        accepted = cv_usher_accepted;
        ctx = worker->ushers[i];
    }
    return worker_listen(worker, &worker->listeners[i], rule->address,
                         worker == first ? NULL : first->listeners[i], accepted, ctx);
}

static int open_listeners(struct worker *worker, struct cv_config_error *error)
{
    const struct cv_listens *listens = &worker->server->config->listens;

    worker->listeners = calloc(listens->count, sizeof(struct cv_listener *));
    worker->ushers = calloc(listens->count, sizeof(struct cv_usher *));
    if (!worker->listeners || !worker->ushers)
        return server_fail(error, EXIT_RUNTIME, "front door", -ENOMEM);
    for (; worker->listener_count < listens->count; worker->listener_count++) {
        const struct cv_listen *rule = &listens->at[worker->listener_count];
        int rc = listen_front(worker, worker->listener_count);

        if (rc < 0)
            return server_fail(error, EXIT_OPEN, rule->address, rc);
        if (worker->index == 0)
            cv_log(&worker->loop.log, CV_LOG_INFO, "front door at %s%s%s",
                   cv_listener_address(worker->listeners[worker->listener_count]),
                   rule->proxy_protocol ? ", PROXY protocol" : "",
                   worker->server->tls ? ", TLS" : "");
    }
    return EXIT_OK;
}

static void count_refusal(void *ctx, int status)
{
    counts_status(((struct worker *)ctx)->counts.refused, status);
}

void worker_door_emptied(void *ctx)
{
    struct worker *worker = ctx;

    if (worker->doors_are != DOORS_CLOSED || cv_front_busy(worker->front) ||
        cv_gateway_busy(worker->gateway))
        return;
    worker->doors_are = DOORS_EMPTY;
    atomic_fetch_sub(&worker->server->busy_doors, 1);
    server_check_drained(worker);
}

static int open_front(struct worker *worker, struct cv_config_error *error)
{
    struct server *server = worker->server;
    struct cv_front_config front = {.loop = &worker->loop,
                                    .tls = server->tls,
                                    .credentials = credentials_now,
                                    .peer = is_peer,
                                    .room = has_room,
                                    .refused = count_refusal,
                                    .may_knock = may_knock,
                                    .left = knock_left,
                                    .welcome = welcome,
                                    .emptied = worker_door_emptied,
                                    .describe = advertise_describe,
                                    .describe_ctx = &server->page,
                                    .tls_route = pass_route,
                                    .pass = pass_on,
                                    .ctx = worker};

    if (web_open(worker) < 0)
        return server_fail(error, EXIT_RUNTIME, "HTTP door", -ENOMEM);
    front.gateway = worker->gateway;
    if (cv_front_new(&worker->front, &front) < 0)
        return server_fail(error, EXIT_RUNTIME, "front door", -ENOMEM);
    cv_gateway_set_routes(worker->gateway, &worker->rules->http);
    cv_front_expect_tls(worker->front, worker->rules->any_tls);
    return open_listeners(worker, error);
}

int worker_open(struct worker *worker, struct cv_config_error *error)
{
    int code;

    worker->rules = rules_hold(worker->server->rules);
    code = open_front(worker, error);
    if (code == EXIT_OK)
        code = forwards_open(worker, error);
    return code == EXIT_OK ? doors_open(worker, error) : code;
}

/* Running on a thread of its own. */

static void on_ended(struct cv_mail *mail, void *ctx, bool lost)
{
    (void)ctx;
    if (!lost)
        server_worker_ended(cv_container_of(mail, struct worker, ended));
}

static void run(void *arg)
{
    struct worker *worker = arg;

    uv_run(worker->loop.uv, UV_RUN_DEFAULT);
    worker->ended.deliver = on_ended;
    cv_mailbox_post(&worker->server->workers[0].mailbox, &worker->ended);
}

int worker_start(struct worker *worker)
{
    return uv_thread_create(&worker->thread, run, worker);
}

/* Pulse. */

static void set_pulse(struct worker *worker)
{
    worker->pulse_at = cv_loop_now(&worker->loop) + PULSE;
    cv_timer_set(worker->pulse, PULSE);
    cv_timer_unref(worker->pulse);
}

static void on_pulse(void *ctx)
{
    struct worker *worker = ctx;

    counts_lag_seen(&worker->lag, cv_less_size(cv_loop_now(&worker->loop), worker->pulse_at));
    cv_causes_tell(&worker->loop);
    set_pulse(worker);
}

int worker_pulse(struct worker *worker)
{
    int rc = cv_timer_new(&worker->pulse, &worker->loop, on_pulse, worker);

    if (rc == 0)
        set_pulse(worker);
    return rc;
}

/* Rules. */

size_t worker_follow(struct worker *worker, struct rules *rules, const int *fds, bool last)
{
    struct rules *old = worker->rules;
    size_t missing = 0;

    worker->rules = rules;
    cv_gateway_set_routes(worker->gateway, &rules->http);
    if (worker->doors_are == DOORS_OPEN) {
        cv_front_expect_tls(worker->front, rules->any_tls);
        missing = forwards_follow(worker, fds, last);
    } else { /* its doors have closed for good meanwhile */
        for (size_t i = 0; fds && i < rules->config->forwards.count; i++)
            if (fds[i] >= 0)
                close(fds[i]);
    }
    rules_release(old);
    return missing;
}

enum cv_balance worker_balance(const struct worker *worker, const char *key)
{
    const struct cv_balance_rules *rules = &worker->rules->config->balances;

    return cv_balance_of(rules->at, rules->count, key);
}

/* Orders. */

static void close_doors(struct worker *worker)
{
    worker->doors_are = DOORS_CLOSING;
    for (size_t i = 0; i < worker->listener_count; i++) {
        cv_listener_close(worker->listeners[i]);
        cv_usher_free(worker->ushers[i]);
    }
    worker->listener_count = 0;
    forwards_close(worker);
    doors_close(worker);
    cv_front_drain(worker->front);
    cv_gateway_drain(worker->gateway);
}

static void obey(struct worker *worker, enum worker_order order)
{
    switch (order) {
    case WORKER_CLOSE:
        close_doors(worker);
        guests_part(worker, worker->server->parting_window);
        worker->doors_are = DOORS_CLOSED;
        worker_door_emptied(worker);
        break;
    case WORKER_DISMISS:
        cv_timer_free(worker->parting);
        worker->parting = NULL;
        guests_dismiss(worker, CV_ENDING_STOPS);
        visitors_dismiss(worker, CV_ENDING_STOPS);
        if (worker->index > 0) /* the first one waits for the others */
            cv_mailbox_unref(&worker->mailbox);
        break;
    case WORKER_END:
        cv_front_free(worker->front);
        worker->front = NULL;
        cv_gateway_end(worker->gateway);
        cv_tunnel_end_all(&worker->loop, CV_ENDING_STOPS, CV_REASON_KILLED);
        cv_linger_end(&worker->loop);
        break;
    }
}

static void on_order(struct cv_mail *mail, void *ctx, bool lost)
{
    struct worker *worker = ctx;

    if (!lost)
        obey(worker, (enum worker_order)(mail - worker->orders));
}

void worker_order(struct worker *worker, enum worker_order order)
{
    struct cv_mail *mail = &worker->orders[order];

    if (worker->index == 0) {
        obey(worker, order);
        return;
    }
    if (worker->ordered & 1U << order)
        return; /* two signals: the mail may still be in the box */
    worker->ordered |= 1U << order;
    mail->deliver = on_order;
    cv_mailbox_post(&worker->mailbox, mail);
}

struct fresh_credentials {
    struct cv_mail mail;
    struct cv_credentials *credentials; /* owned */
};

static void take_credentials(struct worker *worker, struct cv_credentials *credentials)
{
    cv_credentials_free(worker->credentials);
    worker->credentials = credentials;
    guests_recheck(worker);
    visitors_recheck(worker);
}

static void on_credentials(struct cv_mail *mail, void *ctx, bool lost)
{
    struct fresh_credentials *fresh = cv_container_of(mail, struct fresh_credentials, mail);

    if (lost)
        cv_credentials_free(fresh->credentials);
    else
        take_credentials(ctx, fresh->credentials);
    free(fresh);
}

int worker_replace_credentials(struct worker *worker, struct cv_credentials *credentials)
{
    struct fresh_credentials *fresh;

    if (worker->index == 0) {
        take_credentials(worker, credentials);
        return 0;
    }
    fresh = calloc(1, sizeof(*fresh));
    if (!fresh)
        return -ENOMEM;
    fresh->mail.deliver = on_credentials;
    fresh->credentials = credentials;
    cv_mailbox_post(&worker->mailbox, &fresh->mail);
    return 0;
}

static void on_recheck(struct cv_mail *mail, void *ctx, bool lost)
{
    if (!lost)
        guests_recheck(ctx);
    free(mail);
}

void worker_recheck(struct worker *worker)
{
    struct cv_mail *mail;

    if (worker->index == 0) {
        guests_recheck(worker);
        return;
    }
    mail = calloc(1, sizeof(*mail));
    if (!mail) {
        cv_log(&worker->loop.log, CV_LOG_ERROR, "reload: out of memory");
        return;
    }
    mail->deliver = on_recheck;
    cv_mailbox_post(&worker->mailbox, mail);
}

int worker_deinit(struct worker *worker)
{
    cv_timer_free(worker->pulse);
    cv_timer_free(worker->parting);
    cv_mailbox_close(&worker->mailbox);
    cv_front_free(worker->front);
    worker->front = NULL;
    if (worker->gateway)
        cv_gateway_end(worker->gateway);
    cv_gateway_free(worker->gateway);
    cv_manager_free(worker->manager);
    cv_credentials_free(worker->credentials);
    free(worker->listeners);
    free(worker->ushers);
    forwards_close(worker);
    rules_release(worker->rules);
    doors_free(worker);
    uv_run(worker->loop.uv, UV_RUN_DEFAULT);
    return cv_loop_deinit(&worker->loop);
}
