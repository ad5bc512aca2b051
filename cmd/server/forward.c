#include "door/proxy_head.h"
#include "net/address.h"
#include "net/log.h"
#include "server.h"
#include "visit.h"

static const struct visit_way forward_way = {.answer = NULL};

/* What the target is told first of the visitor: its length. */
static size_t write_head(uint8_t out[CV_PROXY_WRITE_MAX], const struct cv_forward *rule,
                         const char *peer, const char *local)
{
    struct cv_proxy_head head;

    if (!rule->send_proxy)
        return 0;
    (void)!cv_peer_parse(&head.from, peer); /* whoever has no address is written as unknown */
    (void)!cv_peer_parse(&head.to, local);
    return cv_proxy_head_write(out, rule->send_proxy, &head);
}

static void on_admitted(void *ctx, int fd, const char *peer, const char *local)
{
    const struct forward *forward = ctx;
    const struct cv_forward *rule = forward->rule;
    uint8_t head[CV_PROXY_WRITE_MAX];
    size_t head_len = write_head(head, rule, peer, local);

    visit_start(forward->worker, &(struct visit_options){.way = &forward_way,
                                                         .door = rule->listen,
                                                         .peer = peer,
                                                         .client = rule->client,
                                                         .proto = rule->proto,
                                                         .address = rule->address,
                                                         .fd = fd,
                                                         .early = head,
                                                         .early_len = head_len,
                                                         .from = CV_ROUTE_VISITOR});
}

static void on_visitor(void *ctx, int fd, const char *peer)
{
    char local[CV_ADDRESS_SIZE];

    cv_address_local(local, fd);
    on_admitted(ctx, fd, peer, local);
}

/* Listens, behind an usher where visitors come by a proxy. */
static int listen_for(struct forward *forward, const struct forward *first)
{
    struct worker *worker = forward->worker;
    const struct cv_forward *rule = forward->rule;
    const struct cv_usher_config usher = {
        .loop = &worker->loop, .name = rule->listen, .admitted = on_admitted, .ctx = forward};
    struct cv_listener *beside = first ? first->listener : NULL;
    int rc;

    if (!rule->proxy_protocol)
        return worker_listen(worker, &forward->listener, rule->listen, beside, on_visitor, forward);
    rc = cv_usher_new(&forward->usher, &usher);
    return rc < 0 ? rc
                  : worker_listen(worker, &forward->listener, rule->listen, beside,
                                  cv_usher_accepted, forward->usher);
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
    return listen_for(forward, first);
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
    cv_usher_free(forward->usher);
    forward->listener = NULL;
    forward->flows = NULL;
    forward->usher = NULL;
}
