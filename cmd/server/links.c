#include "links.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "http/uplink.h"
#include "net/log.h"
#include "server.h"
#include "session_end.h"

#define REFUSED_WAIT (1 * CV_SEC) /* until a server that refused us is dialled anew */

struct link {
    struct resident resident; /* first */
    struct cv_list in_list;   /* the links'; alone once it is given up */
    struct links *links;      /* borrowed */
    struct cv_arena arena;    /* of the URL */
    struct cv_urls url;       /* one */
    char id[CV_KEY_MAX + 1];
    uint64_t incarnation;
    uint64_t number; /* of its session, for the log */
    struct cv_uplink *uplink;
    struct cv_list waiters;
    uint64_t used_at;
    uint64_t again_at; /* it was refused, and is not dialled before; 0: it was not */
    struct cv_log_limit complaints;
};

static void link_free(struct link *link)
{
    cv_list_remove(&link->in_list);
    cv_arena_deinit(&link->arena);
    free(link);
}

static void tell_all(struct link *link, const struct cv_route *route, const char *why)
{
    struct cv_list *first;

    while ((first = cv_list_pop(&link->waiters))) {
        struct link_waiter *waiter = cv_container_of(first, struct link_waiter, link);

        waiter->ready(waiter, route, why);
    }
}

static struct cv_route route_of(struct link *link)
{
    struct cv_session *session = cv_tunnel_session(link->resident.tunnel);

    link->used_at = cv_loop_now(&link->links->worker->loop);
    return (struct cv_route){.id = link->number,
                             .session = session,
                             .owner = link,
                             .healthy = !cv_session_silent(session, link->used_at)};
}

/* The uplink's. */

static uint64_t number(void *ctx, struct cv_tunnel *tunnel)
{
    struct link *link = ctx;

    (void)tunnel;
    link->number = cv_manager_take_number(link->links->worker->manager);
    return link->number;
}

static void on_up(void *ctx, struct cv_tunnel *tunnel)
{
    struct link *link = ctx;
    struct cv_route route;

    link->resident.tunnel = tunnel;
    route = route_of(link);
    tell_all(link, &route, NULL);
}

static void on_event(void *ctx, struct cv_tunnel *tunnel, const struct cv_session_event *event)
{
    struct link *link = ctx;
    const struct session_end end = {.worker = link->links->worker,
                                    .kind = "server",
                                    .name = link->id,
                                    .complaints = &link->complaints};

    session_end_event(&end, tunnel, event);
}

static void on_down(void *ctx, struct cv_tunnel *tunnel, int error, const char *why)
{
    struct link *link = ctx;
    bool given_up = cv_list_empty(&link->in_list);

    (void)tunnel, (void)error, (void)why;
    cv_list_remove(&link->in_list);
    if (!given_up)
        cv_uplink_close(link->uplink); /* it is dialled anew when it is wanted */
    tell_all(link, NULL, "its session ended");
    link_free(link);
}

static bool on_refused(void *ctx, const struct cv_upgrade_end *end)
{
    struct link *link = ctx;
    uint64_t now = cv_loop_now(&link->links->worker->loop);

    cv_log_cause(&link->links->worker->loop, CV_CAUSE_LINK,
                 &(struct cv_log_about){.client = link->id}, "server %s at %s: %s", link->id,
                 link->url.at[0].text, end->text);
    link->uplink = NULL;
    link->again_at = now + REFUSED_WAIT;
    if (cv_list_empty(&link->in_list)) /* given up */
        link_free(link);
    else
        tell_all(link, NULL, end->text);
    return false;
}

/* Dialling. */

static int dial(struct link *link)
{
    struct links *links = link->links;
    const struct server *server = links->worker->server;
    const struct cv_url *url = &link->url.at[0];
    struct cv_uplink_config uplink = {
        .url = url->text,
        .outbound = {.host = url->host,
                     .port = url->port,
                     .tls = url->tls,
                     .insecure = server->config->peer_insecure,
                     .ca_file = server->config->peer_ca,
                     .timeout = 5 * CV_SEC},
        .target = url->target,
        .key = server->config->peer_id,
        .key_header = "X-API-Tunnel-ID",
        .headers = &links->token,
        .header_count = 1,
        .session = cv_session_defaults(CV_SESSION_DIALLER),
        .client = link->id,
        .refused = on_refused,
        .number = number,
        .up = on_up,
        .event = on_event,
        .down = on_down,
        .ctx = link,
    };

    snprintf(uplink.session.name, sizeof(uplink.session.name), "%s", link->id);
    uplink.session.max_conns = (uint32_t)server->config->limits.max_conns_per_session;
    uplink.session.parent = &links->worker->server->budget;
    return cv_uplink_new(&link->uplink, &links->worker->loop, links->outbound, &uplink);
}

static int link_new(struct link **out, struct links *links, const char *id, uint64_t incarnation,
                    const char *url)
{
    struct link *link = calloc(1, sizeof(*link));
    struct cv_taking taking = {.problem = NULL};
    const char *copy;
    int rc = -ENOMEM;

    if (!link)
        return -ENOMEM;
    link->links = links;
    link->incarnation = incarnation;
    snprintf(link->id, sizeof(link->id), "%s", id);
    cv_list_init(&link->in_list);
    cv_list_init(&link->waiters);
    cv_arena_init(&link->arena, &links->worker->loop.alloc);
    taking.arena = &link->arena;
    copy = cv_arena_copy(&link->arena, url, strlen(url));
    if (copy)
        rc = cv_take_url(&taking, &link->url, copy);
    if (rc == 0)
        rc = dial(link);
    if (rc < 0) {
        link_free(link);
        return rc;
    }
    cv_list_push_back(&links->list, &link->in_list);
    *out = link;
    return 0;
}

static struct link *find(const struct links *links, const char *id)
{
    cv_list_each (entry, &links->list) {
        struct link *link = cv_container_of(entry, struct link, in_list);

        if (strcmp(link->id, id) == 0)
            return link;
    }
    return NULL;
}

static void give_up(struct link *link)
{
    bool stands = link->resident.tunnel != NULL;

    cv_list_remove(&link->in_list);
    if (link->again_at) {
        link_free(link);
        return;
    }
    cv_uplink_close(link->uplink); /* may call on_down() when a session stands */
    if (stands)
        return;
    tell_all(link, NULL, "this server stops");
    link_free(link);
}

/* Whether it is to be dialled anew: its session is over, though that is yet to be told, or it was
 * refused some time ago. One that is full goes on. */
static bool is_ending(const struct link *link)
{
    const struct cv_session *session =
        link->resident.tunnel ? cv_tunnel_session(link->resident.tunnel) : NULL;

    if (link->again_at)
        return cv_loop_now(&link->links->worker->loop) >= link->again_at;
    return session && !cv_session_usable(session) && !cv_session_full(session);
}

void links_want(struct links *links, const char *id, uint64_t incarnation, const char *url,
                struct link_waiter *waiter)
{
    struct link *link = find(links, id);
    int rc = 0;

    cv_list_init(&waiter->link);
    if (link && (link->incarnation != incarnation || is_ending(link))) {
        give_up(link);
        link = NULL;
    }
    if (!link)
        rc = link_new(&link, links, id, incarnation, url);
    if (rc < 0) {
        waiter->ready(waiter, NULL, cv_strerror(rc));
    } else if (link->again_at) {
        waiter->ready(waiter, NULL, "it refused this server a moment ago");
    } else if (link->resident.tunnel) {
        struct cv_route route = route_of(link);

        waiter->ready(waiter, &route, NULL);
    } else {
        cv_list_push_back(&link->waiters, &waiter->link);
    }
}

void links_unwant(struct link_waiter *waiter)
{
    cv_list_remove(&waiter->link);
}

/* Ending. */

/* Whether nobody has a use for it. One that is being dialled has. */
static bool is_idle(struct link *link, uint64_t now)
{
    if (link->again_at)
        return is_ending(link);
    if (!link->resident.tunnel)
        return false;
    if (cv_session_conns(cv_tunnel_session(link->resident.tunnel)) > 0)
        link->used_at = now;
    return now - link->used_at >= link->links->idle;
}

void links_sweep(struct links *links)
{
    uint64_t now = cv_loop_now(&links->worker->loop);

    cv_list_each_safe (entry, &links->list) {
        struct link *link = cv_container_of(entry, struct link, in_list);

        if (is_idle(link, now))
            give_up(link);
    }
}

void links_close(struct links *links)
{
    cv_list_each_safe (entry, &links->list)
        give_up(cv_container_of(entry, struct link, in_list));
}

unsigned links_count(const struct links *links)
{
    unsigned count = 0;

    cv_list_each (entry, &links->list)
        count += !cv_container_of(entry, struct link, in_list)->again_at;
    return count;
}

const char *links_state(const struct links *links, const char *id)
{
    const struct link *link = find(links, id);

    if (!link)
        return NULL;
    if (link->again_at)
        return "refused";
    return link->resident.tunnel ? "up" : "dialling";
}
