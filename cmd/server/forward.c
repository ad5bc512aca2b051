#include <errno.h>

#include "server.h"
#include "visit.h"

static const struct visit_way forward_way = {.answer = NULL};

static void on_visitor(void *ctx, int fd, const char *peer)
{
    const struct forward *forward = ctx;
    const struct cv_forward *rule = forward->rule;

    visit_start(forward->worker, &(struct visit_options){.way = &forward_way,
                                                         .door = rule->listen,
                                                         .peer = peer,
                                                         .client = rule->client,
                                                         .proto = rule->proto,
                                                         .address = rule->address,
                                                         .fd = fd,
                                                         .from = CV_ROUTE_VISITOR});
}

int forward_open(struct forward *forward, struct worker *worker, const struct cv_forward *rule,
                 const struct forward *first)
{
    struct cv_loop *loop = &worker->loop;
    int rc;

    forward->worker = worker;
    forward->rule = rule;
    if (first) {
        rc = cv_listener_new_beside(&forward->listener, loop, first->listener, on_visitor, forward);
        return rc == -EOPNOTSUPP ? 0 : rc; /* the first one listens for all */
    }
    if (worker->server->worker_count == 1)
        return cv_listener_new(&forward->listener, loop, rule->listen, on_visitor, forward);
    return cv_listener_new_shared(&forward->listener, loop, rule->listen, on_visitor, forward);
}
