#include "places.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "access/target.h"
#include "base/table.h"
#include "net/address.h"
#include "net/log.h"
#include "net/timer.h"
#include "server.h"
#include "visit.h"

#define RETRY      (10 * CV_SEC) /* until a port that could not be opened is tried again */
#define HOST_SIZE  (CV_HOST_MAX + 1)
#define WHERE_SIZE (HOST_SIZE + CV_ADDRESS_SIZE + 64)

/* A name that is exposed, for the HTTP doors of all workers. */
struct name {
    UT_hash_handle hh;
    char text[HOST_SIZE];
    char client[CV_KEY_MAX + 1];
    char address[sizeof(((struct cv_upstream_target *)0)->address)];
};

struct places {
    struct server *server; /* borrowed */
    const struct cv_alloc *alloc;
    struct place *table;
    struct cv_timer *retry; /* owned */
    bool closed;
    struct name *names;       /* under the server's lock */
    atomic_size_t name_count; /* so that no lock is taken where there is none */
};

/* A place of a port stays when nobody wants it any more: there are no more ports than there are. */
struct place {
    UT_hash_handle hh;
    struct places *places;       /* borrowed */
    struct cv_list claims;       /* permitted ones, the oldest first */
    struct claim *holder;        /* whose target visitors get; NULL: it is not open */
    char client[CV_KEY_MAX + 1]; /* who has it; empty: nobody */
    struct cv_listener *listener;
    bool http;
    uint16_t port;
    uint64_t state; /* grows with everything that claims are told */
    char where[WHERE_SIZE];
    char why[160]; /* what keeps it from being open; empty: nothing */
    char door[WHERE_SIZE + 16];
    char key[HOST_SIZE + 8]; /* `tcp:8022`, `http:app.example` */
};

static const struct visit_way published_way = {.answer = NULL};

static struct worker *first_of(const struct places *places)
{
    return &places->server->workers[0];
}

static const struct cv_log *log_of(const struct place *place)
{
    return &first_of(place->places)->loop.log;
}

#define NAME_PREFIX "http:" /* of the key of a name */

static const char *name_of(const struct place *place)
{
    return place->key + strlen(NAME_PREFIX);
}

/* Names. */

static void lower_name(char out[HOST_SIZE], const char *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (char)tolower((unsigned char)at[i]);
    out[len] = '\0';
}

static struct name *find_name(const struct places *places, const char *text)
{
    struct name *name;

    HASH_FIND_STR(places->names, text, name);
    return name;
}

bool places_find(struct places *places, struct cv_slice host, struct cv_upstream_target *out)
{
    const struct name *name;
    char text[HOST_SIZE];

    if (atomic_load(&places->name_count) == 0 || host.len == 0 || host.len > CV_HOST_MAX)
        return false;
    lower_name(text, host.at, host.len);
    uv_mutex_lock(&places->server->lock);
    name = find_name(places, text);
    if (name && out) {
        memcpy(out->client, name->client, sizeof(name->client));
        memcpy(out->address, name->address, sizeof(name->address));
    }
    uv_mutex_unlock(&places->server->lock);
    return name != NULL;
}

/* Lets the name lead where @claim says. */
static int put_name(const struct place *place, const struct claim *claim)
{
    struct places *places = place->places;
    const struct cv_alloc *table_alloc = places->alloc;
    struct name *name;

    uv_mutex_lock(&places->server->lock);
    name = find_name(places, name_of(place));
    if (!name && (name = cv_alloc_zero(places->alloc, sizeof(*name)))) {
        snprintf(name->text, sizeof(name->text), "%s", name_of(place));
        HASH_ADD_STR(places->names, text, name);
        if (cv_table_added(name)) {
            atomic_fetch_add(&places->name_count, 1);
        } else {
            cv_free(places->alloc, name);
            name = NULL;
        }
    }
    if (name) {
        snprintf(name->client, sizeof(name->client), "%s", claim->client);
        snprintf(name->address, sizeof(name->address), "%s", claim->asked.address.at);
    }
    uv_mutex_unlock(&places->server->lock);
    return name ? 0 : -ENOMEM;
}

static void remove_name(const struct place *place)
{
    struct places *places = place->places;
    const struct cv_alloc *table_alloc = places->alloc;
    struct name *name;

    uv_mutex_lock(&places->server->lock);
    name = find_name(places, name_of(place));
    if (name) {
        HASH_DEL(places->names, name);
        atomic_fetch_sub(&places->name_count, 1);
        cv_free(places->alloc, name);
    }
    uv_mutex_unlock(&places->server->lock);
}

static int open_name(struct place *place, const struct claim *claim, const char **why)
{
    const struct worker *first = first_of(place->places);
    const struct cv_route_rules *routes = &place->places->server->rules->config->routes;
    const char *text = name_of(place);
    int rc;

    for (size_t i = 0; i < routes->count; i++)
        if (!routes->at[i].tls && strcasecmp(routes->at[i].host, text) == 0) {
            *why = "the name is a route of the server's own";
            return -EEXIST;
        }
    rc = put_name(place, claim);
    *why = cv_strerror(rc);
    snprintf(place->where, sizeof(place->where), "http%s://%s/ by the front door, %s",
             place->places->server->tls ? "s" : "", text,
             first->listener_count ? cv_listener_address(first->listeners[0]) : "");
    return rc;
}

/* Ports. */

static void on_visitor(void *ctx, int fd, const char *peer)
{
    struct place *place = ctx;

    visit_start(first_of(place->places),
                &(struct visit_options){.way = &published_way,
                                        .door = place->door,
                                        .peer = peer,
                                        .client = place->client,
                                        .proto = CV_PROTO_TCP,
                                        .address = place->holder->asked.address.at,
                                        .fd = fd,
                                        .from = CV_ROUTE_VISITOR});
}

static bool is_forward(const struct server *server, uint16_t port)
{
    const struct cv_forwards *forwards = &server->rules->config->forwards;
    char text[8];

    snprintf(text, sizeof(text), ":%u", (unsigned)port);
    for (size_t i = 0; i < forwards->count; i++) {
        const char *colon = strrchr(forwards->at[i].listen, ':');

        if (colon && strcmp(colon, text) == 0)
            return true;
    }
    return false;
}

static int open_port(struct place *place, const char **why)
{
    const struct server *server = place->places->server;
    char address[CV_ADDRESS_SIZE];
    int rc;

    snprintf(address, sizeof(address), "%s:%u", server->config->publish_address,
             (unsigned)place->port);
    rc = cv_listener_new(&place->listener, &first_of(place->places)->loop, address, on_visitor,
                         place);
    if (rc == 0) {
        snprintf(place->where, sizeof(place->where), "%s", cv_listener_address(place->listener));
        if (place->door[0] == '\0') /* once: visits of before read it on other threads */
            snprintf(place->door, sizeof(place->door), "%s, published", place->where);
        return 0;
    }
    *why = rc == -EADDRINUSE && is_forward(server, place->port)
               ? "the port is a forward of the server's own"
               : cv_strerror(rc);
    cv_timer_set(place->places->retry, RETRY);
    cv_timer_unref(place->places->retry);
    return rc;
}

/* Who has it. */

static void close_place(struct place *place)
{
    struct server *server = place->places->server;

    if (place->http)
        remove_name(place);
    cv_listener_close(place->listener);
    place->listener = NULL;
    cv_log_about(log_of(place), CV_LOG_INFO, &(struct cv_log_about){.client = place->client},
                 "publish: %s for client %s withdrawn", place->key, place->client);
    admin_event(server->admin, "withdrawn", place->client, place->key);
    place->client[0] = '\0';
    place->holder = NULL;
    place->state++;
}

/* Keeps in mind why it cannot be opened. */
static void stays_closed(struct place *place, const char *why)
{
    if (strcmp(place->why, why) != 0)
        place->state++;
    snprintf(place->why, sizeof(place->why), "%s", why);
}

static void open_place(struct place *place, struct claim *claim)
{
    const char *why = NULL;
    int rc = place->http ? open_name(place, claim, &why) : open_port(place, &why);

    if (rc < 0) {
        stays_closed(place, why);
        return;
    }
    place->why[0] = '\0';
    place->state++;
    place->holder = claim;
    snprintf(place->client, sizeof(place->client), "%s", claim->client);
    cv_log_about(log_of(place), CV_LOG_INFO, &(struct cv_log_about){.client = place->client},
                 "publish: %s for client %s, at %s to %s", place->key, place->client, place->where,
                 claim->asked.address.at);
    admin_event(place->places->server->admin, "published", place->client, place->key);
}

/* Visitors get the target of @claim from now on, of the same client. */
static void pass_on(struct place *place, struct claim *claim)
{
    if (place->http && put_name(place, claim) < 0)
        return; /* it is there already: no memory is needed */
    place->holder = claim;
}

static struct claim *newest_of(const struct place *place, const char *client)
{
    struct claim *newest = NULL;

    cv_list_each (link, &place->claims) {
        struct claim *claim = cv_container_of(link, struct claim, link);

        if (strcmp(claim->client, client) == 0)
            newest = claim;
    }
    return newest;
}

static void tell(const struct place *place, struct claim *claim)
{
    char text[CV_KEY_MAX + 64];

    if (claim->told == place->state)
        return;
    claim->told = place->state;
    if (!place->holder) {
        publish_tell(claim, false, place->why);
    } else if (strcmp(claim->client, place->client) == 0) {
        publish_tell(claim, true, place->where);
    } else {
        snprintf(text, sizeof(text), "it is published by client %s; this one waits", place->client);
        publish_tell(claim, false, text);
    }
}

static void place_free(struct place *place)
{
    struct places *places = place->places;
    const struct cv_alloc *table_alloc = places->alloc;

    HASH_DEL(places->table, place);
    cv_free(places->alloc, place);
}

/* Finds out who has the place now, and tells everybody for whom that is news. It may be gone
 * after it. */
static void settle(struct place *place)
{
    struct claim *heir = newest_of(place, place->client);

    if (place->client[0] && !heir)
        close_place(place);
    else if (heir && heir != place->holder)
        pass_on(place, heir);
    if (!place->client[0] && !cv_list_empty(&place->claims)) {
        heir = cv_container_of(place->claims.next, struct claim, link);
        open_place(place, newest_of(place, heir->client));
    }
    cv_list_each (link, &place->claims)
        tell(place, cv_container_of(link, struct claim, link));
    if (place->http && cv_list_empty(&place->claims))
        place_free(place);
}

static struct place *place_for(struct places *places, const struct cv_publication *asked)
{
    const struct cv_alloc *table_alloc = places->alloc;
    char key[HOST_SIZE + 8] = NAME_PREFIX;
    struct place *place;

    if (asked->http)
        lower_name(key + strlen(NAME_PREFIX), asked->name.at, asked->name.len);
    else
        snprintf(key, sizeof(key), "tcp:%u", (unsigned)asked->port);
    HASH_FIND_STR(places->table, key, place);
    if (place)
        return place;
    place = cv_alloc_zero(places->alloc, sizeof(*place));
    if (!place)
        return NULL;
    place->places = places;
    place->http = asked->http;
    place->port = asked->port;
    place->state = 1;
    cv_list_init(&place->claims);
    memcpy(place->key, key, sizeof(key));
    HASH_ADD_STR(places->table, key, place);
    if (cv_table_added(place))
        return place;
    cv_free(places->alloc, place);
    return NULL;
}

void places_enter(struct places *places, struct claim *claim)
{
    struct place *place = places->closed ? NULL : place_for(places, &claim->asked);

    if (!place) {
        publish_tell(claim, false, places->closed ? "the server stops" : "out of memory");
        return;
    }
    claim->place = place;
    claim->told = 0;
    cv_list_push_back(&place->claims, &claim->link);
    settle(place);
}

void places_leave(struct places *places, struct claim *claim)
{
    struct place *place = claim->place;

    if (!place)
        return;
    cv_list_remove(&claim->link);
    claim->place = NULL;
    if (!places->closed)
        settle(place);
}

void places_retry(struct places *places)
{
    struct place *place, *next;

    if (places->closed)
        return;
    HASH_ITER (hh, places->table, place, next)
        settle(place);
}

static void on_retry(void *ctx)
{
    places_retry(ctx);
}

void places_each(struct places *places, void (*each)(void *ctx, const struct publish_info *info),
                 void *ctx)
{
    struct place *place, *next;

    HASH_ITER (hh, places->table, place, next)
        if (place->holder)
            each(ctx, &(struct publish_info){.http = place->http,
                                             .where = place->http ? name_of(place) : place->where,
                                             .client = place->client,
                                             .address = place->holder->asked.address.at});
}

/* Beginning and end. */

int places_new(struct places **out, struct server *server)
{
    struct places *places = calloc(1, sizeof(*places));
    int rc;

    if (!places)
        return -ENOMEM;
    places->server = server;
    places->alloc = &server->workers[0].loop.alloc;
    rc = cv_timer_new(&places->retry, &server->workers[0].loop, on_retry, places);
    if (rc < 0) {
        free(places);
        return rc;
    }
    *out = places;
    return 0;
}

void places_close(struct places *places)
{
    struct place *place, *next;

    if (places->closed)
        return;
    HASH_ITER (hh, places->table, place, next)
        if (place->holder)
            close_place(place);
    places->closed = true;
    cv_timer_free(places->retry);
    places->retry = NULL;
}

void places_free(struct places *places)
{
    struct place *place, *next;

    if (!places)
        return;
    HASH_ITER (hh, places->table, place, next)
        place_free(place);
    free(places);
}
