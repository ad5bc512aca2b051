#include "net/log.h"
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
    forward->worker = worker;
    forward->rule = rule;
    if (rule->proto == CV_PROTO_UDP) /* a flow must not change its socket: one worker has all */
        return first ? 0
                     : cv_flows_open(&forward->flows, &worker->loop, rule->listen, on_visitor,
                                     forward);
    return worker_listen(worker, &forward->listener, rule->listen, first ? first->listener : NULL,
                         on_visitor, forward);
}

const char *forward_address(const struct forward *forward)
{
    return forward->flows ? cv_flows_address(forward->flows)
                          : cv_listener_address(forward->listener);
}

void forward_close(struct forward *forward)
{
    cv_listener_close(forward->listener);
    cv_flows_close(forward->flows);
    forward->listener = NULL;
    forward->flows = NULL;
}
