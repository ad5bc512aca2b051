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

/* An agent, or a peer, with a session here. It is what routes lead to. */
struct guest {
    struct resident resident; /* first; its tunnel's end is told by on_closed() */
    struct cv_list link;
    struct worker *worker; /* borrowed */
    uint64_t id;           /* in the manager */
    uint64_t since;        /* when it joined */
    bool is_peer;
    bool announces;                     /* as a --peer: what it says of clients counts */
    bool dials;                         /* as a server of the directory: its Connects are served */
    struct peering_notice *parting;     /* owned; what peers hear when it leaves */
    struct directory_notice *unlisting; /* owned; the same of the directory */
    struct publish_parting *withdrawal; /* owned; of what it has published; or NULL */
    char key[CV_KEY_MAX + 1];
    char peer[CV_ADDRESS_SIZE];
    char version[CV_AGENT_VERSION_MAX + 1]; /* of the agent; "": it did not say */
    struct cv_log_limit complaints;
    bool has_digest; /* of its token; not where anyone may come in */
    uint8_t digest[CV_TOKEN_DIGEST];
    struct cv_timer *expiry; /* owned; of its credential; NULL: it does not expire */
    char *subject;           /* owned; of its certificate, when it came in with that; else NULL */
    uint64_t parts_at;       /* in a drain: when it is the next one to be told */
    bool withdrawn;          /* peers know that it goes */
    bool told;               /* and so does it */
};

static const struct cv_log *log_of(const struct guest *guest)
{
    return &guest->worker->loop.log;
}

#define ABOUT(guest) (&(const struct cv_log_about){.client = (guest)->key, .session = (guest)->id})

static const char *kind_of(const struct guest *guest)
{
    return guest->is_peer ? "peer" : "client";
}

/* A peer said which client it has, or has no more. */
static const char *on_announced(void *ctx, const struct cv_session_event *event)
{
    struct guest *guest = ctx;
    struct worker *worker = guest->worker;
    char key[CV_KEY_MAX + 1];
    int rc = cv_manager_announced(worker->manager, guest->id, event->kind == CV_EVENT_ADD_CLIENT,
                                  event->text, event->text_len, event->session_key);

    if (rc == 0) {
        snprintf(key, sizeof(key), "%.*s", (int)event->text_len, event->text);
        rc = server_found(worker, key, false);
    }
    if (rc == -ENOMEM) /* a route would be missing as long as the session lasts */
        cv_tunnel_close(guest->resident.tunnel, CV_ENDING_MEMORY);
    if (rc == 0 || rc == -ENOMEM)
        return NULL;
    return rc == CV_EFULL ? "it announced too many" : "it is no peer's";
}

/* What it has announced is gone; the other workers are told. */
static void take_back(struct guest *guest)
{
    struct worker *worker = guest->worker;
    char key[CV_KEY_MAX + 1];

    while (worker->server->worker_count > 1 &&
           cv_manager_take_back(worker->manager, guest->id, key))
        (void)!server_found(worker, key, false); /* who had a place needs no memory */
}

static void on_event(void *ctx, struct cv_tunnel *tunnel, const struct cv_session_event *event)
{
    struct guest *guest = ctx;
    const struct session_dialler dialler = {.door = "peer",
                                            .peer = guest->key,
                                            .from = CV_ROUTE_PEER,
                                            .complaints = &guest->complaints};
    const struct session_end end = {.worker = guest->worker,
                                    .kind = kind_of(guest),
                                    .name = guest->key,
                                    .complaints = &guest->complaints,
                                    .dialler = guest->dials ? &dialler : NULL,
                                    .announced =
                                        guest->is_peer && !guest->announces ? NULL : on_announced,
                                    .ctx = guest};

    session_end_event(&end, tunnel, event);
}

void guests_wake(struct worker *worker)
{
    struct cv_wake wake;

    while (cv_manager_poll(worker->manager, &wake)) {
        struct resident *other = wake.owner;

        if (wake.error < 0)
            cv_tunnel_close(other->tunnel, CV_ENDING_UNREAD);
        else
            cv_tunnel_touch(other->tunnel);
    }
}

/* Tells the other workers. */
static void leave(struct guest *guest)
{
    struct worker *worker = guest->worker;

    atomic_fetch_sub(&worker->server->sessions, 1);
    worker->counts.left++;
    cv_session_stats_add(&worker->past,
                         cv_session_stats(cv_tunnel_session(guest->resident.tunnel)));
    if (guest->is_peer)
        return;
    atomic_fetch_sub(&worker->server->agents, 1);
    peering_parted(worker, guest->parting);
    guest->parting = NULL;
    directory_parted(worker, guest->unlisting);
    guest->unlisting = NULL;
    publish_parted(worker, guest->withdrawal);
    guest->withdrawal = NULL;
    if (server_found(guest->worker, guest->key, false) < 0)
        cv_log_about(log_of(guest), CV_LOG_ERROR, ABOUT(guest), "client %s: out of memory",
                     guest->key);
}

static void free_guest(struct guest *guest)
{
    cv_timer_free(guest->expiry);
    cv_free(&guest->worker->loop.alloc, guest->subject);
    cv_free(&guest->worker->loop.alloc, guest);
}

static void on_closed(void *ctx, struct cv_tunnel *tunnel, const struct cv_tunnel_end *end)
{
    struct guest *guest = ctx;
    struct worker *worker = guest->worker;
    struct cv_log_about about = *ABOUT(guest);

    (void)tunnel;
    about.reason = cv_ending_name(end->ending);
    cv_log_about(&worker->loop.log, cv_ending_is_error(end->ending) ? CV_LOG_WARN : CV_LOG_INFO,
                 &about, "%s %s: session %llu ended: %s", kind_of(guest), guest->key,
                 (unsigned long long)guest->id, end->line);
    worker->counts.ended[end->ending]++;
    take_back(guest);
    if (cv_manager_leave(worker->manager, guest->id) == 0) {
        if (!guest->is_peer)
            admin_event(worker->server->admin, "left", guest->key, end->text);
        leave(guest);
        guests_wake(worker);
    }
    cv_list_remove(&guest->link);
    free_guest(guest);
    server_check_drained(worker);
}

static int64_t make_session_key(struct worker *worker)
{
    return (int64_t)(cv_random_u64(&worker->loop.random) >> 1);
}

/* Takes the stream, also on failure. */
static int open_tunnel(struct guest *guest, const struct cv_front_guest *from)
{
    struct worker *worker = guest->worker;
    struct cv_tunnel_owner owner = {.event = on_event, .closed = on_closed, .ctx = guest};
    struct cv_session_config config = cv_session_defaults(CV_SESSION_ACCEPTOR);
    struct server *server = worker->server;

    config.culvert = from->culvert;
    config.features = from->features;
    config.key = make_session_key(worker);
    config.max_conns = (uint32_t)server->config->limits.max_conns_per_session;
    config.parent = &server->budget;
    snprintf(config.name, sizeof(config.name), "%s", from->key);
    return cv_tunnel_new(&guest->resident.tunnel, &worker->loop, from->stream, &config, from->early,
                         from->early_len, &owner);
}

/* Becomes one that routes lead to; the limit is looked at once more, as several workers may have
 * seen the last place free. */
static int enlist(struct guest *guest)
{
    struct cv_session *session = cv_tunnel_session(guest->resident.tunnel);
    struct worker *worker = guest->worker;
    struct server *server = worker->server;
    int rc = CV_EFULL;

    if (atomic_fetch_add(&server->sessions, 1) < server->config->limits.max_sessions)
        rc = cv_manager_join(worker->manager, guest->is_peer ? CV_MEMBER_PEER : CV_MEMBER_AGENT,
                             guest->key, session, guest, cv_loop_now(&worker->loop), &guest->id);
    if (rc < 0) {
        atomic_fetch_sub(&server->sessions, 1);
        return rc;
    }
    worker->counts.joined++;
    cv_tunnel_name(guest->resident.tunnel, guest->key, guest->id);
    if (guest->is_peer) {
        server_found_peer(worker, guest->key);
        return 0;
    }
    atomic_fetch_add(&server->agents, 1);
    admin_joined(server->admin, guest->key, guest->peer);
    rc = peering_joined(worker, guest->key, cv_session_config(session)->key, &guest->parting);
    if (rc == 0)
        rc = directory_joined(worker, guest->key, cv_session_config(session)->key,
                              &guest->unlisting);
    return rc < 0 ? rc : server_found(worker, guest->key, true);
}

/* Makes the tunnel and joins; on failure everything is undone. */
static int join(struct guest *guest, const struct cv_front_guest *from)
{
    struct worker *worker = guest->worker;
    int rc = open_tunnel(guest, from);

    if (rc < 0)
        return rc;
    if (!guest->is_peer) /* which announces clients by itself */
        cv_tunnel_may_rest(guest->resident.tunnel);
    cv_list_push_back(&worker->guests, &guest->link);
    rc = enlist(guest);
    if (rc < 0) /* on_closed() frees the guest */
        cv_tunnel_close(guest->resident.tunnel, cv_ending_of(rc, 0));
    return 0;
}

/* With what it came in by; NULL without memory. */
static struct guest *make_guest(struct worker *worker, const struct cv_front_guest *from)
{
    struct guest *guest = cv_alloc_zero(&worker->loop.alloc, sizeof(*guest));
    size_t size = from->subject ? strlen(from->subject) + 1 : 0;

    if (!guest)
        return NULL;
    cv_list_init(&guest->link);
    guest->worker = worker;
    guest->since = cv_loop_now(&worker->loop);
    guest->is_peer = from->peer;
    snprintf(guest->key, sizeof(guest->key), "%s", from->key);
    snprintf(guest->peer, sizeof(guest->peer), "%s", cv_stream_peer(from->stream));
    snprintf(guest->version, sizeof(guest->version), "%s", from->version ? from->version : "");
    guest->has_digest = from->digest != NULL;
    if (from->digest)
        memcpy(guest->digest, from->digest, sizeof(guest->digest));
    if (from->peer) {
        guest->announces = peering_knows(worker->server->peering, from->key, from->digest);
        guest->dials = directory_knows(worker->server->directory, from->digest);
    }
    if (size) {
        guest->subject = cv_alloc(&worker->loop.alloc, size);
        if (!guest->subject) {
            free_guest(guest);
            return NULL;
        }
        memcpy(guest->subject, from->subject, size);
    }
    return guest;
}

static struct cv_access_answer credential_of(const struct guest *guest)
{
    return admit_access(guest->worker->credentials, guest->has_digest ? guest->digest : NULL,
                        guest->subject, guest->key);
}

/* The wall clock may be set meanwhile, so it is looked at this often at least. */
#define EXPIRY_LOOK 3600 /* seconds */

static void recheck(struct guest *guest);

static void on_expiry(void *ctx)
{
    recheck(ctx);
}

void guest_await_expiry(struct cv_timer *timer, int64_t expires)
{
    int64_t left = expires - cv_wall_clock();

    cv_timer_unref(timer);
    if (left < 1)
        left = 1;
    if (left > EXPIRY_LOOK)
        left = EXPIRY_LOOK;
    cv_timer_set(timer, (uint64_t)left * CV_SEC);
}

/* Looks again when @expires, seconds since 1970, is there. */
static void watch_expiry(struct guest *guest, int64_t expires)
{
    int rc = 0;

    if (expires == CV_EXPIRES_NEVER) {
        cv_timer_free(guest->expiry);
        guest->expiry = NULL;
        return;
    }
    if (!guest->expiry)
        rc = cv_timer_new(&guest->expiry, &guest->worker->loop, on_expiry, guest);
    if (rc < 0) {
        cv_log_about(log_of(guest), CV_LOG_ERROR, ABOUT(guest),
                     "client %s: its expiry is not watched: %s", guest->key, cv_strerror(rc));
        return;
    }
    guest_await_expiry(guest->expiry, expires);
}

static void recheck_peer(struct guest *guest)
{
    if (guest->dials || peering_knows(guest->worker->server->peering, guest->key, guest->digest))
        return;
    cv_log_about(log_of(guest), CV_LOG_WARN, ABOUT(guest), "peer %s: it is no peer any more",
                 guest->key);
    cv_tunnel_close(guest->resident.tunnel, CV_ENDING_NO_PEER);
}

/* The server's limit of a session, or the credential's where that is lower. */
static void limit_conns(struct guest *guest, const struct cv_credential *credential)
{
    uint64_t max = guest->worker->server->config->limits.max_conns_per_session;

    if (credential && credential->max_conns && credential->max_conns < max)
        max = credential->max_conns;
    cv_session_limit_conns(cv_tunnel_session(guest->resident.tunnel), (uint32_t)max);
}

/* Ends a session whose credential is gone or has expired. */
static void recheck(struct guest *guest)
{
    struct cv_access_answer answer;

    if (guest->is_peer) {
        recheck_peer(guest);
        return;
    }
    answer = credential_of(guest);
    if (answer.why == CV_ACCESS_OK) {
        limit_conns(guest, answer.credential);
        watch_expiry(guest, answer.credential ? answer.credential->expires : CV_EXPIRES_NEVER);
        return;
    }
    cv_log_about(log_of(guest), CV_LOG_WARN, ABOUT(guest), "client %s: its credential is gone: %s",
                 guest->key, cv_access_text(answer.why));
    cv_tunnel_close(guest->resident.tunnel, CV_ENDING_CREDENTIAL);
}

void guests_recheck(struct worker *worker)
{
    cv_list_each_safe (link, &worker->guests)
        recheck(cv_container_of(link, struct guest, link));
}

/* Asks for what its handshake wants published. */
static void publish(struct guest *guest, const char *wanted)
{
    const struct publish_request request = {.id = guest->id,
                                            .key = guest->key,
                                            .digest = guest->has_digest ? guest->digest : NULL,
                                            .subject = guest->subject,
                                            .wanted = wanted};

    if (!wanted || guest->is_peer || guest->id == 0)
        return;
    if (publish_asked(guest->worker, &request, &guest->withdrawal) < 0)
        cv_log_about(log_of(guest), CV_LOG_ERROR, ABOUT(guest),
                     "client %s: nothing is published: out of memory", guest->key);
}

void guest_published(struct worker *worker, uint64_t id, uint32_t number, bool granted,
                     const char *text)
{
    struct cv_list *link = worker->guests.prev; /* it is mostly one of the last that came */
    struct guest *guest;
    int rc;

    while (link != &worker->guests && cv_container_of(link, struct guest, link)->id != id)
        link = link->prev;
    if (link == &worker->guests)
        return;
    guest = cv_container_of(link, struct guest, link);
    rc = cv_session_published(cv_tunnel_session(guest->resident.tunnel), number, granted, text);
    if (rc == 0)
        cv_tunnel_touch(guest->resident.tunnel);
    else if (rc != CV_ECLOSED)
        cv_tunnel_close(guest->resident.tunnel, CV_ENDING_UNREAD);
}

void guest_welcome(struct worker *worker, const struct cv_front_guest *from)
{
    struct guest *guest = make_guest(worker, from);
    char peer[CV_ADDRESS_SIZE];
    int rc = -ENOMEM;

    snprintf(peer, sizeof(peer), "%s", cv_stream_peer(from->stream));
    if (guest)
        rc = join(guest, from);
    else
        cv_stream_close(from->stream);
    if (rc < 0) {
        cv_log_about(&worker->loop.log, CV_LOG_ERROR, &(struct cv_log_about){.client = from->key},
                     "client %s from %s: %s", from->key, peer, cv_strerror(rc));
        if (guest)
            free_guest(guest);
        return;
    }
    cv_log_about(&worker->loop.log, CV_LOG_INFO, ABOUT(guest), "%s %s: session %llu up from %s%s",
                 kind_of(guest), guest->key, (unsigned long long)guest->id, peer,
                 from->culvert ? "" : " (no Culvert)");
    publish(guest, from->publish);
    recheck(guest);
    guests_wake(worker);
}

void guests_dismiss(struct worker *worker, enum cv_ending ending)
{
    cv_list_each_safe (link, &worker->guests)
        cv_tunnel_close(cv_container_of(link, struct guest, link)->resident.tunnel, ending);
}

/* Between the word to peers and the end of a session: dials of theirs that are under way. */
#define PARTING_GRACE (500 * CV_MSEC)
#define PARTING_TICK  (20 * CV_MSEC) /* agents whose moments are closer are told together */

static void withdraw(struct guest *guest)
{
    struct worker *worker = guest->worker;

    guest->withdrawn = true;
    if (!worker->server->peering)
        return;
    if (cv_manager_withdraw(worker->manager, guest->id) < 0)
        return; /* it is going already */
    peering_parted(worker, guest->parting);
    guest->parting = NULL;
    directory_parted(worker, guest->unlisting);
    guest->unlisting = NULL;
    guest->parts_at = cv_loop_now(&worker->loop) + PARTING_GRACE;
}

/* Whether it is told; else it is to be looked at again. */
static bool part(struct guest *guest, uint64_t now)
{
    if (guest->told)
        return true;
    if (guest->parts_at <= now && !guest->withdrawn)
        withdraw(guest);
    if (guest->parts_at > now || cv_session_conns(cv_tunnel_session(guest->resident.tunnel)) > 0)
        return false;
    guest->told = true;
    cv_tunnel_close(guest->resident.tunnel, CV_ENDING_STOPS);
    return true;
}

static void on_parting(void *ctx)
{
    struct worker *worker = ctx;
    bool some_left = false;

    cv_list_each_safe (link, &worker->guests) {
        struct guest *guest = cv_container_of(link, struct guest, link);

        if (!guest->is_peer && !part(guest, cv_loop_now(&worker->loop)))
            some_left = true;
    }
    guests_wake(worker);
    if (some_left)
        cv_timer_set(worker->parting, PARTING_TICK);
}

void guests_part(struct worker *worker, uint64_t window)
{
    uint64_t now = cv_loop_now(&worker->loop);
    int rc = cv_timer_new(&worker->parting, &worker->loop, on_parting, worker);

    if (rc < 0) { /* they are told at the end */
        cv_log(&worker->loop.log, CV_LOG_ERROR, "drain: %s", cv_strerror(rc));
        return;
    }
    cv_list_each (link, &worker->guests)
        cv_container_of(link, struct guest, link)->parts_at =
            now + cv_random_below(&worker->loop.random, window);
    on_parting(worker);
}

void guests_each(struct worker *worker, void (*each)(void *ctx, const struct guest_info *info),
                 void *ctx)
{
    cv_list_each (link, &worker->guests) {
        const struct guest *guest = cv_container_of(link, struct guest, link);
        each(ctx,
             &(struct guest_info){.id = guest->id,
                                  .key = guest->key,
                                  .peer = guest->peer,
                                  .version = guest->version[0] ? guest->version : NULL,
                                  .session = cv_tunnel_session(guest->resident.tunnel),
                                  .tunnel = guest->resident.tunnel,
                                  .since = guest->since,
                                  .is_peer = guest->is_peer,
                                  .announced = cv_manager_announces(worker->manager, guest->id)});
    }
}

unsigned guests_kick(struct worker *worker, const char *key)
{
    unsigned found = 0;

    cv_list_each_safe (link, &worker->guests) {
        struct guest *guest = cv_container_of(link, struct guest, link);

        if (guest->is_peer || strcmp(guest->key, key) != 0)
            continue;
        cv_tunnel_close(guest->resident.tunnel, CV_ENDING_KILLED);
        found++;
    }
    return found;
}

void guests_probe(struct worker *worker, enum cv_member_kind kind, const char *key)
{
    cv_manager_probe(worker->manager, kind, key, cv_loop_now(&worker->loop));
    guests_wake(worker);
}

struct cv_tunnel *guest_tunnel(void *owner)
{
    return ((struct resident *)owner)->tunnel;
}

int guest_may_dial(void *owner, const struct cv_target *target)
{
    const struct guest *guest = owner;
    struct cv_access_answer answer;

    if (guest->is_peer) /* which asks the agent's credential itself */
        return 0;
    answer = credential_of(guest);
    if (answer.why != CV_ACCESS_OK)
        return CV_EDENIED;
    if (!answer.credential)
        return 0;
    return cv_access_may_dial(answer.credential, guest->key, strlen(guest->key), target)
               ? 0
               : CV_EDENIED;
}
