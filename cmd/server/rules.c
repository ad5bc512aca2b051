#include "rules.h"

#include <errno.h>
#include <stdlib.h>

static void rules_free(struct rules *rules)
{
    if (rules->config == &rules->own)
        cv_server_config_deinit(&rules->own);
    free(rules->match);
    free(rules->to);
    free(rules);
}

/* Sets out the routes of HTTP as the gateway wants them. */
static int set_out(struct rules *rules)
{
    const struct cv_route_rules *routes = &rules->config->routes;
    size_t count = 0;

    rules->match = calloc(routes->count + 1, sizeof(*rules->match));
    rules->to = calloc(routes->count + 1, sizeof(*rules->to));
    if (!rules->match || !rules->to)
        return -ENOMEM;
    for (size_t i = 0; i < routes->count; i++) {
        const struct cv_route_rule *rule = &routes->at[i];

        if (rule->tls) {
            rules->any_tls = true;
            continue;
        }
        rules->match[count] = (struct cv_http_route){.host = rule->host, .prefix = rule->prefix};
        rules->to[count++] =
            (struct cv_gateway_target){.client = rule->client, .address = rule->address};
    }
    rules->http =
        (struct cv_gateway_routes){.match = rules->match, .to = rules->to, .count = count};
    return 0;
}

int rules_new(struct rules **out, const struct cv_server_config *config)
{
    struct rules *rules = calloc(1, sizeof(*rules));

    if (!rules)
        return -ENOMEM;
    atomic_init(&rules->holders, 1);
    rules->config = config;
    if (set_out(rules) < 0) {
        rules_free(rules);
        return -ENOMEM;
    }
    *out = rules;
    return 0;
}

int rules_read(struct rules **out, const struct cv_server_config *start,
               struct cv_config_error *error)
{
    const struct cv_common_config *common = &start->common;
    struct rules *rules = calloc(1, sizeof(*rules));
    int rc;

    if (!rules)
        return cv_config_error_memory(error, common->program->name);
    atomic_init(&rules->holders, 1);
    rules->heap = cv_heap();
    rules->config = &rules->own;
    rc = cv_server_config_init(&rules->own, &rules->heap, common->argc, common->argv, error);
    if (rc == 0 && set_out(rules) < 0)
        rc = cv_config_error_memory(error, common->program->name);
    if (rc < 0) {
        rules_free(rules);
        return rc;
    }
    *out = rules;
    return 0;
}

struct rules *rules_hold(struct rules *rules)
{
    atomic_fetch_add(&rules->holders, 1);
    return rules;
}

void rules_release(struct rules *rules)
{
    if (rules && atomic_fetch_sub(&rules->holders, 1) == 1)
        rules_free(rules);
}
