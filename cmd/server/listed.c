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
