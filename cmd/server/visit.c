#include "visit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admit.h"
#include "base/error.h"
#include "directory.h"
#include "net/address.h"
#include "net/log.h"
#include "visit_parts.h"

/* The end. */

static void visit_free(struct visit *visit)
{
    cv_timer_free(visit->timer);
    cv_pair_unref(visit->pair);
    free(visit->early);
    free(visit);
}

void visit_leave(struct visit *visit, const struct cv_relay_end *end)
{
    struct worker *worker = visit->worker;

    cv_list_remove(&visit->link);
    visit_stop_waiting(visit);
    if (visit->way->ended)
        visit->way->ended(visit->ctx, end);
    if (visit->place != VISIT_PLACE_OTHERS)
        admit_leave(worker, visit->peer);
    if (visit->has_digest && visit->place != VISIT_PLACE_OTHERS)
        admit_leave_token(worker, visit->digest);
    if (visit->session && !visit->linked)
        server_lighter(worker, visit->client, worker_balance(worker, visit->client));
    visit_free(visit);
    server_leave(worker->server);
    server_check_drained(worker);
}

/* Dialling. */

/* What the visitor's credential says. */
static int visitor_may_dial(struct visit *visit, const struct cv_target *target)
{
    const struct cv_credentials *credentials = visit->worker->credentials;
    struct cv_access_answer answer;
    int rc;

    if (!visit->has_digest || !credentials)
        return 0;
    rc = cv_access_visitor(&answer, credentials, visit->digest, visit->client,
                           strlen(visit->client), target, cv_wall_clock());
    if (answer.credential)
        snprintf(visit->who, sizeof(visit->who), "%.*s", (int)answer.credential->name.start.len,
                 answer.credential->name.start.at);
    return rc;
}

static int may_dial(struct visit *visit, void *owner)
{
    char text[CV_CONNECT_TARGET_MAX + 1];
    struct cv_target target;
    const char *problem;
    int len = snprintf(text, sizeof(text), "%s/%s", cv_proto_name(visit->proto), visit->address);
    int rc;

    if (cv_target_parse(&target, text, cv_min_size((size_t)len, sizeof(text) - 1), &problem) < 0)
        return CV_EDENIED;
    rc = visitor_may_dial(visit, &target);
    return rc < 0 || visit->linked ? rc : guest_may_dial(owner, &target);
}

int visit_open_stream(struct visit *visit)
{
    struct cv_loop *loop = &visit->worker->loop;
    int rc = visit->pair
                 ? cv_pair_stream(&visit->stream, loop, visit->pair, CV_PAIR_OUTER, visit->fd)
                 : cv_stream_new(&visit->stream, loop, visit->fd);

    if (rc < 0)
        return rc;
    visit->fd = -1;
    visit->pair = NULL;
    return 0;
}

struct cv_route_wish visit_wish(const struct visit *visit, uint64_t but)
{
    return (struct cv_route_wish){visit->client, cv_proto_name(visit->proto), visit->balance,
                                  visit->from, but};
}

/* Opens a connection through one session. Returns 0 when the visit has become the connection's,
 * also when that ends at once. */
static int dial_through(struct visit *visit, const struct cv_route *route)
{
    struct worker *worker = visit->worker;
    int rc = may_dial(visit, route->owner);

    if (visit->balance == CV_BALANCE_ROUND_ROBIN && !visit->linked)
        cv_manager_take_turn(worker->manager, visit->client, route->id);
    if (rc == 0)
        rc = cv_session_dial(route->session, route->proto, visit->address, NULL,
                             cv_loop_now(&worker->loop), &visit->conn_id);
    if (rc < 0)
        return rc;
    visit->tunnel = guest_tunnel(route->owner);
    visit->session = route->id;
    visit->through_peer = strstr(route->proto, "::") != NULL;
    visit->id = worker->next_visit;
    worker->next_visit += worker->server->worker_count;
    cv_list_push_back(&worker->visits, &visit->link);
    rc = visit_open_stream(visit);
    if (rc < 0) {
        visit_abort(visit, CV_REASON_MEMORY, NULL);
        cv_list_remove(&visit->link); /* it may be dialled elsewhere */
        return rc;
    }
    cv_log_about(&worker->loop.log, CV_LOG_DEBUG, VISIT_ABOUT(visit), "%s: visitor %s to %s/%s/%s",
                 visit->door, visit->peer, visit->client, cv_proto_name(visit->proto),
                 visit->address);
    if (!visit->linked)
        server_settled(worker, visit->client, visit->balance);
    rc = visit_begin(visit);
    if (rc < 0) {
        (void)!cv_session_set_user(route->session, visit->conn_id, NULL);
        visit_abort(visit, CV_REASON_LOCAL, cv_strerror(rc));
        if (visit->stream)
            visit_close_failed(visit, CV_FAILURE_OTHER, cv_strerror(rc));
        visit_leave(visit, NULL);
    }
    return 0;
}

int visit_dial_link(struct visit *visit, const struct cv_route *route, uint64_t incarnation,
                    int64_t session)
{
    struct cv_route named = *route;
    int len = snprintf(named.proto, sizeof(named.proto), "%s::%s", visit->client,
                       cv_proto_name(visit->proto));

    if (len < 0 || (size_t)len >= sizeof(named.proto))
        return CV_ETOOLONG;
    visit->linked = true;
    visit->claim_incarnation = incarnation;
    visit->claim_session = session;
    return dial_through(visit, &named);
}

/* Tries the best session that the client has here, and if the dial cannot even start there, the
 * next best. */
static int dial_here(struct visit *visit)
{
    struct worker *worker = visit->worker;
    struct cv_route route = {.id = 0};
    int rc = CV_ENOSESSION;

    visit->linked = false;
    for (int i = 0; i < 2; i++) {
        const struct cv_route_wish wish = visit_wish(visit, i ? route.id : visit->but);
        int found = cv_manager_route(worker->manager, &wish, cv_loop_now(&worker->loop), &route);

        if (found < 0)
            return i ? rc : found;
        if (i && route.id == visit->but)
            return rc;
        if (!route.healthy && !visit->settles) {
            visit->met_silent = true;
            return CV_ENOSESSION;
        }
        rc = dial_through(visit, &route);
        if (rc == 0)
            return 0;
    }
    return rc;
}

/* The next worker to try. Healthy sessions come first, wherever they are: at other servers too. */
static int next_worker(struct server *server, struct visit *visit)
{
    int next = server_find(server, visit->client, visit->balance, visit->tried);

    if (next >= 0 || visit->settles || !visit->met_silent || directory_is_to_ask(visit))
        return next;
    visit->settles = true;
    visit->tried = 0;
    if (visit->silent) /* there is no other: it may be heard again */
        visit->but = 0;
    return server_find(server, visit->client, visit->balance, 0);
}

/* Whether it is served by the worker that has it. */
static bool serve_here(struct visit *visit)
{
    int rc;

    visit->tried |= UINT64_C(1) << visit->worker->index;
    rc = dial_here(visit);
    if (rc == 0) /* it may be over already */
        return true;
    server_settled(visit->worker, visit->client, visit->balance);
    if (!visit->moved || rc != CV_ENOSESSION)
        visit->problem = rc;
    return false;
}

static void on_handed_over(struct cv_mail *mail, void *ctx, bool lost);

/* Begins with the worker @next, which is asked for no second time: it is there because it was its
 * turn. */
static void serve(struct visit *visit, int next)
{
    struct worker *worker = visit->worker;
    struct server *server = worker->server;

    for (; next >= 0; next = next_worker(server, visit)) {
        if (next != (int)worker->index) {
            visit->mail.deliver = on_handed_over;
            cv_mailbox_post(&server->workers[next].mailbox, &visit->mail);
            return;
        }
        if (serve_here(visit))
            return;
    }
    if (directory_is_to_ask(visit)) {
        directory_ask(visit);
        return;
    }
    if (visit->from == CV_ROUTE_PEER && visit->problem == CV_ENOSESSION)
        directory_denied(worker, visit->client);
    visit_turn_away(visit);
    visit_leave(visit, NULL);
}

void visit_serve(struct visit *visit)
{
    serve(visit, next_worker(visit->worker->server, visit));
}

void visit_lose(struct visit *visit)
{
    close(visit->fd);
    if (visit->way->ended)
        visit->way->ended(visit->ctx, NULL);
    visit_free(visit);
}

static void on_handed_over(struct cv_mail *mail, void *ctx, bool lost)
{
    struct visit *visit = cv_container_of(mail, struct visit, mail);

    if (lost) {
        visit_lose(visit);
        return;
    }
    visit->worker = ctx;
    serve(visit, (int)visit->worker->index);
}

/* Starting. */

/* Copies @text, NUL included, to *@at and moves that behind it. */
static const char *keep(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    const char *copy = memcpy(*at, text, size);

    *at += size;
    return copy;
}

static struct visit *visit_new(struct worker *worker, const struct visit_options *options)
{
    size_t text = strlen(options->door) + strlen(options->peer) + strlen(options->client) +
                  strlen(options->address) + 4;
    struct visit *visit = calloc(1, sizeof(*visit) + text);
    char *at;

    if (!visit)
        return NULL;
    cv_list_init(&visit->link);
    at = visit->text;
    if (options->early_len && !(visit->early = malloc(options->early_len))) {
        free(visit);
        return NULL;
    }
    visit->way = options->way;
    visit->ctx = options->ctx;
    visit->worker = worker;
    visit->proto = options->proto;
    visit->from = options->from;
    visit->balance = worker_balance(worker, options->client);
    visit->place = options->place;
    visit->since = cv_loop_now(&worker->loop);
    visit->wait = options->wait ? options->wait : VISIT_WAIT;
    visit->has_digest = options->digest != NULL;
    if (options->digest)
        memcpy(visit->digest, options->digest, sizeof(visit->digest));
    visit->fd = options->fd;
    visit->pair = options->pair;
    visit->early_len = options->early_len;
    if (options->early_len)
        memcpy(visit->early, options->early, options->early_len);
    visit->door = keep(&at, options->door);
    visit->peer = keep(&at, options->peer);
    visit->client = keep(&at, options->client);
    visit->address = keep(&at, options->address);
    return visit;
}

static bool takes_tokens_place(const struct visit_options *options)
{
    return options->digest && options->place != VISIT_PLACE_OTHERS;
}

int visit_enter(struct worker *worker, const struct visit_options *options)
{
    struct server *server = worker->server;
    int rc = CV_EFULL;

    if (options->way->answer &&
        atomic_load(&server->waiting) >= server->config->limits.max_pending_dials)
        return rc;
    if (!server_enter(server))
        return rc;
    if (options->place != VISIT_PLACE_WANTED || admit_enter(worker, options->peer)) {
        rc = takes_tokens_place(options) ? admit_token(worker, options->digest) : 0;
        if (rc < 0 && options->place == VISIT_PLACE_WANTED)
            admit_leave(worker, options->peer);
    }
    if (rc < 0)
        server_leave(server);
    return rc;
}

void visit_retreat(struct worker *worker, const struct visit_options *options)
{
    if (takes_tokens_place(options))
        admit_leave_token(worker, options->digest);
    if (options->place == VISIT_PLACE_WANTED)
        admit_leave(worker, options->peer);
    server_leave(worker->server);
    server_check_drained(worker);
}

/* It did not come to be. */
static void end_early(struct worker *worker, const struct visit_options *options)
{
    if (options->place == VISIT_PLACE_GIVEN)
        admit_leave(worker, options->peer);
    if (options->way->ended)
        options->way->ended(options->ctx, NULL);
}

void visit_start(struct worker *worker, const struct visit_options *options)
{
    struct visit *visit = visit_new(worker, options);

    if (!visit) {
        cv_log_cause(&worker->loop, CV_CAUSE_TURNED_AWAY,
                     &(struct cv_log_about){.client = options->client},
                     "%s: visitor %s turned away: out of memory", options->door, options->peer);
        close(options->fd);
        cv_pair_unref(options->pair);
        if (options->entered)
            visit_retreat(worker, options);
        end_early(worker, options);
        return;
    }
    visit->problem = options->entered ? 0 : visit_enter(worker, options);
    if (visit->problem == 0) {
        visit->problem = CV_ENOSESSION; /* unless it turns out otherwise */
        visit_serve(visit);
        return;
    }
    (void)!visitor_may_dial(visit, NULL); /* names it, for the log */
    visit_turn_away(visit);
    end_early(worker, options);
    visit_free(visit);
}

/* For operators. */

void visits_each(struct worker *worker, void (*each)(void *ctx, const struct visit_info *info),
                 void *ctx)
{
    cv_list_each (link, &worker->visits) {
        const struct visit *visit = cv_container_of(link, struct visit, link);
        struct visit_info info = {visit->id,    visit->door,    visit->peer,    visit->client,
                                  visit->proto, visit->address, visit->conn_id, visit->since};

        each(ctx, &info);
    }
}

bool visit_cut(struct worker *worker, uint64_t id)
{
    cv_list_each (link, &worker->visits) {
        struct visit *visit = cv_container_of(link, struct visit, link);

        if (visit->id == id) {
            visit_abort(visit, CV_REASON_KILLED, "ended by an operator");
            return true;
        }
    }
    return false;
}
