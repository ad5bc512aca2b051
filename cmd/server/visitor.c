#include "visitor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admit.h"
#include "base/error.h"
#include "net/address.h"
#include "net/log.h"
#include "net/timer.h"
#include "server.h"
#include "session_end.h"

struct visitor {
    struct cv_list link; /* in the worker's */
    struct worker *worker;
    struct cv_tunnel *tunnel;
    uint64_t id;               /* of the session, for the log */
    char name[CV_KEY_MAX + 1]; /* what it calls itself */
    char peer[CV_ADDRESS_SIZE];
    bool has_digest; /* of its token; not where anyone may come in */
    uint8_t digest[CV_TOKEN_DIGEST];
    struct cv_log_limit complaints;
    struct cv_timer *expiry; /* owned; of its credential; NULL: it does not expire */
};

static const struct cv_log *log_of(const struct visitor *visitor)
{
    return &visitor->worker->loop.log;
}

/* It is no client: those it dials are. */
#define ABOUT(visitor) (&(const struct cv_log_about){.session = (visitor)->id})

static void on_event(void *ctx, struct cv_tunnel *tunnel, const struct cv_session_event *event)
{
    struct visitor *visitor = ctx;
    const struct session_dialler dialler = {.door = "visitor's session",
                                            .peer = visitor->peer,
                                            .from = CV_ROUTE_VISITOR,
                                            .digest = visitor->has_digest ? visitor->digest : NULL,
                                            .complaints = &visitor->complaints};
    const struct session_end end = {.worker = visitor->worker,
                                    .kind = "visitor",
                                    .name = visitor->peer,
                                    .complaints = &visitor->complaints,
                                    .dialler = &dialler};

    session_end_event(&end, tunnel, event);
}

/* Gives its places back, and lets it go. */
static void leave(struct visitor *visitor)
{
    struct worker *worker = visitor->worker;

    cv_list_remove(&visitor->link);
    atomic_fetch_sub(&worker->server->sessions, 1);
    admit_leave(worker, visitor->peer);
    cv_timer_free(visitor->expiry);
    cv_free(&worker->loop.alloc, visitor);
}

static void on_closed(void *ctx, struct cv_tunnel *tunnel, const struct cv_tunnel_end *end)
{
    struct visitor *visitor = ctx;
    struct cv_log_about about = cv_tunnel_about(tunnel, 0);

    about.reason = cv_ending_name(end->ending);
    cv_log_about(log_of(visitor), cv_ending_is_error(end->ending) ? CV_LOG_WARN : CV_LOG_INFO,
                 &about, "visitor %s: session of %s ended: %s", visitor->peer, visitor->name,
                 end->line);
    visitor->worker->counts.ended[end->ending]++;
    leave(visitor);
}

/* Its credential. */

static void recheck(struct visitor *visitor);

static void on_expiry(void *ctx)
{
    recheck(ctx);
}

static void watch_expiry(struct visitor *visitor, int64_t expires)
{
    int rc = 0;

    if (!visitor->expiry && expires != CV_EXPIRES_NEVER)
        rc = cv_timer_new(&visitor->expiry, &visitor->worker->loop, on_expiry, visitor);
    if (rc < 0)
        cv_log_about(log_of(visitor), CV_LOG_ERROR, ABOUT(visitor),
                     "visitor %s: its expiry is not watched: %s", visitor->peer, cv_strerror(rc));
    else if (visitor->expiry)
        guest_await_expiry(visitor->expiry, expires);
}

/* Ends a session whose credential is gone or has expired. */
static void recheck(struct visitor *visitor)
{
    const struct cv_credentials *credentials = visitor->worker->credentials;
    struct cv_access_answer answer;

    if (!visitor->has_digest || !credentials)
        return;
    if (cv_access_visitor(&answer, credentials, visitor->digest, NULL, 0, NULL, cv_wall_clock()) ==
        0) {
        watch_expiry(visitor, answer.credential ? answer.credential->expires : CV_EXPIRES_NEVER);
        return;
    }
    cv_log_about(log_of(visitor), CV_LOG_WARN, ABOUT(visitor),
                 "visitor %s: its credential is gone: %s", visitor->peer,
                 cv_access_text(answer.why));
    cv_tunnel_close(visitor->tunnel, CV_ENDING_CREDENTIAL);
}

/* Coming in. */

/* Takes the stream, also on failure; the visitor is the caller's then. */
static int open_tunnel(struct visitor *visitor, const struct cv_front_guest *from)
{
    struct worker *worker = visitor->worker;
    struct server *server = worker->server;
    struct cv_tunnel_owner owner = {.event = on_event, .closed = on_closed, .ctx = visitor};
    struct cv_session_config config = cv_session_defaults(CV_SESSION_ACCEPTOR);

    config.culvert = from->culvert;
    config.features = from->features & ~(unsigned)CV_FEATURE_PUBLISH;
    config.max_conns = (uint32_t)server->config->limits.max_conns_per_session;
    config.parent = &server->budget;
    snprintf(config.name, sizeof(config.name), "%s", visitor->name);
    return cv_tunnel_new(&visitor->tunnel, &worker->loop, from->stream, &config, from->early,
                         from->early_len, &owner);
}

void visitor_welcome(struct worker *worker, const struct cv_front_guest *from)
{
    struct visitor *visitor = cv_alloc_zero(&worker->loop.alloc, sizeof(*visitor));
    char peer[CV_ADDRESS_SIZE];
    int rc = -ENOMEM;

    snprintf(peer, sizeof(peer), "%s", cv_stream_peer(from->stream));
    if (visitor) {
        visitor->worker = worker;
        cv_list_init(&visitor->link);
        snprintf(visitor->name, sizeof(visitor->name), "%s", from->key);
        memcpy(visitor->peer, peer, sizeof(peer));
        visitor->has_digest = from->digest != NULL;
        if (from->digest)
            memcpy(visitor->digest, from->digest, sizeof(visitor->digest));
        rc = open_tunnel(visitor, from);
    } else {
        cv_stream_close(from->stream);
    }
    if (rc < 0) {
        cv_log(&worker->loop.log, CV_LOG_ERROR, "visitor %s: %s", peer, cv_strerror(rc));
        admit_leave(worker, peer);
        cv_free(&worker->loop.alloc, visitor);
        return;
    }
    cv_list_push_back(&worker->visitors, &visitor->link);
    visitor->id = cv_manager_take_number(worker->manager);
    cv_tunnel_name(visitor->tunnel, NULL, visitor->id);
    /* once more, as several workers may have seen the last place free */
    if (atomic_fetch_add(&worker->server->sessions, 1) >=
        worker->server->config->limits.max_sessions) {
        cv_tunnel_close(visitor->tunnel, CV_ENDING_FULL);
        return;
    }
    cv_log_about(&worker->loop.log, CV_LOG_INFO, ABOUT(visitor), "visitor %s: session of %s up",
                 peer, visitor->name);
    recheck(visitor);
}

void visitors_recheck(struct worker *worker)
{
    cv_list_each_safe (link, &worker->visitors)
        recheck(cv_container_of(link, struct visitor, link));
}

void visitors_dismiss(struct worker *worker, enum cv_ending ending)
{
    cv_list_each_safe (link, &worker->visitors)
        cv_tunnel_close(cv_container_of(link, struct visitor, link)->tunnel, ending);
}
