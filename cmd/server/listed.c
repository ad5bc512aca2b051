#include "listed.h"

#include <stdio.h>

#include "server.h"

static void append(json_t *array, json_t *object)
{
    if (array && object)
        json_array_append_new(array, object);
    else
        json_decref(object);
}

/* An object for each, of what is asked for. */
struct published_listing {
    json_t *array;
    bool http;
};

static void list_published(void *ctx, const struct publish_info *info)
{
    const struct published_listing *listing = ctx;
    char target[CV_CONNECT_TARGET_MAX + 1];

    if (info->http != listing->http)
        return;
    if (info->http) {
        append(listing->array,
               json_pack("{s:b, s:s, s:s, s:s, s:s, s:b}", "tls", 0, "host", info->where, "prefix",
                         "", "client", info->client, "target", info->address, "published", 1));
        return;
    }
    snprintf(target, sizeof(target), "tcp/%s", info->address);
    append(listing->array, json_pack("{s:s, s:s, s:s, s:b}", "listen", info->where, "client",
                                     info->client, "target", target, "published", 1));
}

/* Adds what agents have published: names, or ports. */
static json_t *with_published(const struct server *server, json_t *array, bool http)
{
    struct published_listing listing = {.array = array, .http = http};

    publish_each(server->publish, list_published, &listing);
    return array;
}

json_t *listed_forwards(const struct server *server)
{
    json_t *array = json_array();
    char target[CV_CONNECT_TARGET_MAX + 1];

    cv_list_each (link, &server->workers[0].forwards) {
        const struct forward *forward = cv_container_of(link, struct forward, link);
        const struct cv_forward *rule = forward->rule;

        snprintf(target, sizeof(target), "%s/%s", cv_proto_name(rule->proto), rule->address);
        append(array, json_pack("{s:s, s:s, s:s, s:b}", "listen", forward_address(forward),
                                "client", rule->client, "target", target, "published", 0));
    }
    return with_published(server, array, false);
}

json_t *listed_routes(const struct server *server)
{
    const struct cv_route_rules *rules = &server->rules->config->routes;
    json_t *array = json_array();

    for (size_t i = 0; i < rules->count; i++) {
        const struct cv_route_rule *rule = &rules->at[i];

        append(array, json_pack("{s:b, s:s, s:s, s:s, s:s, s:b}", "tls", rule->tls, "host",
                                rule->host, "prefix", rule->prefix, "client", rule->client,
                                "target", rule->address, "published", 0));
    }
    return with_published(server, array, true);
}

/* The directory. */

json_t *listed_directory(const struct server *server)
{
    const struct cv_directory_stats *stats;
    struct directory_info info;

    if (!directory_info(server->directory, &info))
        return json_null();
    stats = cv_directory_stats(info.core);
    return json_pack("{s:s, s:b, s:s, s:f, s:f, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:I, s:I, "
                     "s:I, s:I, s:I, s:I, s:I, s:I}",
                     "url", info.url, "up", info.up, "why", info.why, "down_seconds",
                     (double)info.down_for / 1e6, "lag_ms", (double)stats->lag / 1e3, "members",
                     (int)stats->members, "links", (int)info.links, "cached", (int)stats->cached,
                     "watched", (int)stats->watched, "waiting", (int)stats->waiting, "claims",
                     (int)stats->claims, "unpublished", (int)stats->unpublished, "lookups",
                     (json_int_t)stats->lookups, "hits", (json_int_t)stats->hits, "coalesced",
                     (json_int_t)stats->coalesced, "changes", (json_int_t)stats->changes,
                     "commands", (json_int_t)stats->commands, "refused", (json_int_t)stats->refused,
                     "lost", (json_int_t)stats->lost, "failed", (json_int_t)stats->failed,
                     "timeouts", (json_int_t)stats->timeouts);
}

struct member_listing {
    const struct server *server;
    json_t *array;
    uint64_t now;
};

/* The lease is what is left of it at least, as far as we know. */
static void list_member(void *ctx, const struct cv_member_record *member)
{
    const struct member_listing *listing = ctx;
    const char *link = directory_link_state(listing->server->directory, member->id);
    uint64_t age = listing->now - member->seen_at;
    uint64_t lease = CV_DIRECTORY_MEMBER_LEASE > age ? CV_DIRECTORY_MEMBER_LEASE - age : 0;

    append(listing->array,
           json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:o}", "peer", member->id, "direction",
                     "directory", "address", member->url, "state",
                     member->is_self ? "this server" : (link ? link : "listed"), "clients",
                     (int)member->sessions, "version", member->version, "lease_seconds",
                     member->is_self ? json_null() : json_real((double)lease / 1e6)));
}

void listed_members(const struct server *server, json_t *array)
{
    struct member_listing listing = {
        .server = server, .array = array, .now = cv_loop_now(&server->workers[0].loop)};
    const struct cv_directory_stats *stats;
    struct directory_info info;
    char state[300];

    if (!directory_info(server->directory, &info))
        return;
    stats = cv_directory_stats(info.core);
    snprintf(state, sizeof(state), "%s, lag %.1f ms, %u keys cached%s%.180s",
             info.up ? "up" : "down", (double)stats->lag / 1e3, (unsigned)stats->cached,
             info.why[0] ? ": " : "", info.why);
    append(array,
           json_pack("{s:s, s:s, s:s, s:s, s:i}", "peer", "(Redis)", "direction", "directory",
                     "address", info.url, "state", state, "clients", (int)stats->claims));
    cv_directory_each(info.core, list_member, &listing);
}
