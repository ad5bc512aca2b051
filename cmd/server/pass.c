#include "pass.h"

#include <string.h>

#include "door/http_route.h"
#include "server.h"
#include "visit.h"

/* Nobody is told anything: whoever speaks TLS expects its target's. */
static const struct visit_way pass_way = {.answer = NULL};

int pass_route(void *ctx, const char *name)
{
    const struct worker *worker = ctx;
    const struct cv_route_rules *rules = &worker->rules->config->routes;
    struct cv_slice asked = cv_http_route_name((struct cv_slice){name, strlen(name)});
    size_t best_fit = 0;
    int best = -1;

    for (size_t i = 0; i < rules->count; i++) {
        size_t fit = rules->at[i].tls ? cv_http_route_fit(asked, rules->at[i].host) : 0;

        if (fit <= best_fit)
            continue;
        best = (int)i;
        best_fit = fit;
    }
    return best;
}

void pass_on(void *ctx, int route, const struct cv_front_passage *passage)
{
    struct worker *worker = ctx;
    const struct cv_route_rule *rule = &worker->rules->config->routes.at[route];

    visit_start(worker, &(struct visit_options){.way = &pass_way,
                                                .door = rule->match,
                                                .peer = passage->peer,
                                                .client = rule->client,
                                                .proto = CV_PROTO_TCP,
                                                .address = rule->address,
                                                .fd = passage->fd,
                                                .early = passage->early,
                                                .early_len = passage->early_len,
                                                .from = CV_ROUTE_VISITOR,
                                                .place = VISIT_PLACE_GIVEN});
}
