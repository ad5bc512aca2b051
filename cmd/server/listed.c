#include "listed.h"

#include <stdio.h>

#include "server.h"

void listed_append(json_t *array, json_t *object)
{
    if (array && object)
        json_array_append_new(array, object);
    else
        json_decref(object);
}

static double seconds_since(struct worker *worker, uint64_t since)
{
    return (double)(cv_loop_now(&worker->loop) - since) / 1e6;
}

json_t *listed_rtt(uint64_t rtt)
{
    return rtt == CV_NEVER ? json_null() : json_real((double)rtt / 1e3);
}

json_t *listed_client(struct worker *worker, const struct guest_info *info)
{
    const struct cv_session_stats *stats = cv_session_stats(info->session);

    return json_pack("{s:s, s:I, s:s, s:s?, s:b, s:f, s:o, s:i, s:I, s:I, s:i, s:s}", "client",
                     info->key, "session", (json_int_t)info->id, "address", info->peer, "version",
                     info->version, "culvert", cv_session_config(info->session)->culvert, "seconds",
                     seconds_since(worker, info->since), "rtt_ms",
                     listed_rtt(cv_session_rtt(info->session)), "conns",
                     (int)cv_session_conns(info->session), "bytes_in", (json_int_t)stats->bytes_in,
                     "bytes_out", (json_int_t)stats->bytes_out, "worker", (int)worker->index,
                     "balance", cv_balance_name(worker_balance(worker, info->key)));
}

json_t *listed_conn(struct worker *worker, const struct visit_info *info)
{
    char target[CV_CONNECT_TARGET_MAX + 1];

    snprintf(target, sizeof(target), "%s/%s", cv_proto_name(info->proto), info->address);
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:f, s:i}", "id", (json_int_t)info->id,
                     "client", info->client, "door", info->door, "visitor", info->peer, "target",
                     target, "connection", (json_int_t)info->conn_id, "seconds",
                     seconds_since(worker, info->since), "worker", (int)worker->index);
}

/* Lists of one worker. */
struct listing {
    struct worker *worker;
    json_t *array;
};

static void list_client(void *ctx, const struct guest_info *info)
{
    const struct listing *listing = ctx;

    if (!info->is_peer)
        listed_append(listing->array, listed_client(listing->worker, info));
}

static void list_conn(void *ctx, const struct visit_info *info)
{
    const struct listing *listing = ctx;

    listed_append(listing->array, listed_conn(listing->worker, info));
}

/* A peer that dialled us. */
static void list_peer(void *ctx, const struct guest_info *info)
{
    const struct listing *listing = ctx;

    if (info->is_peer)
        listed_append(listing->array, json_pack("{s:s, s:s, s:s, s:s, s:i, s:f}", "peer", info->key,
                                                "direction", "in", "address", info->peer, "state",
                                                "up", "clients", (int)info->announced, "seconds",
                                                seconds_since(listing->worker, info->since)));
}

/* One that we dial. */
static void list_dialled(void *ctx, const struct peering_info *info)
{
    const struct listing *listing = ctx;

    listed_append(listing->array,
                  json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "peer", info->id,
                            "direction", "out", "address", info->url, "state",
                            info->joined ? "up" : "down", "attempts", (json_int_t)info->attempts,
                            "connected", (json_int_t)info->connected, "reconnects",
                            (json_int_t)(info->connected > 1 ? info->connected - 1 : 0),
                            "disconnected", (json_int_t)info->disconnected));
}

json_t *listed_clients(struct worker *worker)
{
    struct listing listing = {.worker = worker, .array = json_array()};

    guests_each(worker, list_client, &listing);
    return listing.array;
}

json_t *listed_conns(struct worker *worker)
{
    struct listing listing = {.worker = worker, .array = json_array()};

    visits_each(worker, list_conn, &listing);
    return listing.array;
}

json_t *listed_peers(struct worker *worker)
{
    struct listing listing = {.worker = worker, .array = json_array()};

    guests_each(worker, list_peer, &listing);
    if (worker->index == 0) /* who dials them all */
        peering_each(worker->server->peering, list_dialled, &listing);
    if (worker->index == 0)
        listed_members(worker->server, listing.array);
    return listing.array;
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
        listed_append(listing->array, json_pack("{s:b, s:s, s:s, s:s, s:s, s:b}", "tls", 0, "host",
                                                info->where, "prefix", "", "client", info->client,
                                                "target", info->address, "published", 1));
        return;
    }
    snprintf(target, sizeof(target), "tcp/%s", info->address);
    listed_append(listing->array, json_pack("{s:s, s:s, s:s, s:b}", "listen", info->where, "client",
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
        listed_append(array, json_pack("{s:s, s:s, s:s, s:b}", "listen", forward_address(forward),
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

        listed_append(array, json_pack("{s:b, s:s, s:s, s:s, s:s, s:b}", "tls", rule->tls, "host",
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

    listed_append(listing->array,
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
    listed_append(array, json_pack("{s:s, s:s, s:s, s:s, s:i}", "peer", "(Redis)", "direction",
                                   "directory", "address", info.url, "state", state, "clients",
                                   (int)stats->claims));
    cv_directory_each(info.core, list_member, &listing);
}
