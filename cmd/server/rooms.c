#include "rooms.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/digest.h"
#include "net/log.h"
#include "secret.h"
#include "server.h"

struct rooms {
    struct cv_loop *loop; /* borrowed */
    struct cv_tls *tls;   /* NULL: plain */
    struct cv_bye *bye;   /* NULL: nobody is told who is gone */
    struct cv_rooms_server *server;
};

static int fail(struct cv_config_error *error, const char *text)
{
    snprintf(error->line, sizeof(error->line), PROGRAM ": %s", text);
    return EXIT_USAGE;
}

static int open_server(struct rooms *rooms, const struct cv_server_config *config,
                       const struct secret *secret, struct cv_config_error *error)
{
    const struct cv_rooms_server_config how = {
        .loop = rooms->loop,
        .address = config->rooms.at[0],
        .tls = rooms->tls,
        .origins = config->rooms_origins.at,
        .origin_count = config->rooms_origins.count,
        .secret = config->rooms_secret ? secret->bytes : NULL,
        .secret_len = secret->len,
        .demo = config->rooms_demo,
        .bye = rooms->bye,
        .limits = {.max_rooms = (uint32_t)config->rooms_max,
                   .max_rooms_per_source = (uint32_t)config->rooms_max_per_source,
                   .max_bytes = (size_t)config->rooms_budget}};
    int rc = cv_rooms_server_new(&rooms->server, &how);

    if (rc < 0)
        return server_fail(error, EXIT_OPEN, config->rooms.at[0], rc);
    cv_log(&rooms->loop->log, CV_LOG_INFO, "rooms at %s%s", cv_rooms_server_address(rooms->server),
           rooms->tls ? ", TLS" : "");
    if (config->rooms_demo)
        cv_log(&rooms->loop->log, CV_LOG_INFO, "rooms: their page is at /demo");
    if (!config->rooms_secret)
        cv_log(&rooms->loop->log, CV_LOG_WARN,
               "rooms: without --rooms-secret anyone may use, listen to and delete any room");
    return EXIT_OK;
}

int rooms_open(struct rooms **out, struct cv_loop *loop, const struct cv_server_config *config,
               struct cv_config_error *error)
{
    const struct cv_tls_files files = {.cert = config->rooms_tls_cert,
                                       .key = config->rooms_tls_key};
    struct secret secret = {.len = 0};
    char text[300];
    int code;

    if (config->rooms.count == 0)
        return EXIT_OK;
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return server_fail(error, EXIT_RUNTIME, "rooms", UV_ENOMEM);
    (*out)->loop = loop;
    if (config->rooms_secret && secret_read(&secret, config->rooms_secret, text, sizeof(text)) < 0)
        return fail(error, text);
    if (config->rooms_tls_cert && cv_tls_new(&(*out)->tls, &files, text, sizeof(text)) < 0)
        return fail(error, text);
    if (config->rooms_bye.host && cv_bye_new(&(*out)->bye, loop, &config->rooms_bye) < 0)
        return server_fail(error, EXIT_RUNTIME, "rooms", UV_ENOMEM);
    code = open_server(*out, config, &secret, error);
    cv_secret_clear(&secret, sizeof(secret));
    return code;
}

struct listing {
    json_t *array, *last; /* last: borrowed, the object of the room that is being shown */
    const char *room;
};

static void add_to(json_t *object, const char *key, size_t more)
{
    json_t *value = json_object_get(object, key);

    json_integer_set(value, json_integer_value(value) + (json_int_t)more);
}

/* Clients come room by room. */
static void list_client(void *ctx, const struct cv_rooms_entry *entry)
{
    struct listing *listing = ctx;

    if (listing->room != entry->room.at) {
        listing->room = entry->room.at;
        listing->last = json_pack("{s:s%, s:i, s:i}", "room", entry->room.at, entry->room.len,
                                  "clients", 0, "queued", 0);
        if (json_array_append_new(listing->array, listing->last) < 0)
            listing->last = NULL;
    }
    add_to(listing->last, "clients", 1);
    add_to(listing->last, "queued", entry->bytes);
}

json_t *rooms_list(const struct rooms *rooms)
{
    struct listing listing = {.array = json_array()};

    if (rooms && listing.array)
        cv_rooms_each(cv_rooms_server_rooms(rooms->server), list_client, &listing);
    return listing.array;
}

void rooms_reload(struct rooms *rooms)
{
    char error[300];

    if (rooms && rooms->tls && cv_tls_reload(rooms->tls, error, sizeof(error)) < 0)
        cv_log(&rooms->loop->log, CV_LOG_ERROR, "reload: %s", error);
}

void rooms_close(struct rooms *rooms)
{
    if (!rooms)
        return;
    cv_rooms_server_close(rooms->server);
    cv_bye_close(rooms->bye);
}

void rooms_free(struct rooms *rooms)
{
    if (!rooms)
        return;
    cv_rooms_server_free(rooms->server);
    cv_bye_free(rooms->bye);
    cv_tls_free(rooms->tls);
    free(rooms);
}
