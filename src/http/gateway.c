#include "http/gateway.h"

#include <errno.h>
#include <string.h>

#include "http/gateway_core.h"

static int find_route(const struct cv_gateway *gateway, const struct cv_http_head *head,
                      struct cv_slice path)
{
    return cv_http_route_find(gateway->routes.match, gateway->routes.count, head->host, path);
}

bool cv_gateway_published(const struct cv_gateway *gateway, struct cv_slice host,
                          struct cv_upstream_target *out)
{
    const struct cv_gateway_config *config = &gateway->config;

    return config->published && config->published(config->ctx, cv_http_route_name(host), out);
}

bool cv_gateway_claims(const struct cv_gateway *gateway, const struct cv_http_head *head)
{
    struct cv_slice path, query;

    if (cv_http_target_split(head->target, &path, &query) < 0)
        return false;
    if (cv_slice_is(path, "/connect") &&
        (cv_http_find(head, "X-Tunnel-ID") || cv_http_find(head, "X-API-Tunnel-ID") ||
         cv_http_find(head, CV_VISITOR_HEADER)))
        return false;
    return find_route(gateway, head, path) >= 0 ||
           cv_gateway_published(gateway, head->host, NULL) || cv_http_gate_is(path);
}

void cv_gateway_set_routes(struct cv_gateway *gateway, const struct cv_gateway_routes *routes)
{
    gateway->routes = *routes;
}

int cv_gateway_new(struct cv_gateway **out, const struct cv_gateway_config *config)
{
    struct cv_upstreams_config upstreams = {
        .loop = config->loop, .ca_file = config->ca_file, .dial = config->dial, .ctx = config->ctx};
    struct cv_gateway *gateway = cv_alloc_zero(&config->loop->alloc, sizeof(*gateway));
    int rc;

    if (!gateway)
        return -ENOMEM;
    gateway->config = *config;
    cv_list_init(&gateway->callers);
    rc = cv_upstreams_new(&gateway->upstreams, &upstreams);
    if (rc < 0) {
        cv_gateway_free(gateway);
        return rc;
    }
    *out = gateway;
    return 0;
}

void cv_gateway_drain(struct cv_gateway *gateway)
{
    gateway->draining = true;
    cv_upstreams_drain(gateway->upstreams);
    cv_list_each_safe (link, &gateway->callers) {
        struct cv_caller *caller = cv_container_of(link, struct cv_caller, link);

        caller->keep_alive = false;
        if (caller->state == CV_CALLER_HEAD)
            cv_caller_run(caller); /* what has come already counts */
    }
    cv_list_each_safe (link, &gateway->callers) {
        struct cv_caller *caller = cv_container_of(link, struct cv_caller, link);

        if (caller->state == CV_CALLER_HEAD && caller->in.len == 0)
            cv_caller_drop(caller);
    }
}

bool cv_gateway_busy(const struct cv_gateway *gateway)
{
    return gateway->caller_count > 0;
}

void cv_gateway_end(struct cv_gateway *gateway)
{
    gateway->draining = true; /* what has come and was not read yet begins nothing any more */
    cv_upstreams_drain(gateway->upstreams);
    cv_list_each_safe (link, &gateway->callers)
        cv_caller_drop(cv_container_of(link, struct cv_caller, link));
}

void cv_gateway_free(struct cv_gateway *gateway)
{
    if (!gateway)
        return;
    cv_upstreams_free(gateway->upstreams);
    cv_free(&gateway->config.loop->alloc, gateway);
}
